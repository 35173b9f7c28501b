import json

import pytest

from sen12ms_tf import manifest
from sen12ms_tf.errors import MissingError, UsageError
from sen12ms_tf.storage import as_path


def test_shard_names_go_both_ways():
    name = manifest.ShardName("train", 3, 128)
    assert str(name) == "sen12ms-train.tfrecord-00003-of-00128"
    assert manifest.ShardName.parse(str(name)) == name
    with pytest.raises(UsageError, match="named like"):
        manifest.ShardName.parse("train-00003-of-00128")


def test_manifest_reads_as_written(records_dir, tmp_path):
    read = manifest.read_manifest(records_dir)
    manifest.write_manifest(as_path(tmp_path), read)
    assert manifest.read_manifest(tmp_path) == read
    assert (tmp_path / "manifest.json").read_text() == (records_dir / "manifest.json").read_text()


def test_an_unfinished_directory_is_no_data_set(tmp_path):
    with pytest.raises(MissingError, match=r"manifest.json.*tools/convert.py"):
        manifest.read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "\xff", "[]", "{}", '{"schema_version": 1}'])
def test_another_file_of_that_name_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="not a manifest"):
        manifest.read_manifest(tmp_path)


def test_another_schema_version_is_refused(records_dir, tmp_path):
    fields = json.loads((records_dir / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(fields | {"schema_version": 2}))
    with pytest.raises(UsageError, match=r"reads schema version 1\. Received: 2"):
        manifest.read_manifest(tmp_path)


def test_index_reads_as_written(records_dir, tmp_path):
    rows = list(manifest.read_index(records_dir))
    manifest.write_index(as_path(tmp_path), rows)
    assert list(manifest.read_index(tmp_path)) == rows
    assert {row.split for row in manifest.read_index(records_dir, "test")} == {"test"}
