"""What a model has to beat: predictors that learn next to nothing."""

import os
from collections.abc import Iterator

import numpy as np
import sklearn.metrics
import tensorflow as tf

from sen12ms_tf import bands, landcover, records
from sen12ms_tf.landcover import igbp_fraction
from sen12ms_tf.manifest import read_manifest
from sen12ms_tf.models.normalization import standardize
from sen12ms_tf.storage import as_path
from sen12ms_tf.tasks import DEFAULT_THRESHOLD, task

_PIXEL_BANDS = "s1s2"


def constant_label_set(truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Micro-F1 of the best set of labels that can be predicted for every sample alike.

    For micro-F1 the best set of k labels is that of the k most frequent, so trying every k is
    exhaustive.

    Args:
      truth: 0 or 1, [samples, num_classes]: the set is chosen on what it is scored on.

    Returns:
      Micro-F1, and the set as 0 or 1, uint8 [num_classes].
    """
    order = np.argsort(-truth.sum(axis=0), kind="stable")
    best = (-1.0, np.zeros(truth.shape[1], np.uint8))
    for count in range(1, len(order) + 1):
        labels = np.zeros(truth.shape[1], np.uint8)
        labels[order[:count]] = 1
        f1 = _micro_f1(truth, np.broadcast_to(labels, truth.shape))
        best = max(best, (f1, labels), key=lambda pair: pair[0])
    return best


def nearest_class_mean(
    data_dir: str | os.PathLike, split: str, scheme: str, threshold: float = DEFAULT_THRESHOLD
) -> float:
    """Micro-F1 of classifying each pixel by the nearest class mean of the training pixels.

    The twelve standardised bands of s1s2, Euclidean distance; the labels of a patch are the
    classes of at least `threshold` of its pixels.
    """
    rows = landcover.scheme(scheme)
    to_scheme = np.zeros(landcover.FILL_CODE + 1, int)
    to_scheme[1 : len(rows.codes_of_igbp) + 1] = rows.codes_of_igbp
    sums = np.zeros((rows.num_classes + 1, len(bands.channels(_PIXEL_BANDS))))
    counts = np.zeros(rows.num_classes + 1)
    for pixels, igbp in _pixels(data_dir, "train"):
        codes = to_scheme[igbp]
        counts += np.bincount(codes, minlength=len(counts))
        for code in np.unique(codes):
            sums[code] += pixels[codes == code].sum(axis=0)
    seen = np.flatnonzero(counts[1:]) + 1
    means = sums[seen] / counts[seen, None]
    multi_label, truth, predicted = task("multi_label"), [], []
    for pixels, igbp in _pixels(data_dir, split):
        distance = (means**2).sum(1) - 2 * pixels @ means.T
        nearest = seen[np.argmin(distance, axis=1)]
        shares = np.bincount(nearest, minlength=len(counts))[1:] / len(nearest)
        predicted.append(shares >= threshold)
        fraction = igbp_fraction(igbp)
        truth.append(multi_label.target(fraction, rows, threshold).numpy())
    return _micro_f1(np.array(truth), np.array(predicted))


def _pixels(data_dir, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Standardised bands [pixels, 12] and IGBP codes [pixels] of each record."""
    manifest, channels = read_manifest(data_dir), bands.normalization(_PIXEL_BANDS)
    paths = [os.fspath(as_path(data_dir) / shard.name) for shard in manifest.shards(split)]
    for serialized in tf.data.TFRecordDataset(paths):
        record = records.decode(serialized, manifest.patch_size, (*channels, "lc"))
        batch = {feature: record[feature][None] for feature in channels}
        pixels = np.asarray(standardize(batch, channels))
        yield pixels.reshape(-1, pixels.shape[-1]), record["lc"].numpy()[..., 0].ravel()


def _micro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    return sklearn.metrics.f1_score(
        truth.astype(int), predicted.astype(int), average="micro", zero_division=0
    )
