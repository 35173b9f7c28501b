"""Land-cover classes: one row a class, and the two label schemes made of them.

Sources: IGBP codes and names from MODIS MCD12Q1; the simplified scheme, its numbers and colours
from Schmitt & Wu 2021 (doi 10.5194/isprs-annals-V-2-2021-101-2021) and DFC2020; colours of the 17
classes from the usual MODIS palette.
"""

import dataclasses

import numpy as np

from sen12ms_tf.errors import UsageError, check_choice

FILL_CODE = 255


@dataclasses.dataclass(frozen=True)
class LandCoverClass:
    """One class of a scheme.

    Attributes:
      code: 1-based number of the class in its scheme.
      name: the class's name.
      colour: legend colour, `#rrggbb`.
      group: code of the simplified class that the class belongs to.
    """

    code: int
    name: str
    colour: str
    group: int


IGBP = (
    LandCoverClass(1, "Evergreen needleleaf forest", "#05450a", 1),
    LandCoverClass(2, "Evergreen broadleaf forest", "#086a10", 1),
    LandCoverClass(3, "Deciduous needleleaf forest", "#54a708", 1),
    LandCoverClass(4, "Deciduous broadleaf forest", "#78d203", 1),
    LandCoverClass(5, "Mixed forest", "#009900", 1),
    LandCoverClass(6, "Closed shrublands", "#c6b044", 2),
    LandCoverClass(7, "Open shrublands", "#dcd159", 2),
    LandCoverClass(8, "Woody savannas", "#dade48", 3),
    LandCoverClass(9, "Savannas", "#fbff13", 3),
    LandCoverClass(10, "Grasslands", "#b6ff05", 4),
    LandCoverClass(11, "Permanent wetlands", "#27ff87", 5),
    LandCoverClass(12, "Croplands", "#c24f44", 6),
    LandCoverClass(13, "Urban and built-up lands", "#a5a5a5", 7),
    LandCoverClass(14, "Cropland/natural vegetation mosaics", "#ff6d4c", 6),
    LandCoverClass(15, "Permanent snow and ice", "#69fff8", 8),
    LandCoverClass(16, "Barren", "#f9ffa4", 9),
    LandCoverClass(17, "Water bodies", "#1c0dff", 10),
)

IGBP_SIMPLIFIED = (
    LandCoverClass(1, "Forest", "#009900", 1),
    LandCoverClass(2, "Shrubland", "#c6b044", 2),
    LandCoverClass(3, "Savanna", "#fbff13", 3),
    LandCoverClass(4, "Grassland", "#b6ff05", 4),
    LandCoverClass(5, "Wetlands", "#27ff87", 5),
    LandCoverClass(6, "Croplands", "#c24f44", 6),
    LandCoverClass(7, "Urban/Built-up", "#a5a5a5", 7),
    LandCoverClass(8, "Snow/Ice", "#69fff8", 8),
    LandCoverClass(9, "Barren", "#f9ffa4", 9),
    LandCoverClass(10, "Water", "#1c0dff", 10),
)


@dataclasses.dataclass(frozen=True)
class Scheme:
    """A label scheme.

    Attributes:
      name: `igbp` or `igbp_simplified`.
      classes: its classes, by code.
      codes_of_igbp: for each of the 17 IGBP classes, the code that it has in this scheme.
    """

    name: str
    classes: tuple[LandCoverClass, ...]
    codes_of_igbp: tuple[int, ...]

    @property
    def num_classes(self) -> int:
        """How many classes the scheme has."""
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by code."""
        return tuple(row.name for row in self.classes)

    @property
    def colours(self) -> tuple[str, ...]:
        """Legend colours of the classes, by code."""
        return tuple(row.colour for row in self.classes)

    @property
    def matrix(self) -> np.ndarray:
        """float32 [17, num_classes] of 0 and 1: turns IGBP fractions into the scheme's."""
        codes = np.array(self.codes_of_igbp)
        return (codes[:, None] == np.arange(1, self.num_classes + 1)).astype(np.float32)


SCHEMES = {
    "igbp": Scheme("igbp", IGBP, tuple(row.code for row in IGBP)),
    "igbp_simplified": Scheme("igbp_simplified", IGBP_SIMPLIFIED, tuple(row.group for row in IGBP)),
}


def scheme(name: str) -> Scheme:
    """The label scheme of that name."""
    return SCHEMES[check_choice("scheme", name, SCHEMES)]


def igbp_fraction(igbp_map: np.ndarray) -> np.ndarray:
    """Area fractions of the 17 IGBP classes.

    Args:
      igbp_map: integer [height, width], band 1 of `lc`: codes 1 to 17, 255 is fill.

    Returns:
      float32 [17], pixels of a class over all pixels that have one.

    Raises:
      UsageError: a code is neither 1 to 17 nor 255, or no pixel has a class.
    """
    codes, counts = np.unique(igbp_map, return_counts=True)
    unknown = [int(code) for code in codes if not 1 <= code <= len(IGBP) and code != FILL_CODE]
    if unknown:
        raise UsageError(f"IGBP codes are 1 to 17, and 255 for fill. Received: {unknown}.")
    pixels = np.zeros(len(IGBP), np.int64)
    for code, count in zip(codes, counts, strict=True):
        if code != FILL_CODE:
            pixels[code - 1] = count
    if not pixels.any():
        raise UsageError("A label needs at least one pixel with a class. Received: fill alone.")
    return (pixels / pixels.sum()).astype(np.float32)
