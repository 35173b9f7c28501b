import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

import sen12ms_tf as s12
from sen12ms_tf import bands, conversion, landcover, planning, records
from sen12ms_tf.errors import MissingError, UsageError
from sen12ms_tf.manifest import read_index, read_manifest
from sen12ms_tf.tasks import task

OPTIONS = {"inputs": "s1s2", "label_type": "multi_label", "batch_size": 4}


def _raw(records_dir, split) -> list[dict]:
    """Every record of a split in reading order, decoded without the pipeline."""
    manifest = read_manifest(records_dir)
    paths = [str(records_dir / shard.name) for shard in manifest.shards(split)]
    return [
        {key: value.numpy() for key, value in records.decode(each, manifest.patch_size).items()}
        for each in tf.data.TFRecordDataset(paths)
    ]


def _ids(dataset, records_dir, split="train") -> list[str]:
    """The ids of a dataset's patches, found by their pixels (dihedral turns keep sums)."""
    by_sum = {
        (int(record["s2"].sum()), float(record["s1"].sum(dtype=np.float64).round(3))): record["id"]
        for record in _raw(records_dir, split)
    }
    found = []
    for inputs, _ in dataset:
        for s1, s2 in zip(inputs["s1"].numpy(), inputs["s2"].numpy(), strict=True):
            key = (int(s2.sum()), float(s1.sum(dtype=np.float64).round(3)))
            found.append(by_sum[key].decode())
    return found


@pytest.mark.parametrize("inputs", bands.INPUTS)
def test_every_input_set_holds_its_bands_by_name(records_dir, inputs):
    dataset = s12.eval_dataset(
        records_dir, split="test", inputs=inputs, label_type="single_label", batch_size=3
    )
    images, _ = next(iter(dataset))
    raw = _raw(records_dir, "test")[:3]
    wanted = bands.input_features(inputs)
    assert list(images) == list(wanted)
    for feature, names in wanted.items():
        stored = bands.stored_bands(feature)
        expected = np.stack([record[feature] for record in raw])
        channels = [stored.index(name) for name in names]
        np.testing.assert_array_equal(images[feature], expected[..., channels])
        assert images[feature].dtype == (tf.float32 if feature == "s1" else tf.uint16)


@pytest.mark.parametrize("label_type", ["single_label", "multi_label"])
@pytest.mark.parametrize("scheme", ["igbp", "igbp_simplified"])
def test_evaluation_is_complete_and_ordered_as_the_index(records_dir, label_type, scheme):
    rows = list(read_index(records_dir, "validation"))
    dataset = s12.eval_dataset(
        records_dir,
        split="validation",
        inputs="s1",
        label_type=label_type,
        scheme=scheme,
        batch_size=5,
    )
    assert dataset.cardinality() == -(-len(rows) // 5)
    targets = np.concatenate([target for _, target in dataset])
    fractions = np.array([row.igbp_fraction for row in rows], np.float32)
    expected = task(label_type).target(fractions, landcover.scheme(scheme)).numpy()
    np.testing.assert_array_equal(targets, expected)
    # 16 records in batches of 5: the last one is short.
    assert len(rows) % 5
    assert [len(target) for _, target in dataset][-1] == len(rows) % 5


def test_padded_evaluation_has_static_shapes_and_weights(records_dir):
    count = len(list(read_index(records_dir, "validation")))
    dataset = s12.eval_dataset(
        records_dir, split="validation", pad_to_batch=True, **OPTIONS | {"batch_size": 5}
    )
    (s2, s1), target, weight = (
        [dataset.element_spec[0][name].shape for name in ("s2", "s1")],
        dataset.element_spec[1].shape,
        dataset.element_spec[2].shape,
    )
    assert (s2, s1, target, weight) == ((5, 33, 33, 10), (5, 33, 33, 2), (5, 10), (5,))
    weights = np.concatenate([each for _, _, each in dataset])
    assert weights.sum() == count
    *_, (inputs, last, weight) = dataset
    assert weight.numpy().tolist() == [1.0] * (count % 5) + [0.0] * (5 - count % 5)
    assert not last.numpy()[count % 5 :].any()
    assert not inputs["s2"].numpy()[count % 5 :].any()


def test_training_batches_have_static_shapes_and_known_cardinality(records_dir):
    dataset = s12.train_dataset(records_dir, augment="d4", **OPTIONS)
    inputs, target = dataset.element_spec
    assert inputs["s2"] == tf.TensorSpec((4, 33, 33, 10), tf.uint16)
    assert inputs["s1"] == tf.TensorSpec((4, 33, 33, 2), tf.float32)
    assert target == tf.TensorSpec((4, 10), tf.float32)
    records_held = read_manifest(records_dir).records("train")
    assert dataset.cardinality() == records_held // 4 == len(list(dataset))


def test_an_epoch_has_every_record_once_but_the_remainder(records_dir):
    held = [row.id for row in read_index(records_dir, "train")]
    dataset = s12.train_dataset(records_dir, **OPTIONS | {"batch_size": 7})
    seen = _ids(dataset, records_dir)
    assert len(seen) == len(set(seen)) == len(held) // 7 * 7
    assert set(seen) <= set(held)


def test_each_iteration_is_the_next_epoch_counted_from_first_epoch(records_dir):
    dataset = s12.train_dataset(records_dir, augment="d4", **OPTIONS)
    gc.collect()  # The count of epochs must live as long as the dataset.
    epochs = [_ids(dataset, records_dir) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    again = s12.train_dataset(records_dir, augment="d4", first_epoch=1, **OPTIONS)
    assert [_ids(again, records_dir) for _ in range(2)] == epochs[1:]
    endless = s12.train_dataset(records_dir, augment="d4", first_epoch=1, repeat=True, **OPTIONS)
    two_epochs = 2 * (read_manifest(records_dir).records("train") // 4)
    assert _ids(endless.take(two_epochs), records_dir) == epochs[1] + epochs[2]
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY


def test_no_batch_of_an_endless_dataset_holds_records_of_two_epochs(records_dir):
    options = OPTIONS | {"batch_size": 7}
    held = read_manifest(records_dir).records("train")
    assert held % 7
    endless = s12.train_dataset(records_dir, repeat=True, **options)
    straight = [
        each
        for epoch in range(2)
        for each in _ids(s12.train_dataset(records_dir, first_epoch=epoch, **options), records_dir)
    ]
    assert _ids(endless.take(2 * (held // 7)), records_dir) == straight


def test_epochs_of_a_single_shard_differ_too(sample_dir, tmp_path):
    plan = planning.plan_conversion(sample_dir, tmp_path / "records")
    conversion.convert(plan, 1)
    assert len(read_manifest(tmp_path / "records").shards("train")) == 1
    dataset = s12.train_dataset(tmp_path / "records", **OPTIONS)
    assert _ids(dataset, tmp_path / "records") != _ids(dataset, tmp_path / "records")


def _pixels(dataset) -> bytes:
    return b"".join(inputs["s2"].numpy().tobytes() for inputs, _ in dataset)


def test_order_and_augmentation_follow_from_the_seed_alone(records_dir):
    def pixels(seed, global_seed=None):
        keras.utils.set_random_seed(global_seed or 1)
        return _pixels(s12.train_dataset(records_dir, augment="d4", seed=seed, **OPTIONS))

    first = pixels(0)
    assert first == pixels(0, global_seed=99)
    assert first != pixels(1)


def test_augmentation_turns_patches_and_differs_between_epochs(records_dir):
    plain = {record["s2"].tobytes() for record in _raw(records_dir, "train")}
    dataset = s12.train_dataset(records_dir, augment="d4", **OPTIONS)
    turned = [
        image.tobytes() not in plain for inputs, _ in dataset for image in inputs["s2"].numpy()
    ]
    # Seven of eight symmetries change a patch: 80 patches, expected 70 changed.
    assert 55 < sum(turned) < len(turned)


def test_fit_sees_each_epoch_once(records_dir):
    seen = []

    class Model(keras.Model):
        def train_step(self, data):
            def note(s2):
                seen.append(s2.numpy().tobytes())
                return np.float32(0)

            tf.py_function(note, [data[0]["s2"]], tf.float32)
            return {"loss": tf.constant(0.0)}

    dataset = s12.train_dataset(records_dir, **OPTIONS)
    model = Model()
    model.compile("adam", run_eagerly=True)
    model.fit(dataset, epochs=3, shuffle=False, verbose=0)
    expected = [
        inputs["s2"].numpy().tobytes()
        for epoch in range(3)
        for inputs, _ in s12.train_dataset(records_dir, first_epoch=epoch, **OPTIONS)
    ]
    assert seen == expected


@pytest.mark.parametrize("inputs", bands.INPUTS)
def test_normalized_images_are_what_the_models_first_layer_makes(records_dir, inputs):
    from sen12ms_tf.models import BandNormalization

    options = {"split": "test", "inputs": inputs, "label_type": "single_label", "batch_size": 8}
    statistics = read_manifest(records_dir).statistics
    layer = BandNormalization(bands.normalization(inputs, statistics))
    raw, _ = next(iter(s12.eval_dataset(records_dir, **options)))
    image, _ = next(iter(s12.eval_dataset(records_dir, normalized=True, **options)))
    assert image.shape == (8, 33, 33, len(bands.channels(inputs)))
    np.testing.assert_allclose(image, layer(raw), atol=1e-6)


def test_training_on_both_splits(records_dir):
    manifest = read_manifest(records_dir)
    both = manifest.records("train") + manifest.records("validation")
    dataset = s12.train_dataset(records_dir, splits=("train", "validation"), **OPTIONS)
    assert dataset.cardinality() == both // 4


def test_a_sensor_that_was_not_converted_is_named(records_dir, changed_copy):
    features = read_manifest(records_dir).features
    kept = {name: value for name, value in features.items() if name != "s1"}
    partial = changed_copy(features=kept)
    with pytest.raises(UsageError, match=r"'s1s2' needs VV, VH.*converted without"):
        s12.eval_dataset(partial, split="test", **OPTIONS)
    s12.eval_dataset(partial, split="test", **OPTIONS | {"inputs": "s2"})


def test_a_split_without_records_is_refused(records_dir, changed_copy):
    splits = read_manifest(records_dir).splits | {"test": ()}
    empty = changed_copy(splits=splits)
    with pytest.raises(UsageError, match=r"Split 'test'.*no records"):
        s12.eval_dataset(empty, split="test", **OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": "s3"}, "Unknown input set 's3'"),
        ({"label_type": "both"}, "Unknown label type 'both'"),
        ({"scheme": "corine"}, "Unknown scheme 'corine'"),
        ({"augment": "mixup"}, "Unknown augmentation 'mixup'"),
        ({"splits": ("tran",)}, "Unknown split 'tran'"),
        ({"batch_size": 0}, "batch_size is at least 1"),
        ({"batch_size": 1000}, "needs 1000 records.*Choose a smaller batch_size"),
        ({"threshold": 1.5}, "threshold is above 0"),
    ],
)
def test_mistakes_are_named_before_any_record_is_read(records_dir, change, message):
    with pytest.raises(UsageError, match=message):
        s12.train_dataset(records_dir, **OPTIONS | change)


def test_no_data_set(tmp_path):
    with pytest.raises(MissingError, match="no such directory"):
        s12.train_dataset(tmp_path / "absent", **OPTIONS)
