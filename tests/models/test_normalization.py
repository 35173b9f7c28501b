import keras
import numpy as np
import pytest

from sen12ms_tf import bands
from sen12ms_tf.models import BandNormalization

CHANNELS = bands.normalization("s1s2")


def _inputs(batch=1, size=2) -> dict[str, np.ndarray]:
    s2 = np.full((batch, size, size, 10), 1000, np.uint16)
    return {"s2": s2, "s1": np.full((batch, size, size, 2), -12.0, np.float32)}


def test_bands_are_standardised_by_name():
    image = np.asarray(BandNormalization(CHANNELS)(_inputs()))
    rows = [bands.band(name) for name in bands.channels("s1s2")]
    expected = [((-12.0 if row.sensor == "s1" else 1000) - row.mean) / row.std for row in rows]
    np.testing.assert_allclose(image[0, 0, 0], expected, rtol=1e-5)
    assert image.dtype == np.float32


def test_s1_is_clipped_and_its_sign_kept():
    inputs = _inputs()
    inputs["s1"][0, 0] = [[-40.0, 3.0], [-25.0, 0.0]]
    image = np.asarray(BandNormalization(CHANNELS)(inputs))
    np.testing.assert_array_equal(image[0, 0, 0], image[0, 0, 1])
    vv, vh = bands.band("VV"), bands.band("VH")
    assert image[0, 0, 0, 10] == pytest.approx((-25 - vv.mean) / vv.std, rel=1e-5)
    assert image[0, 0, 0, 11] == pytest.approx((0 - vh.mean) / vh.std, rel=1e-5)


def test_s2_is_not_clipped():
    inputs = _inputs()
    inputs["s2"][...] = 65535
    b2 = bands.band("B2")
    image = np.asarray(BandNormalization(CHANNELS)(inputs))
    assert image[0, 0, 0, 0] == pytest.approx((65535 - b2.mean) / b2.std, rel=1e-5)


def test_missing_values_become_the_mean():
    inputs = _inputs()
    inputs["s1"][0, 0, 0, 1] = np.nan
    inputs["s2"][0, 0, 1] = 0
    inputs["s2"][0, 1, 1, :9] = 0  # One band is left: dark, not missing.
    image = np.asarray(BandNormalization(CHANNELS)(inputs))
    assert image[0, 0, 0, 11] == 0
    assert image[0, 0, 0, 10] != 0
    assert not image[0, 0, 1, :10].any()
    assert image[0, 0, 1, 10:].all()
    assert image[0, 1, 1].all()


def test_s2_is_missing_only_where_all_its_bands_are():
    statistics = {name: {"mean": 7.0, "std": 3.0} for name in ("B1", "B9", "B10")}
    layer = BandNormalization(bands.normalization("all", statistics))
    inputs = _inputs() | {"s2_60m": np.zeros((1, 2, 2, 3), np.uint16)}
    inputs["s2"][0, 0, 0] = 0
    image = np.asarray(layer(inputs))
    assert not image[0, 0, 0, :13].any()
    # With its 10 m and 20 m bands, a pixel is dark at 60 m, not missing.
    assert image[0, 0, 1, :13].all()


def test_the_layer_keeps_its_statistics():
    statistics = {name: {"mean": 7.0, "std": 3.0} for name in ("B1", "B9", "B10")}
    layer = BandNormalization(bands.normalization("all", statistics))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.channels == layer.channels
    inputs = _inputs() | {"s2_60m": np.full((1, 2, 2, 3), 10, np.uint16)}
    np.testing.assert_array_equal(layer(inputs), copy(inputs))
    assert np.asarray(copy(inputs))[0, 0, 0, 10] == pytest.approx(1.0)
