"""Count, mean, standard deviation and range of each band, over any number of patches."""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from sen12ms_tf.bands import BANDS, FEATURES, band, stored_bands

_BAND_NAMES = tuple(row.name for row in BANDS)


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """What is accumulated, each float64 [15] in the order of `BANDS`.

    Mean and `m2`, the sum of squared distances from it, are those after the band's clip; minimum
    and maximum are raw. Missing pixels do not count: NaN in S1, 0 in every band of S2.
    """

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray

    @classmethod
    def zero(cls) -> "Moments":
        """The moments of no pixel at all."""
        zeros = np.zeros(len(BANDS))
        return cls(zeros, zeros, zeros, zeros + np.inf, zeros - np.inf)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of pixels together (Chan et al. 1979)."""
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros_like(count), where=count > 0)
        delta = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + delta * share,
            m2=self.m2 + other.m2 + delta**2 * self.count * share,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
        )

    def rows(self) -> dict[str, dict[str, float]]:
        """Band name -> count, mean, std, min, max; bands without a pixel are left out."""
        return {
            name: {
                "count": int(self.count[i]),
                "mean": float(self.mean[i]),
                "std": float(np.sqrt(self.m2[i] / self.count[i])),
                "min": float(self.minimum[i]),
                "max": float(self.maximum[i]),
            }
            for i, name in enumerate(_BAND_NAMES)
            if self.count[i]
        }


def moments_of(record: Mapping[str, np.ndarray]) -> Moments:
    """Moments of one record's bands."""
    columns = {}
    s1 = record["s1"].reshape(-1, len(stored_bands("s1")))
    s2 = {
        feature: record[feature].reshape(-1, len(stored_bands(feature)))
        for feature in FEATURES
        if feature != "s1"
    }
    s2_valid = np.any([pixels.any(axis=1) for pixels in s2.values()], axis=0)
    for feature, pixels in {"s1": s1, **s2}.items():
        valid = ~np.isnan(pixels).any(axis=1) if feature == "s1" else s2_valid
        kept = pixels if valid.all() else pixels[valid]
        rows = _moments_of_bands(np.ascontiguousarray(kept.T), band(stored_bands(feature)[0]).clip)
        columns |= zip(stored_bands(feature), rows, strict=True)
    return Moments(*np.array([columns[name] for name in _BAND_NAMES]).T)


def _moments_of_bands(pixels: np.ndarray, clip) -> np.ndarray:
    """float64 [bands, 5], the fields of `Moments`, of [bands, pixels].

    A band's pixels lie side by side: strided, this took three times as long.
    """
    if not pixels.size:
        return np.array([[0.0, 0.0, 0.0, np.inf, -np.inf]] * len(pixels))
    clipped = (pixels if clip is None else pixels.clip(*clip)).astype(np.float64)
    mean = clipped.mean(axis=1)
    clipped -= mean[:, None]
    count = np.full(len(pixels), pixels.shape[1])
    m2 = np.einsum("bp,bp->b", clipped, clipped)
    return np.stack([count, mean, m2, pixels.min(axis=1), pixels.max(axis=1)], axis=1)


def merge_all(parts: Iterable[Moments]) -> Moments:
    """Merges in the order given, so that the same parts give the same bits."""
    total = Moments.zero()
    for part in parts:
        total = total.merge(part)
    return total
