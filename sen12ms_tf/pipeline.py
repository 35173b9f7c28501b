"""tf.data pipelines from a converted data set to batches.

The host moves bytes, the accelerator does arithmetic: sensors leave here as they were measured, and
the model's first layer standardises them.
"""

import dataclasses
import functools
import math
import os
import types
from collections.abc import Mapping, Sequence

import tensorflow as tf

from sen12ms_tf import bands, records
from sen12ms_tf.errors import UsageError, check_choice
from sen12ms_tf.landcover import Scheme, scheme
from sen12ms_tf.manifest import Manifest, read_manifest
from sen12ms_tf.storage import as_path
from sen12ms_tf.tasks import DEFAULT_THRESHOLD, Task, check_threshold, task
from sen12ms_tf.transforms import random_symmetry

AUGMENTATIONS = ("none", "d4")

# Serialised records, 2.3 MB each at 256 px. The order on disk is already a global shuffle, so the
# buffer and the order of shards only have to make epochs differ.
SHUFFLE_BUFFER = 256

# Shards read side by side; the order in which their records alternate is fixed.
_INTERLEAVED_SHARDS = 8
_READ_BUFFER_BYTES = 8 * 2**20

_GRAPH_SEED = 1

# TensorFlow's names for what `standardize` needs, so that it runs in tf.data under every backend.
_TF_OPS = types.SimpleNamespace(
    all=tf.reduce_all,
    cast=tf.cast,
    clip=tf.clip_by_value,
    concatenate=tf.concat,
    isnan=tf.math.is_nan,
    logical_and=tf.logical_and,
    where=tf.where,
)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """What one record becomes: the sensors of an input set, and the target of a task."""

    data_dir: str
    manifest: Manifest
    inputs: str
    task: Task
    scheme: Scheme
    threshold: float

    def __post_init__(self):
        check_threshold(self.threshold)

    def records(self, splits: Sequence[str]) -> int:
        return sum(self.manifest.records(split) for split in splits)

    def shard_paths(self, splits: Sequence[str]) -> list[str]:
        root = as_path(self.data_dir)
        return [
            os.fspath(root / shard.name)
            for split in splits
            for shard in self.manifest.shards(split)
            if shard.records
        ]

    def decode(self, serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        wanted = bands.input_features(self.inputs)
        names = (*wanted, "igbp_fraction")
        values = records.decode(serialized, self.manifest.patch_size, names)
        images = {name: _select(values[name], name, chosen) for name, chosen in wanted.items()}
        return images, self.task.target(values["igbp_fraction"], self.scheme, self.threshold)


def _reader(data_dir, inputs, label_type, scheme_name, threshold) -> _Reader:
    """Checks everything that can be wrong before any record is read."""
    reader = _Reader(
        data_dir=os.fspath(data_dir),
        manifest=read_manifest(data_dir),
        inputs=inputs,
        task=task(label_type),
        scheme=scheme(scheme_name),
        threshold=threshold,
    )
    for feature, chosen in bands.input_features(inputs).items():
        held = reader.manifest.features.get(feature, {}).get("bands", [])
        if missing := [name for name in chosen if name not in held]:
            raise UsageError(
                f"Input set '{inputs}' needs {', '.join(missing)}, which {data_dir} was converted "
                "without. Choose another input set, or convert again with all sensors."
            )
    return reader


def _select(image: tf.Tensor, feature: str, names: Sequence[str]) -> tf.Tensor:
    """The bands of those names; the input sets take all stored ones or the first of them."""
    stored = bands.stored_bands(feature)
    if tuple(names) == stored:
        return image
    if tuple(names) == stored[: len(names)]:
        return image[..., : len(names)]
    return tf.gather(image, [stored.index(name) for name in names], axis=-1)


def train_dataset(
    data_dir: str | os.PathLike,
    *,
    inputs: str,
    label_type: str,
    scheme: str = "igbp_simplified",
    threshold: float = DEFAULT_THRESHOLD,
    batch_size: int = 64,
    seed: int = 0,
    augment: str = "none",
    splits: Sequence[str] = ("train",),
    first_epoch: int = 0,
    repeat: bool = False,
    shuffle_buffer: int = SHUFFLE_BUFFER,
    normalized: bool = False,
    statistics: Mapping[str, Mapping[str, float]] | None = None,
) -> tf.data.Dataset:
    """Shuffled, augmented batches of one epoch; each new iteration is the next epoch.

    The order and the augmentation of an epoch follow from `seed` and the epoch's number. The last
    batch of an epoch is dropped where it would be short.

    Args:
      data_dir: a converted data set.
      inputs: input set: rgb, s2, s1, s1s2, s1rgb or all.
      label_type: `single_label` or `multi_label`.
      scheme: `igbp` (17 classes) or `igbp_simplified` (10).
      threshold: smallest area share of a multi-label class, inclusive.
      batch_size: patches a batch.
      seed: of order and augmentation.
      augment: `none`, or `d4` for one of the eight flips and turns.
      splits: `("train", "validation")` trains as the published numbers were.
      first_epoch: number of the first iteration's epoch, for going on with a training.
      repeat: endless, for `steps_per_epoch`.
      shuffle_buffer: records held in memory for shuffling.
      normalized: yields one standardised image instead of the raw sensors, for your own model.
      statistics: with `normalized`, values of bands without published ones; by default those of
        the data set.

    Returns:
      Batches (inputs, target) of static shapes: inputs a dict with the keys of the input set,
      {"s2": uint16 [batch, size, size, n], "s1": float32 [batch, size, size, 2]}, or with
      `normalized` float32 [batch, size, size, channels]; target float32 [batch, num_classes].

    Raises:
      MissingError: `data_dir` is not a converted data set.
      UsageError: an unknown name, a sensor that the data set lacks, or fewer records than a batch.
    """
    reader = _reader(data_dir, inputs, label_type, scheme, threshold)
    check_choice("augmentation", augment, AUGMENTATIONS)
    _check_batch_size(batch_size)
    steps = reader.records(splits) // batch_size
    if not steps:
        raise UsageError(
            f"A training batch needs {batch_size} records, but {' and '.join(splits)} of "
            f"{data_dir} hold {reader.records(splits)}. Choose a smaller batch_size."
        )
    paths = reader.shard_paths(splits)

    def records_of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        # Sets the seed of this function's graph alone, so that the shuffle below follows from its
        # own seed whatever the program gave to tf.random.set_seed.
        tf.compat.v1.set_random_seed(_GRAPH_SEED)
        # Shuffled while still serialised, one string instead of a dict of tensors; numbered in the
        # epoch, so that augmentation does not depend on which thread decodes what. The remainder
        # is dropped here, so that no batch holds records of two epochs.
        return (
            _shuffled_shards(paths, seed, epoch)
            .shuffle(shuffle_buffer, seed=_mix(seed, epoch))
            .take(steps * batch_size)
            .enumerate()
            .map(lambda position, serialized: (epoch, position, serialized))
        )

    def example(epoch, position, serialized):
        images, target = reader.decode(serialized)
        if augment == "d4":
            images = random_symmetry(images, tf.stack([_mix(seed, epoch), position]))
        return images, target

    dataset = (
        _epochs(first_epoch, repeat)
        .flat_map(records_of_epoch)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
    )
    if normalized:
        dataset = _normalize(dataset, reader, statistics)
    cardinality = tf.data.INFINITE_CARDINALITY if repeat else steps
    return dataset.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(
        tf.data.AUTOTUNE
    )


def eval_dataset(
    data_dir: str | os.PathLike,
    *,
    split: str,
    inputs: str,
    label_type: str,
    scheme: str = "igbp_simplified",
    threshold: float = DEFAULT_THRESHOLD,
    batch_size: int = 64,
    pad_to_batch: bool = False,
    normalized: bool = False,
    statistics: Mapping[str, Mapping[str, float]] | None = None,
) -> tf.data.Dataset:
    """Every record of a split once, in the order of patches.csv.

    Args:
      data_dir: a converted data set.
      split: train, validation or test.
      inputs: as for `train_dataset`, like `label_type`, `scheme`, `threshold`, `batch_size`,
        `normalized` and `statistics`.
      label_type: see there.
      scheme: see there.
      threshold: see there.
      batch_size: see there.
      pad_to_batch: fills the last batch with zeros and adds a third element, sample_weight
        float32 [batch], 1 for records and 0 for the filling, where static shapes are demanded.
      normalized: see there.
      statistics: see there.

    Returns:
      Batches as those of `train_dataset`; the last one is short unless padded.

    Raises:
      MissingError: `data_dir` is not a converted data set.
      UsageError: an unknown name, a sensor that the data set lacks, or a split without records.
    """
    reader = _reader(data_dir, inputs, label_type, scheme, threshold)
    _check_batch_size(batch_size)
    count = reader.records([split])
    if not count:
        raise UsageError(f"Split '{split}' of {data_dir} has no records.")
    dataset = (
        tf.data.TFRecordDataset(reader.shard_paths([split]), buffer_size=_READ_BUFFER_BYTES)
        .map(reader.decode, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
    )
    if normalized:
        dataset = _normalize(dataset, reader, statistics)
    if pad_to_batch:
        dataset = dataset.map(functools.partial(_pad, batch_size=batch_size))
    steps = math.ceil(count / batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise UsageError(f"batch_size is at least 1. Received: {batch_size}.")


def _epochs(first_epoch: int, repeat: bool) -> tf.data.Dataset:
    """The numbers of the epochs that one iteration yields: all from the first, or the next one."""
    if repeat:
        return tf.data.Dataset.range(first_epoch, tf.int64.max)
    with tf.device("CPU"):
        following = tf.Variable(first_epoch - 1, dtype=tf.int64, trainable=False)
    # Runs once an iterator: the variable counts the iterations of this dataset.
    return tf.data.Dataset.range(1).map(lambda _: following.assign_add(1))


def _shuffled_shards(paths: Sequence[str], seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    """Records of all shards, the shards in an order that follows from seed and epoch."""
    count = len(paths)
    key = tf.stack([tf.constant(seed, tf.int64), epoch])

    def shard(index: tf.Tensor) -> tf.data.Dataset:
        place = tf.random.experimental.index_shuffle(index, key, count - 1)
        return tf.data.TFRecordDataset(tf.gather(paths, place), buffer_size=_READ_BUFFER_BYTES)

    return tf.data.Dataset.range(count).interleave(
        shard,
        cycle_length=min(_INTERLEAVED_SHARDS, count),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _mix(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """One int64 seed of two: distinct for every seed and for the first billion epochs."""
    return tf.constant(seed, tf.int64) * 1_000_000_007 + epoch


def _normalize(dataset: tf.data.Dataset, reader: _Reader, statistics) -> tf.data.Dataset:
    """Standardises a batch at once: fewer, larger operations than one a patch."""
    from sen12ms_tf.models.normalization import standardize

    channels = bands.normalization(reader.inputs, statistics or reader.manifest.statistics)
    return dataset.map(
        lambda images, target: (standardize(images, channels, _TF_OPS), target),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _pad(images, target: tf.Tensor, batch_size: int):
    """Fills a batch with zeros; returns it with the weights of its samples."""
    count = tf.shape(target)[0]

    def filled(tensor: tf.Tensor) -> tf.Tensor:
        rows = [[0, batch_size - count], *[[0, 0]] * (tensor.shape.rank - 1)]
        return tf.ensure_shape(tf.pad(tensor, rows), (batch_size, *tensor.shape[1:]))

    weight = tf.cast(tf.range(batch_size) < count, tf.float32)
    return tf.nest.map_structure(filled, images), filled(target), weight
