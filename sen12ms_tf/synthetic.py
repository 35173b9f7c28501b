"""A miniature SEN12MS made of nothing but a seed: true layout, invented pixels.

What is plausible about it: land cover lies in blocks of 50 px, as MODIS cells of 500 m do; a
scene's classes occur together in nature; what grows inside a block is partly another class of the
scene; S2 is a mixture of endmember spectra with texture, S1 a backscatter level with speckle;
light, season and soil moisture shift every scene. So a model has something to learn, and something
to get wrong. The spectra and levels are round numbers in the range of published ones, not
measurements, and no figure obtained on this sample says anything about the real data set.
"""

import dataclasses
import math
import os
from collections.abc import Iterator

import numpy as np

from sen12ms_tf.errors import UsageError
from sen12ms_tf.landcover import FILL_CODE
from sen12ms_tf.patches import Patch, PatchId, write_patch

BLOCK_PX = 50
PIXEL_M = 10.0

# Share of a block that is covered by its own class; the rest is other classes of the scene.
_PURITY = 0.92

# Spread of a pixel's endmember shares around those of its class, in powers of e.
_HETEROGENEITY = 2.0


@dataclasses.dataclass(frozen=True)
class Scene:
    """A scene of the sample: season folder, number, biome, and an invented place."""

    season: str
    number: int
    biome: str
    lon: float
    lat: float


# In each season ten training scenes, two validation scenes and four of the hold-out list; those of
# validation and test have the numbers of the lists in splits/.
_SCENE_NUMBERS = {
    "ROIs1158_spring": (1, 8, 9, 21, 27, 32, 54, 58, 66, 75, 44, 77, 63, 124, 15, 17),
    "ROIs1868_summer": (5, 8, 11, 27, 33, 68, 85, 100, 127, 146, 26, 113, 43, 131, 72, 15),
    "ROIs1970_fall": (4, 9, 19, 28, 33, 55, 82, 95, 112, 139, 1, 57, 120, 39, 47, 141),
    "ROIs2017_winter": (8, 15, 22, 27, 42, 55, 90, 102, 112, 127, 69, 103, 64, 146, 32, 135),
}

# Longitude and latitude of somewhere on land where each biome is at home.
_PLACES = {
    "tropical": ((102.4, 3.9), (-60.8, -3.1), (13.4, 1.8), (110.6, -1.2)),
    "savanna": ((34.1, -3.4), (25.3, -14.2), (-46.2, -11.5), (131.6, -16.3)),
    "arid": ((-109.8, 33.2), (58.9, 37.6), (117.2, -27.8), (-3.3, 38.1)),
    "temperate": ((9.2, 48.3), (-77.5, 39.2), (20.6, 50.1), (119.2, 33.5)),
    "boreal": ((27.5, 63.4), (-111.7, 58.8), (97.1, 61.2), (44.3, 60.9)),
    "alpine": ((86.7, 28.3), (8.1, 46.4), (-121.4, 48.6), (-72.4, -38.8)),
}


def _scenes():
    biomes = list(_PLACES)
    for offset, (season, numbers) in enumerate(_SCENE_NUMBERS.items()):
        for index, number in enumerate(numbers):
            # Shifted from season to season, so that every split has every biome.
            biome = biomes[(index + 2 * offset) % len(biomes)]
            lon, lat = _PLACES[biome][number % len(_PLACES[biome])]
            # A tenth of a degree apart, so that scenes of one place do not overlap.
            yield Scene(season, number, biome, lon + 0.1 * (index % 7), lat + 0.1 * (number % 5))


SCENES = tuple(_scenes())

# IGBP codes that occur together, with their weights. Water and settlements occur everywhere.
_BIOMES = {
    "tropical": {2: 4, 8: 1, 11: 2, 14: 2, 12: 1, 13: 1, 17: 2},
    "savanna": {4: 1, 8: 2, 9: 3, 10: 2, 12: 2, 13: 1, 17: 1},
    "arid": {6: 1, 7: 3, 10: 2, 12: 1, 13: 1, 16: 3, 17: 1},
    "temperate": {1: 1, 4: 2, 5: 2, 10: 1, 12: 4, 13: 2, 14: 1, 17: 1},
    "boreal": {1: 3, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1, 17: 2},
    "alpine": {1: 2, 10: 2, 15: 4, 16: 2, 17: 1, 7: 1},
}

# Reflectance x 10,000 of pure covers, bands in file order B1 to B12.
_ENDMEMBERS = np.array(
    [
        [1150, 850, 750, 480, 850, 2200, 2800, 2900, 3100, 900, 15, 1500, 650],  # canopy
        [1250, 1000, 1100, 900, 1500, 2700, 3100, 3300, 3500, 1000, 15, 2500, 1400],  # grass
        [1500, 1500, 1700, 2100, 2400, 2600, 2750, 2800, 3000, 900, 20, 3700, 3000],  # soil
        [1250, 950, 700, 420, 380, 330, 310, 280, 260, 120, 12, 120, 80],  # water
        [7500, 7700, 7500, 7600, 7600, 7500, 7400, 7200, 6900, 3000, 30, 900, 800],  # snow
        [1700, 1600, 1600, 1700, 1850, 2000, 2100, 2150, 2200, 800, 20, 2300, 2000],  # built
    ]
)
_GREEN = slice(0, 2)


@dataclasses.dataclass(frozen=True)
class _Signature:
    """How a class looks: endmember shares, dB of VV and VH, texture strength and grain in px."""

    canopy: float
    grass: float
    soil: float
    water: float
    snow: float
    built: float
    vv_db: float
    vh_db: float
    texture: float
    grain_px: float


_SIGNATURES = (
    _Signature(0.75, 0.00, 0.05, 0.20, 0.0, 0.0, -9.0, -14.5, 0.30, 1.5),
    _Signature(0.92, 0.06, 0.00, 0.02, 0.0, 0.0, -7.5, -12.8, 0.20, 3.0),
    _Signature(0.60, 0.08, 0.17, 0.15, 0.0, 0.0, -9.2, -15.0, 0.30, 1.5),
    _Signature(0.78, 0.17, 0.05, 0.00, 0.0, 0.0, -8.3, -13.5, 0.25, 3.0),
    _Signature(0.76, 0.09, 0.03, 0.12, 0.0, 0.0, -8.6, -14.0, 0.30, 2.0),
    _Signature(0.35, 0.15, 0.50, 0.00, 0.0, 0.0, -12.0, -18.5, 0.40, 1.0),
    _Signature(0.15, 0.15, 0.70, 0.00, 0.0, 0.0, -13.0, -20.0, 0.40, 1.0),
    _Signature(0.50, 0.30, 0.20, 0.00, 0.0, 0.0, -10.3, -15.5, 0.45, 4.0),
    _Signature(0.25, 0.45, 0.30, 0.00, 0.0, 0.0, -11.2, -16.2, 0.45, 4.0),
    _Signature(0.02, 0.68, 0.30, 0.00, 0.0, 0.0, -12.8, -19.8, 0.08, 6.0),
    _Signature(0.22, 0.38, 0.00, 0.40, 0.0, 0.0, -9.5, -18.5, 0.30, 6.0),
    _Signature(0.02, 0.83, 0.15, 0.00, 0.0, 0.0, -9.8, -17.5, 0.40, 10.0),
    _Signature(0.05, 0.12, 0.13, 0.00, 0.0, 0.7, -5.5, -12.5, 0.45, 2.0),
    _Signature(0.15, 0.70, 0.15, 0.00, 0.0, 0.0, -9.8, -17.0, 0.40, 8.0),
    _Signature(0.00, 0.00, 0.06, 0.00, 0.94, 0.0, -14.0, -21.0, 0.08, 8.0),
    _Signature(0.00, 0.02, 0.93, 0.00, 0.0, 0.05, -15.5, -23.5, 0.10, 5.0),
    _Signature(0.00, 0.00, 0.00, 1.00, 0.0, 0.0, -18.5, -26.0, 0.05, 3.0),
)


def make_sample(
    patches_per_scene: int = 4, patch_size: int = 256, seed: int = 0
) -> Iterator[tuple[PatchId, Patch]]:
    """The triplets of a sample one by one, the same for the same arguments.

    Raises:
      UsageError: a number of patches below 1, patches of fewer than 4 px, or a negative seed.
    """
    if patches_per_scene < 1 or patch_size < 4 or seed < 0:
        raise UsageError(
            "A sample has at least 1 patch a scene, of at least 4 px, and a seed from 0. Received: "
            f"patches_per_scene={patches_per_scene}, patch_size={patch_size}, seed={seed}."
        )
    return _triplets(patches_per_scene, patch_size, seed)


def _triplets(patches_per_scene: int, patch_size: int, seed: int):
    for index, scene in enumerate(SCENES):
        rng = np.random.default_rng([seed, index])
        patches = _scene_patches(scene, patches_per_scene, patch_size, rng)
        for number, patch in enumerate(patches):
            yield PatchId.parse(f"{scene.season}_{scene.number}_p{number}"), patch


def write_sample(
    output_dir: str | os.PathLike, patches_per_scene: int = 4, patch_size: int = 256, seed: int = 0
) -> Iterator[PatchId]:
    """Writes the triplets of a sample as GeoTIFFs, one each time the next id is asked for."""
    triplets = make_sample(patches_per_scene, patch_size, seed)

    def write() -> Iterator[PatchId]:
        for patch_id, patch in triplets:
            write_patch(output_dir, patch_id, patch)
            yield patch_id

    return write()


def _scene_patches(scene: Scene, count: int, size: int, rng) -> Iterator[Patch]:
    """Cuts patches from one mosaic; neighbours overlap by half, as in the data set."""
    columns = math.ceil(math.sqrt(count))
    stride = size // 2
    extent = stride * (columns - 1) + size
    igbp, cover = _land_cover(scene, extent, rng)
    s1, s2 = _s1(cover, rng), _s2(cover, rng)
    crs, x0, y0 = _place(scene, rng)
    lc = np.full((extent, extent, 4), FILL_CODE, np.uint8)
    lc[..., 0] = igbp
    for number in range(count):
        row, column = stride * (number // columns), stride * (number % columns)
        window = np.s_[row : row + size, column : column + size]
        origin = x0 + PIXEL_M * column, y0 - PIXEL_M * row
        transform = (PIXEL_M, 0.0, origin[0], 0.0, -PIXEL_M, origin[1])
        yield Patch(s1[window], s2[window], lc[window], crs, transform)


def _land_cover(scene: Scene, extent: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """IGBP codes by block, and by pixel what really grows there, both [extent, extent]."""
    weights = _BIOMES[scene.biome]
    codes = np.array(list(weights))
    share = rng.dirichlet([weights[code] for code in weights])
    share = 0.6 * share + 0.4 / len(codes)
    cells = extent // BLOCK_PX + 2
    # One smooth field a class; the class whose field is highest has the block.
    fields = np.stack([_smooth(rng, cells, 0.8) for _ in codes], -1) + np.log(share)
    blocks = codes[np.argmax(fields, -1)]
    shift = rng.integers(0, BLOCK_PX, 2)
    pixels = np.repeat(np.repeat(blocks, BLOCK_PX, 0), BLOCK_PX, 1)
    igbp = pixels[shift[0] :, shift[1] :][:extent, :extent]
    # Clearings, ponds and villages: smooth spots of the scene's other classes.
    other = codes[np.argmax([_smooth(rng, extent, 4.0) for _ in codes], 0)]
    spots = _smooth(rng, extent, 4.0)
    return igbp, np.where(spots > np.quantile(spots, _PURITY), other, igbp)


def _s2(cover: np.ndarray, rng) -> np.ndarray:
    """uint16 [extent, extent, 13]: endmember mixtures x texture, lit and hazed by scene."""
    endmembers = _ENDMEMBERS.astype(float)
    # Season: green covers turn towards soil by a share that all of a scene's plants have.
    dry = rng.uniform(0.0, 0.25)
    endmembers[_GREEN] = (1 - dry) * endmembers[_GREEN] + dry * endmembers[2]
    light = rng.normal(1.0, 0.08) * np.exp(rng.normal(0, 0.02, endmembers.shape[1]))
    haze = rng.uniform(0, 200) * np.linspace(1, 0, endmembers.shape[1]) ** 2
    spectra = _endmember_shares(cover, rng) @ endmembers
    noise = np.exp(rng.normal(0, 0.1, spectra.shape))
    image = spectra * _texture(cover, rng)[..., None] * noise * light + haze
    return np.clip(np.rint(image), 1, 65535).astype(np.uint16)


def _endmember_shares(cover: np.ndarray, rng) -> np.ndarray:
    """float [extent, extent, 6]: a class mixes them on average, a pixel is rather one of them."""
    shares = np.array([dataclasses.astuple(row)[:6] for row in _SIGNATURES])[cover - 1]
    fields = [_smooth(rng, len(cover), 1.0) for _ in range(shares.shape[-1])]
    shares = shares * np.exp(_HETEROGENEITY * np.stack(fields, -1))
    return shares / shares.sum(axis=-1, keepdims=True)


def _s1(cover: np.ndarray, rng) -> np.ndarray:
    """float32 [extent, extent, 2], dB: the class's level, scene moisture, texture, speckle."""
    level = np.array([(row.vv_db, row.vh_db) for row in _SIGNATURES])[cover - 1]
    moisture = rng.normal(0, 0.8, 2)
    # About five looks, as an averaged ground-range product has.
    speckle = 10 * np.log10(rng.gamma(5.0, 1 / 5.0, level.shape))
    texture = 4.0 * np.log(_texture(cover, rng))[..., None]
    return np.minimum(level + moisture + texture + speckle, 0.0).astype(np.float32)


def _texture(cover: np.ndarray, rng) -> np.ndarray:
    """float [extent, extent] around 1, with each class's strength and grain."""
    strength = np.array([row.texture for row in _SIGNATURES])
    grain = np.array([row.grain_px for row in _SIGNATURES])
    field = np.zeros(cover.shape)
    for grain_px in np.unique(grain[np.unique(cover) - 1]):
        where = grain[cover - 1] == grain_px
        field[where] = _smooth(rng, len(cover), grain_px)[where]
    return np.exp(field * strength[cover - 1])


def _smooth(rng, extent: int, grain_px: float) -> np.ndarray:
    """Gaussian noise [extent, extent] of unit variance, smoothed over `grain_px`."""
    frequency = np.hypot(np.fft.fftfreq(extent)[:, None], np.fft.rfftfreq(extent)[None])
    weight = np.exp(-0.5 * (2 * np.pi * frequency * grain_px) ** 2)
    weight[0, 0] = 0.0
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(extent, extent))) * weight, (extent,) * 2)
    return noise / max(noise.std(), 1e-12)


def _place(scene: Scene, rng) -> tuple[str, float, float]:
    """UTM zone and an upper left corner near the scene's place, with a fractional origin."""
    zone = int((scene.lon + 180) // 6) + 1
    central_meridian = zone * 6 - 183
    metres_per_degree = 111_320.0
    east = 500_000 + (scene.lon - central_meridian) * metres_per_degree * math.cos(
        math.radians(scene.lat)
    )
    north = scene.lat * metres_per_degree + (10_000_000 if scene.lat < 0 else 0)
    crs = f"EPSG:{(32600 if scene.lat >= 0 else 32700) + zone}"
    return crs, east + rng.uniform(), north + rng.uniform()
