"""GeoTIFF triplets: their names, what may stand in them, reading and writing them.

With `maps`, the only room that uses rasterio, and with the GTiff driver alone: a file is what its
pixels say, whatever other driver would also open it.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import warnings

import numpy as np
import rasterio
import rasterio.errors
import rasterio.warp
from rasterio.crs import CRS
from rasterio.transform import Affine

from sen12ms_tf.bands import bands_in_file
from sen12ms_tf.errors import MissingError, UsageError

SENSORS = ("s1", "s2", "lc")
LAYOUT = "ROIs1158_spring/s1_1/ROIs1158_spring_s1_1_p30.tif, and the same with s2 and lc"

_NAME = re.compile(
    r"ROIs(?P<roi>\d{4})_(?P<season>[a-z]+)_(?:(?P<sensor>s1|s2|lc)_)?"
    r"(?P<scene>[a-z0-9]+)_p(?P<number>\d+)(?P<tif>\.tif)?"
)
_SEASON_FOLDER = re.compile(r"ROIs\d{4}_[a-z]+")
_SENSOR_FOLDER = re.compile(r"(s1|s2|lc)_[a-z0-9]+")


@dataclasses.dataclass(frozen=True, order=True)
class PatchId:
    """Names one patch, in every sensor.

    Attributes:
      roi: seed of the region-of-interest draw, 1158 for instance.
      season: `spring`, `summer`, `fall` or `winter`.
      scene: the scene's number. Alone it is no key: it recurs in other seasons.
      number: the patch's number in its scene.
    """

    roi: int
    season: str
    scene: str
    number: int

    @classmethod
    def parse(cls, name: str) -> "PatchId":
        """The patch of an id, `ROIs1158_spring_1_p30`, or of a file name of any sensor."""
        return _parse(name)[0]

    def __str__(self) -> str:
        """The id that records carry: `ROIs1158_spring_1_p30`."""
        return f"{self._season_folder}_{self.scene}_p{self.number}"

    @property
    def scene_folder(self) -> str:
        """The S1 folder, `ROIs1158_spring/s1_1`, which names the scene in the scene lists."""
        return f"{self._season_folder}/s1_{self.scene}"

    def file(self, sensor: str) -> str:
        """Path of the sensor's GeoTIFF below the data set's root."""
        folder = f"{sensor}_{self.scene}"
        name = f"{self._season_folder}_{sensor}_{self.scene}_p{self.number}.tif"
        return f"{self._season_folder}/{folder}/{name}"

    @property
    def _season_folder(self) -> str:
        return f"ROIs{self.roi:04d}_{self.season}"


def _parse(name: str) -> tuple[PatchId, str | None]:
    match = _NAME.fullmatch(name)
    # A file name carries its sensor, an id does not.
    if not match or bool(match["sensor"]) != bool(match["tif"]):
        raise UsageError(
            "A patch is named like ROIs1158_spring_1_p30, its files like "
            f"ROIs1158_spring_s1_1_p30.tif. Received: '{name}'."
        )
    patch = PatchId(int(match["roi"]), match["season"], match["scene"], int(match["number"]))
    return patch, match["sensor"]


@dataclasses.dataclass(frozen=True, eq=False)
class Patch:
    """The pixels of one triplet and where they lie.

    Attributes:
      s1: float32 [height, width, 2], VV and VH, sigma nought in dB.
      s2: uint16 [height, width, 13], top-of-atmosphere reflectance x 10,000, in file order.
      lc: uint8 [height, width, 4], IGBP and the three LCCS layers of MODIS MCD12Q1.
      crs: `EPSG:n`, or WKT2 where no EPSG code fits.
      transform: a, b, c, d, e, f in rasterio's order: x = a * column + b * row + c, metres.
    """

    s1: np.ndarray
    s2: np.ndarray
    lc: np.ndarray
    crs: str
    transform: tuple[float, ...]

    def centre_lon_lat(self) -> tuple[float, float]:
        """Longitude and latitude of the patch's centre, degrees, WGS 84."""
        height, width = self.lc.shape[:2]
        a, b, c, d, e, f = self.transform
        x = a * width / 2 + b * height / 2 + c
        y = d * width / 2 + e * height / 2 + f
        (lon,), (lat,) = rasterio.warp.transform(self.crs, "EPSG:4326", [x], [y])
        return lon, lat


@dataclasses.dataclass(frozen=True)
class _FileRule:
    """What the GeoTIFF of a sensor must hold, and the dtype it is read into."""

    bands: int
    accepted: tuple[str, ...]
    dtype: str


_RULES = {
    "s1": _FileRule(len(bands_in_file("s1")), ("float32", "float64"), "float32"),
    "s2": _FileRule(len(bands_in_file("s2")), ("uint16",), "uint16"),
    "lc": _FileRule(4, ("uint8", "uint16"), "uint8"),
}


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a copy of the data set holds.

    Attributes:
      complete: patches with all three files, sorted.
      incomplete: patch -> sensors that are missing.
      strays: paths below the root of GeoTIFFs whose names do not fit the folder they lie in.
    """

    complete: tuple[PatchId, ...]
    incomplete: dict[PatchId, tuple[str, ...]]
    strays: tuple[str, ...]


def find_triplets(sen12ms_dir: str | os.PathLike) -> Inventory:
    """Lists the triplets below a directory; whole seasons or scenes may be missing.

    Raises:
      MissingError: no such directory.
      UsageError: nothing in it has the layout of SEN12MS.
    """
    root = pathlib.Path(sen12ms_dir)
    if not root.is_dir():
        raise MissingError(f"No SEN12MS copy at {root}: there is no such directory.")
    found: dict[PatchId, set[str]] = {}
    strays = []
    for file in _geotiffs(root):
        try:
            patch, sensor = _parse(file.name)
        except UsageError:
            patch = None
        relative = file.relative_to(root).as_posix()
        if patch is None or relative != patch.file(sensor):
            strays.append(relative)
        else:
            found.setdefault(patch, set()).add(sensor)
    if not found:
        held = sorted(path.name for path in root.iterdir())[:5]
        raise UsageError(
            f"{root} holds no SEN12MS patch. Expected: {LAYOUT}. "
            f"Found: {', '.join(held) or 'nothing'}{', ...' if len(held) == 5 else ''}."
        )
    missing = {
        patch: tuple(sensor for sensor in SENSORS if sensor not in sensors)
        for patch, sensors in sorted(found.items())
    }
    return Inventory(
        complete=tuple(patch for patch, sensors in missing.items() if not sensors),
        incomplete={patch: sensors for patch, sensors in missing.items() if sensors},
        strays=tuple(sorted(strays)),
    )


def _geotiffs(root: pathlib.Path):
    for season in root.iterdir():
        if season.is_dir() and _SEASON_FOLDER.fullmatch(season.name):
            for folder in season.iterdir():
                if folder.is_dir() and _SENSOR_FOLDER.fullmatch(folder.name):
                    yield from folder.glob("*.tif")


def read_patch(sen12ms_dir: str | os.PathLike, patch: PatchId) -> Patch:
    """Reads a triplet.

    Raises:
      UsageError: a file is no readable GeoTIFF, has other bands or another dtype than its sensor,
        or differs from the triplet's others in size, CRS or transform. Names the file.
    """
    root = pathlib.Path(sen12ms_dir)
    images = {sensor: _read(root / patch.file(sensor), _RULES[sensor]) for sensor in SENSORS}
    reference = images["s2"]
    for image in images.values():
        for what in ("size", "crs", "transform"):
            if getattr(image, what) != getattr(reference, what):
                raise UsageError(
                    f"{image.path}: the files of a triplet share size, CRS and transform. Received "
                    f"{what} {getattr(image, what)}, but {reference.path.name} has "
                    f"{getattr(reference, what)}."
                )
    return Patch(
        **{sensor: image.pixels for sensor, image in images.items()},
        crs=reference.crs,
        transform=reference.transform,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Image:
    path: pathlib.Path
    pixels: np.ndarray
    crs: str
    transform: tuple[float, ...]

    @property
    def size(self) -> tuple[int, ...]:
        return self.pixels.shape[:2]


def _read(path: pathlib.Path, rule: _FileRule) -> _Image:
    try:
        with _silent_open(path) as file:
            if file.count != rule.bands:
                raise UsageError(f"{path}: expected {rule.bands} bands. Received: {file.count}.")
            if any(dtype not in rule.accepted for dtype in file.dtypes):
                raise UsageError(
                    f"{path}: expected dtype {' or '.join(rule.accepted)}. "
                    f"Received: {', '.join(sorted(set(file.dtypes)))}."
                )
            if file.crs is None or not (file.crs.is_projected or file.crs.is_geographic):
                raise UsageError(
                    f"{path}: a patch needs a projected or geographic CRS. "
                    f"Received: {file.crs or 'none'}."
                )
            pixels = np.ascontiguousarray(np.moveaxis(file.read(), 0, -1))
            crs, transform = _crs_text(file.crs.to_wkt()), tuple(file.transform)[:6]
    except rasterio.errors.RasterioError as error:
        raise UsageError(
            f"{path}: not a readable GeoTIFF ({_first_line(error)}). Download it again."
        ) from error
    return _Image(path, _narrow(pixels, rule, path), crs, transform)


def _narrow(pixels: np.ndarray, rule: _FileRule, path: pathlib.Path) -> np.ndarray:
    if rule.dtype == "uint8" and pixels.max() > 255:
        raise UsageError(f"{path}: land-cover codes end at 255. Received: {pixels.max()}.")
    return pixels.astype(rule.dtype, copy=False)


@contextlib.contextmanager
def _silent_open(path: pathlib.Path):
    """Opens a GeoTIFF without a warning for one that lies nowhere: that is an error, said once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, driver="GTiff") as file:
            yield file


@functools.lru_cache
def _crs_text(wkt: str) -> str:
    """`EPSG:n` where that is the same CRS, and not just a similar one; else WKT2."""
    crs = CRS.from_wkt(wkt)
    code = crs.to_epsg()
    if code and CRS.from_epsg(code) == crs:
        return f"EPSG:{code}"
    return crs.to_wkt(version="WKT2_2019")


def _first_line(error: Exception) -> str:
    """The message of the GDAL error beneath, which says more than rasterio's own."""
    text = str(error.__cause__ or error) or type(error).__name__
    return text.splitlines()[0]


def write_patch(sen12ms_dir: str | os.PathLike, patch: PatchId, pixels: Patch) -> None:
    """Writes a triplet in the layout of the data set: pixel-interleaved, uncompressed."""
    for sensor in SENSORS:
        image = getattr(pixels, sensor)
        height, width, count = image.shape
        path = pathlib.Path(sen12ms_dir) / patch.file(sensor)
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=count,
            dtype=image.dtype,
            crs=pixels.crs,
            transform=Affine(*pixels.transform),
            interleave="pixel",
        ) as file:
            file.write(np.moveaxis(image, -1, 0))
