import pytest

from sen12ms_tf import bands
from sen12ms_tf.errors import UsageError

# File order as published with the data set (Schmitt et al. 2019).
S2_FILE_ORDER = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]


def test_positions_are_those_of_the_files():
    assert [row.name for row in bands.bands_in_file("s2")] == S2_FILE_ORDER
    assert [row.position for row in bands.bands_in_file("s2")] == list(range(1, 14))
    assert [row.name for row in bands.bands_in_file("s1")] == ["VV", "VH"]


def test_published_statistics_stand_by_name():
    # The toolbox lists ten S2 means by 1-based file position: the band there must hold it.
    published = {2: 1226.4215, 3: 1137.3799, 4: 1139.6792, 5: 1350.9973, 6: 1932.9058}
    published |= {7: 2211.1584, 8: 2154.9846, 9: 2409.1128, 12: 2001.8622, 13: 1356.0801}
    by_position = {row.position: row.mean for row in bands.bands_in_file("s2") if row.mean}
    assert by_position == published


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("rgb", "B2 B3 B4"),
        ("s2", "B2 B3 B4 B5 B6 B7 B8 B8A B11 B12"),
        ("s1", "VV VH"),
        ("s1s2", "B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 VV VH"),
        ("s1rgb", "B2 B3 B4 VV VH"),
        ("all", "B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 B1 B9 B10 VV VH"),
    ],
)
def test_channel_order(inputs, expected):
    assert list(bands.channels(inputs)) == expected.split()


def test_every_input_set_is_tested_above():
    assert set(bands.INPUTS) == {"rgb", "s2", "s1", "s1s2", "s1rgb", "all"}


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UsageError, match=r"Unknown input set 's3'.*rgb.*all"):
        bands.channels("s3")
    with pytest.raises(UsageError, match="Unknown band 'B13'"):
        bands.band("B13")


def test_normalization_prefers_published_values_and_needs_the_rest():
    given = {name: {"mean": 5.0, "std": 2.0} for name in ("B1", "B9", "B10", "B2")}
    rows = bands.normalization("all", given)
    assert rows["s2"][0] == {"band": "B2", "clip": None, "mean": 1226.4215, "std": 741.6254}
    assert rows["s2_60m"][0] == {"band": "B1", "clip": None, "mean": 5.0, "std": 2.0}
    assert rows["s1"][1]["clip"] == [-25.0, 0.0]
    with pytest.raises(UsageError, match="B1 has no published mean"):
        bands.normalization("all")
