import numpy as np

from sen12ms_tf import statistics
from sen12ms_tf.bands import BANDS, stored_bands


def _record(rng, size=6) -> dict:
    return {
        "s1": rng.normal(-20, 8, (size, size, 2)).astype(np.float32),
        "s2": rng.integers(1, 65536, (size, size, 10)).astype(np.uint16),
        "s2_60m": rng.integers(1, 65536, (size, size, 3)).astype(np.uint16),
    }


def test_merged_moments_are_those_of_all_pixels():
    rng = np.random.default_rng(0)
    parts = [_record(rng) for _ in range(4)]
    rows = statistics.merge_all(map(statistics.moments_of, parts)).rows()
    assert list(rows) == [band.name for band in BANDS]
    for feature in ("s1", "s2", "s2_60m"):
        pixels = np.concatenate(
            [part[feature].reshape(-1, part[feature].shape[-1]) for part in parts]
        )
        for name, values in zip(stored_bands(feature), pixels.T.astype(np.float64), strict=True):
            clipped = values.clip(-25, 0) if feature == "s1" else values
            row = rows[name]
            assert row["count"] == 4 * 36
            np.testing.assert_allclose(row["mean"], clipped.mean(), rtol=1e-12)
            np.testing.assert_allclose(row["std"], clipped.std(), rtol=1e-12)
            # Range is raw: S1 goes beyond the clip.
            assert (row["min"], row["max"]) == (values.min(), values.max())


def test_missing_pixels_do_not_count():
    record = _record(np.random.default_rng(1))
    record["s1"][0, 0, 0] = np.nan
    record["s2"][0, :2] = 0
    record["s2_60m"][0, 1] = 0
    rows = statistics.moments_of(record).rows()
    assert rows["VV"]["count"] == 35
    # Pixel (0, 0) still has its 60 m bands, so only (0, 1) is missing.
    assert rows["B2"]["count"] == rows["B10"]["count"] == 35
    assert rows["B2"]["min"] == 0


def test_no_pixel_gives_no_row():
    assert statistics.merge_all([]).rows() == {}
