import importlib.util

import pytest

from sen12ms_tf import storage
from sen12ms_tf.errors import MissingError, UsageError


def test_atomic_writer_shows_nothing_before_the_end(tmp_path):
    target = storage.as_path(tmp_path / "file")
    with pytest.raises(RuntimeError), storage.atomic_writer(target) as file:
        file.write(b"half")
        raise RuntimeError
    assert not target.exists()
    storage.write_text(target, "whole")
    assert target.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is not None, reason="tensorflow-io is installed"
)
@pytest.mark.parametrize("location", ["s3://bucket/key", "az://bucket/key", "hdfs://host/key"])
def test_object_storage_without_tensorflow_io_says_what_to_install(location):
    with pytest.raises(UsageError, match=r"tensorflow-io.*sen12ms_tf\[io\]"):
        storage.as_path(location)


def test_missing_directory_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"No run directory at .*absent"):
        storage.existing_dir(tmp_path / "absent", "run directory")
