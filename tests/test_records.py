import numpy as np
import pytest
import tensorflow as tf

from sen12ms_tf import records
from sen12ms_tf.patches import Patch, PatchId

# Odd and not square, so that swapped height and width cannot pass.
HEIGHT, WIDTH = 5, 7


def _patch() -> Patch:
    rng = np.random.default_rng(3)
    s1 = rng.normal(-12, 4, (HEIGHT, WIDTH, 2)).astype(np.float32)
    s1[0, 0] = np.nan, -0.0
    s1[1, 1] = np.inf, np.float32(1e-42)
    lc = rng.integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    lc[..., 0] = rng.choice([1, 10, 17, 255], (HEIGHT, WIDTH))
    s2 = rng.integers(0, 65536, (HEIGHT, WIDTH, 13)).astype(np.uint16)
    # A northing that float32 would move by 0.5 m.
    return Patch(s1, s2, lc, "EPSG:32736", (10.0, 0.1, 617141.8198784497, 0.2, -10.0, 9625258.2274))


def _record() -> dict:
    return records.record_of(PatchId(1158, "spring", "1", 30), _patch())


def _decoded(serialized) -> dict:
    return {
        name: value.numpy() for name, value in records.decode(serialized, (HEIGHT, WIDTH)).items()
    }


def _in_dataset_map(serialized) -> dict:
    dataset = tf.data.Dataset.from_tensors(serialized)
    dataset = dataset.map(lambda each: records.decode(each, (HEIGHT, WIDTH)))
    return next(iter(dataset.as_numpy_iterator()))


@pytest.mark.parametrize("decode", [_decoded, _in_dataset_map])
def test_every_feature_comes_back_bit_for_bit(decode):
    record = _record()
    decoded = decode(records.encode(record))
    assert set(decoded) == set(records.FEATURES) == set(record)
    for name, feature in records.FEATURES.items():
        if feature.encoding == "text":
            assert decoded[name].decode() == record[name]
        else:
            assert decoded[name].dtype == feature.dtype
            assert decoded[name].shape == record[name].shape
            assert decoded[name].tobytes() == np.asarray(record[name]).tobytes()


def test_bands_are_stored_under_their_names():
    patch, record = _patch(), _record()
    # 1-based file positions, as in the facts of the data set.
    for feature, positions in (("s2", (2, 3, 4, 5, 6, 7, 8, 9, 12, 13)), ("s2_60m", (1, 10, 11))):
        for channel, position in enumerate(positions):
            np.testing.assert_array_equal(
                record[feature][..., channel], patch.s2[..., position - 1]
            )


def test_tensorflow_reads_the_example_and_the_frame_as_its_own(tmp_path):
    serialized = records.encode(_record())
    features = tf.train.Example.FromString(serialized).features.feature
    assert set(features) == set(records.FEATURES)
    assert features["id"].bytes_list.value[0] == b"ROIs1158_spring_1_p30"
    path = str(tmp_path / "record")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(serialized)
    assert (tmp_path / "record").read_bytes() == records.frame(serialized)


def test_lengths_of_all_varint_sizes():
    # A text of each length around the steps of a varint must survive.
    for length in (0, 1, 127, 128, 16_383, 16_384, 2_097_152):
        record = _record() | {"crs": "x" * length}
        assert len(_decoded(records.encode(record))["crs"]) == length


def test_a_wrong_dtype_or_rank_is_refused():
    record = _record()
    with pytest.raises(ValueError, match=r"Feature s1 is float32 of rank 3.*float64"):
        records.encode(record | {"s1": record["s1"].astype(np.float64)})
    with pytest.raises(ValueError, match=r"Feature s2 is uint16 of rank 3.*\(35, 10\)"):
        records.encode(record | {"s2": record["s2"].reshape(-1, 10)})


def test_only_wanted_features_are_read():
    assert set(records.decode(records.encode(_record()), (HEIGHT, WIDTH), ("s1",))) == {"s1"}
