"""The 15 bands of SEN12MS: one row a band, everything else derived from it by name.

Sources: positions and units from the data set (Schmitt et al. 2019,
doi 10.5194/isprs-annals-IV-2-W7-153-2019); means and standard deviations are those of the training
split as published with the original toolbox, S2 unclipped and S1 clipped to [-25, 0] dB. B1, B9 and
B10 have no published statistics: conversion measures them.
"""

import dataclasses
from collections.abc import Mapping

from sen12ms_tf.errors import UsageError, check_choice

S1_CLIP_DB = (-25.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Band:
    """One band as it lies in the data set.

    Attributes:
      name: `VV`, `VH`, or the Sentinel-2 name, `B2` or `B8A` for instance.
      sensor: `s1` or `s2`.
      position: 1-based band index in the sensor's GeoTIFF, as rasterio counts.
      resolution_m: ground sampling distance of the instrument, metres.
      unit: `dB` (sigma nought) or `reflectance x 10,000` (top of atmosphere).
      clip: inclusive bounds applied before standardising, in `unit`; None for no bounds.
      mean: mean over the published training split after clipping, in `unit`; None if unpublished.
      std: standard deviation, likewise.
    """

    name: str
    sensor: str
    position: int
    resolution_m: int
    unit: str
    clip: tuple[float, float] | None
    mean: float | None
    std: float | None

    @property
    def feature(self) -> str:
        """Key of the record feature that stores the band: `s1`, `s2` or `s2_60m`."""
        return "s2_60m" if self.resolution_m == 60 else self.sensor


def _s1(name, position, mean, std) -> Band:
    return Band(name, "s1", position, 10, "dB", S1_CLIP_DB, mean, std)


def _s2(name, position, resolution_m, mean=None, std=None) -> Band:
    return Band(name, "s2", position, resolution_m, "reflectance x 10,000", None, mean, std)


BANDS = (
    _s1("VV", 1, -11.76858, 4.525339),
    _s1("VH", 2, -18.294598, 4.3586307),
    _s2("B1", 1, 60),
    _s2("B2", 2, 10, 1226.4215, 741.6254),
    _s2("B3", 3, 10, 1137.3799, 740.883),
    _s2("B4", 4, 10, 1139.6792, 960.1045),
    _s2("B5", 5, 20, 1350.9973, 946.76056),
    _s2("B6", 6, 20, 1932.9058, 985.52747),
    _s2("B7", 7, 20, 2211.1584, 1082.4341),
    _s2("B8", 8, 10, 2154.9846, 1057.7628),
    _s2("B8A", 9, 20, 2409.1128, 1136.1942),
    _s2("B9", 10, 60),
    _s2("B10", 11, 60),
    _s2("B11", 12, 20, 2001.8622, 1132.7898),
    _s2("B12", 13, 20, 1356.0801, 991.48016),
)

_BY_NAME = {band.name: band for band in BANDS}

FEATURES = ("s1", "s2", "s2_60m")

# Channel order of each input set: first the features in this order, inside them the stored order.
# `rgb` is B2 B3 B4, blue first, as the published checkpoints want it.
_FEATURES_OF_INPUTS = {
    "rgb": {"s2": ("B2", "B3", "B4")},
    "s2": {"s2": None},
    "s1": {"s1": None},
    "s1s2": {"s2": None, "s1": None},
    "s1rgb": {"s2": ("B2", "B3", "B4"), "s1": None},
    "all": {"s2": None, "s2_60m": None, "s1": None},
}

INPUTS = tuple(_FEATURES_OF_INPUTS)


def band(name: str) -> Band:
    """The row of a band."""
    return _BY_NAME[check_choice("band", name, _BY_NAME)]


def bands_in_file(sensor: str) -> tuple[Band, ...]:
    """The bands of a sensor in the order of its GeoTIFF."""
    rows = [row for row in BANDS if row.sensor == sensor]
    return tuple(sorted(rows, key=lambda row: row.position))


def stored_bands(feature: str) -> tuple[str, ...]:
    """Names of the bands of a record feature, in the order in which records store them."""
    check_choice("feature", feature, FEATURES)
    sensor = feature.split("_")[0]
    return tuple(row.name for row in bands_in_file(sensor) if row.feature == feature)


def input_features(inputs: str) -> dict[str, tuple[str, ...]]:
    """Feature key -> band names of an input set, both in the order of the model's channels."""
    chosen = _FEATURES_OF_INPUTS[check_choice("input set", inputs, INPUTS)]
    return {feature: names or stored_bands(feature) for feature, names in chosen.items()}


def channels(inputs: str) -> tuple[str, ...]:
    """Band names of an input set in the order of the model's channels."""
    return tuple(name for names in input_features(inputs).values() for name in names)


def normalization(
    inputs: str, statistics: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, list[dict]]:
    """What each channel of an input set is clipped to and standardised with.

    Bands with published statistics always use them, so that models stay comparable.

    Args:
      inputs: an input set.
      statistics: band name -> {"mean": ..., "std": ...} for the bands without published values,
        such as the `statistics` of a manifest. Values of other bands are not used.

    Returns:
      Feature key -> one row a channel, {"band", "clip", "mean", "std"}, ready for JSON.

    Raises:
      UsageError: a band has neither published statistics nor given ones.
    """
    return {
        feature: [_channel(_BY_NAME[name], statistics or {}) for name in names]
        for feature, names in input_features(inputs).items()
    }


def _channel(row: Band, statistics) -> dict:
    mean, std = row.mean, row.std
    if mean is None:
        measured = statistics.get(row.name)
        if not measured or not measured.get("std"):
            raise UsageError(
                f"{row.name} has no published mean and std, and statistics= holds none for it. "
                "Pass those of a converted data set: read_manifest(data_dir).statistics."
            )
        mean, std = measured["mean"], measured["std"]
    clip = list(row.clip) if row.clip else None
    return {"band": row.name, "clip": clip, "mean": float(mean), "std": float(std)}
