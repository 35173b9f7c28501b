"""THE contract on disk: what one record of a converted data set holds, bit by bit.

One table, FEATURES, drives the writer, the reader and the round-trip test. The writer needs no
TensorFlow: a worker of the conversion starts in 1 s and 0.1 GB instead of 10 s and 0.8 GB.
"""

import dataclasses
import zlib
from collections.abc import Mapping

import google_crc32c
import numpy as np

from sen12ms_tf.bands import FEATURES as PIXEL_FEATURES
from sen12ms_tf.bands import bands_in_file, stored_bands
from sen12ms_tf.landcover import IGBP, igbp_fraction
from sen12ms_tf.patches import Patch, PatchId

LC_LAYERS = ("IGBP", "LCCS land cover", "LCCS land use", "LCCS surface hydrology")

# Level 6: fill and MODIS blocks shrink to about 1 %, and higher levels gain nothing on them.
_ZLIB_LEVEL = 6


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature of a record.

    Attributes:
      name: its key in the tf.train.Example.
      encoding: `text`, `raw` (little-endian bytes), `zlib` (compressed raw) or `floats`.
      dtype: NumPy dtype in memory; `str` for text.
      shape: shape in memory; None stands for the patch's height and width, in this order.
      bands: names along the last axis of an image.
    """

    name: str
    encoding: str
    dtype: str
    shape: tuple[int | None, ...] = ()
    bands: tuple[str, ...] = ()


def _image(name: str, encoding: str, dtype: str, bands: tuple[str, ...]) -> Feature:
    return Feature(name, encoding, dtype, (None, None, len(bands)), bands)


FEATURES = {
    feature.name: feature
    for feature in (
        Feature("id", "text", "str"),
        _image("s1", "raw", "float32", stored_bands("s1")),
        _image("s2", "raw", "uint16", stored_bands("s2")),
        _image("s2_60m", "raw", "uint16", stored_bands("s2_60m")),
        _image("lc", "zlib", "uint8", LC_LAYERS),
        Feature("igbp_fraction", "floats", "float32", (len(IGBP),)),
        Feature("crs", "text", "str"),
        Feature("transform", "raw", "float64", (6,)),
    )
}


def record_of(patch_id: PatchId, patch: Patch) -> dict[str, object]:
    """The values of a patch's record, by feature name.

    Raises:
      UsageError: band 1 of `lc` gives no label; see `igbp_fraction`.
    """
    s2_names = [row.name for row in bands_in_file("s2")]
    images = {"s1": patch.s1}
    for name in PIXEL_FEATURES:
        if name != "s1":
            images[name] = patch.s2[..., [s2_names.index(band) for band in stored_bands(name)]]
    return {
        "id": str(patch_id),
        **images,
        "lc": patch.lc,
        "igbp_fraction": igbp_fraction(patch.lc[..., 0]),
        "crs": patch.crs,
        "transform": np.array(patch.transform, np.float64),
    }


def encode(record: Mapping[str, object]) -> bytes:
    """Serialises a record as a tf.train.Example, the same bytes for the same record.

    Raises:
      ValueError: a value's dtype or rank is not that of its feature.
    """
    entries = []
    for feature in sorted(FEATURES.values(), key=lambda row: row.name):
        # Protocol buffers: Example.features = 1; Features.feature = 1, a map whose entries hold
        # the key in 1 and the value in 2; Feature.bytes_list = 1, .float_list = 2; .value = 1.
        payload = _payload(feature, record[feature.name])
        kind = 2 if feature.encoding == "floats" else 1
        value = _field(2, _field(kind, _field(1, [payload])))
        entries += _field(1, [*_field(1, [feature.name.encode()]), *value])
    return b"".join(_field(1, entries))


def _payload(feature: Feature, value) -> bytes:
    if feature.encoding == "text":
        return str(value).encode()
    array = np.asarray(value)
    if array.dtype != feature.dtype or array.ndim != len(feature.shape):
        raise ValueError(
            f"Feature {feature.name} is {feature.dtype} of rank {len(feature.shape)}. "
            f"Received: {array.dtype} of shape {array.shape}."
        )
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return zlib.compress(raw, _ZLIB_LEVEL) if feature.encoding == "zlib" else raw


def _field(number: int, chunks: list[bytes]) -> list[bytes]:
    """A length-delimited field, kept in pieces so that pixels are copied once, at the end."""
    length = sum(map(len, chunks))
    return [bytes([number << 3 | 2]) + _varint(length), *chunks]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def frame(serialized: bytes) -> bytes:
    """The TFRecord frame: length, its masked CRC-32C, the record, its masked CRC-32C."""
    length = len(serialized).to_bytes(8, "little")
    return b"".join([length, _masked_crc(length), serialized, _masked_crc(serialized)])


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")


def decode(serialized, patch_size: int | tuple[int, int], names=tuple(FEATURES)) -> dict:
    """Reads features of a serialised record, eagerly or inside `Dataset.map`.

    Args:
      serialized: string scalar, a tf.train.Example.
      patch_size: height and width of the data set's patches, or one number for both.
      names: the features to read; the others are not touched.

    Returns:
      Feature name -> tensor of the feature's dtype and static shape.
    """
    import tensorflow as tf

    size = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    specs = {
        name: tf.io.FixedLenFeature(FEATURES[name].shape, tf.float32)
        if FEATURES[name].encoding == "floats"
        else tf.io.FixedLenFeature((), tf.string)
        for name in names
    }
    parsed = tf.io.parse_single_example(serialized, specs)
    return {name: _decode(FEATURES[name], parsed[name], size) for name in names}


def _decode(feature: Feature, value, size: tuple[int, int]):
    import tensorflow as tf

    if feature.encoding in ("text", "floats"):
        return value
    if feature.encoding == "zlib":
        value = tf.io.decode_compressed(value, "ZLIB")
    image = len(feature.shape) == 3
    shape = (*size, feature.shape[-1]) if image else feature.shape
    return tf.reshape(tf.io.decode_raw(value, feature.dtype), shape)
