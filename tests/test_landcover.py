import numpy as np
import pytest

from sen12ms_tf import landcover
from sen12ms_tf.errors import UsageError


def test_fractions_ignore_fill_and_are_not_shifted():
    igbp = np.array([[1, 1, 17, 255], [10, 10, 10, 255]], np.uint8)
    fraction = landcover.igbp_fraction(igbp)
    # Six pixels have a class: two of 1, three of 10, one of 17.
    expected = np.zeros(17, np.float32)
    expected[[0, 9, 16]] = np.float32(2 / 6), np.float32(3 / 6), np.float32(1 / 6)
    np.testing.assert_array_equal(fraction, expected)
    assert fraction.dtype == np.float32


@pytest.mark.parametrize("code", [0, 18, 254])
def test_unknown_codes_are_refused(code):
    with pytest.raises(UsageError, match=str(code)):
        landcover.igbp_fraction(np.array([[1, code]], np.uint8))


def test_fill_alone_has_no_label():
    with pytest.raises(UsageError, match="at least one pixel"):
        landcover.igbp_fraction(np.full((3, 5), 255, np.uint8))


def test_simplified_scheme_is_that_of_the_paper():
    groups = {1: [1, 2, 3, 4, 5], 2: [6, 7], 3: [8, 9], 4: [10], 5: [11]}
    groups |= {6: [12, 14], 7: [13], 8: [15], 9: [16], 10: [17]}
    matrix = landcover.scheme("igbp_simplified").matrix
    for code, members in groups.items():
        assert (np.flatnonzero(matrix[:, code - 1]) + 1).tolist() == members
    np.testing.assert_array_equal(landcover.scheme("igbp").matrix, np.eye(17))


def test_codes_count_from_one():
    for scheme in landcover.SCHEMES.values():
        assert [row.code for row in scheme.classes] == list(range(1, scheme.num_classes + 1))


def test_unknown_scheme_lists_the_valid_ones():
    with pytest.raises(UsageError, match="igbp, igbp_simplified"):
        landcover.scheme("corine")
