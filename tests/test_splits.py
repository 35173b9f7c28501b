import pytest

from sen12ms_tf import splits
from sen12ms_tf.errors import MissingError, UsageError


def test_published_scene_counts():
    lists = splits.read_scene_lists()
    assert len(lists.test) == 26
    assert len(lists.validation) == 25


def test_a_scene_is_roi_season_and_number():
    lists = splits.read_scene_lists()
    # Number 146 is a hold-out scene in spring and winter, a training scene in summer.
    assert lists.split_of("ROIs1158_spring/s1_146") == "test"
    assert lists.split_of("ROIs2017_winter/s1_146") == "test"
    assert lists.split_of("ROIs1868_summer/s1_146") == "train"
    assert lists.split_of("ROIs1970_fall/s1_1") == "validation"


def _write(directory, test, validation):
    (directory / splits.FILES["test"]).write_bytes(test)
    (directory / splits.FILES["validation"]).write_bytes(validation)


def test_crlf_and_blank_lines_are_read(tmp_path):
    _write(tmp_path, b"ROIs1158_spring/s1_63\r\n\r\n", b"ROIs1158_spring/s1_44")
    assert splits.read_scene_lists(tmp_path).test == {"ROIs1158_spring/s1_63"}


def test_a_scene_in_two_lists_is_refused(tmp_path):
    _write(tmp_path, b"ROIs1158_spring/s1_63\n", b"ROIs1158_spring/s1_63\n")
    with pytest.raises(UsageError, match=r"one split.*s1_63"):
        splits.read_scene_lists(tmp_path)


def test_a_malformed_line_is_named(tmp_path):
    _write(tmp_path, b"ROIs1158_spring/s1_63\nspring 44\n", b"")
    with pytest.raises(UsageError, match=r"holdOutScenes.txt, line 2.*'spring 44'"):
        splits.read_scene_lists(tmp_path)


def test_missing_lists_say_what_is_expected(tmp_path):
    with pytest.raises(MissingError, match="validation_scenes"):
        splits.read_scene_lists(tmp_path)


def test_the_typo_of_old_lists_is_refused(tmp_path):
    _write(tmp_path, b"ROIs1017_winter/s1_64\n", b"")
    with pytest.raises(UsageError, match=r"line 1: ROIs1017_winter is a typo"):
        splits.read_scene_lists(tmp_path)
