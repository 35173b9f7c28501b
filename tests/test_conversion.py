import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import tensorflow as tf

from sen12ms_tf import conversion, patches, planning, records, splits
from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import read_index, read_manifest


def _convert(source, output, workers=1, **options):
    plan = planning.plan_conversion(source, output, options=planning.Options(**options))
    return conversion.convert(plan, workers)


def _shards(directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_every_patch_is_in_its_split_once(sample_dir, records_dir):
    lists = splits.read_scene_lists()
    complete = patches.find_triplets(sample_dir).complete
    expected = {str(patch): lists.split_of(patch.scene_folder) for patch in complete}
    rows = list(read_index(records_dir))
    assert len(rows) == len(expected)
    assert {row.id: row.split for row in rows} == expected
    manifest = read_manifest(records_dir)
    for split in splits.SPLITS:
        assert manifest.records(split) == sum(held == split for held in expected.values())


def test_pixels_are_those_of_the_geotiffs(sample_dir, records_dir):
    manifest = read_manifest(records_dir)
    rows = iter(read_index(records_dir))
    for split in splits.SPLITS:
        paths = [str(records_dir / shard.name) for shard in manifest.shards(split)]
        for serialized in tf.data.TFRecordDataset(paths):
            record = {
                name: value.numpy()
                for name, value in records.decode(serialized, manifest.patch_size).items()
            }
            patch = patches.PatchId.parse(record["id"].decode())
            assert next(rows).id == str(patch)
            for name in ("s1", "s2", "s2_60m", "lc"):
                with rasterio.open(sample_dir / patch.file(name.split("_")[0])) as file:
                    positions = {
                        "s1": [1, 2],
                        "s2": [2, 3, 4, 5, 6, 7, 8, 9, 12, 13],
                        "s2_60m": [1, 10, 11],
                        "lc": [1, 2, 3, 4],
                    }[name]
                    np.testing.assert_array_equal(
                        np.moveaxis(record[name], -1, 0), file.read(positions)
                    )
                    assert tuple(record["transform"]) == tuple(file.transform)[:6]
                    assert record["crs"].decode() == file.crs.to_string()
    assert next(rows, None) is None


def test_index_finds_each_record_without_its_neighbours(records_dir):
    manifest = read_manifest(records_dir)
    for row in read_index(records_dir):
        shard = records_dir / manifest.shards(row.split)[row.shard].name
        frame = shard.read_bytes()[row.offset : row.offset + row.length]
        serialized = frame[12:-4]
        assert records.frame(serialized) == frame
        record = records.decode(serialized, manifest.patch_size, ("id", "igbp_fraction"))
        assert record["id"].numpy().decode() == row.id
        np.testing.assert_array_equal(
            record["igbp_fraction"].numpy(), np.array(row.igbp_fraction, np.float32)
        )


def test_manifest_describes_the_shards(records_dir):
    manifest = read_manifest(records_dir)
    described = [shard for split in splits.SPLITS for shard in manifest.shards(split)]
    assert {shard.name for shard in described} == {
        path.name for path in records_dir.glob("*.tfrecord-*")
    }
    assert len(manifest.shards("train")) > 1
    for shard in described:
        content = (records_dir / shard.name).read_bytes()
        assert shard.bytes == len(content)
        assert shard.sha256 == hashlib.sha256(content).hexdigest()
    sizes = [shard.records for shard in manifest.shards("train")]
    assert max(sizes) - min(sizes) <= 1


def test_statistics_are_those_of_the_training_pixels(sample_dir, records_dir):
    lists = splits.read_scene_lists()
    train = [
        patches.read_patch(sample_dir, patch)
        for patch in patches.find_triplets(sample_dir).complete
        if lists.split_of(patch.scene_folder) == "train"
    ]
    b10 = np.concatenate([patch.s2[..., 10].ravel() for patch in train]).astype(float)
    vv = np.concatenate([patch.s1[..., 0].ravel() for patch in train]).astype(float)
    rows = read_manifest(records_dir).statistics
    assert rows["B10"]["mean"] == pytest.approx(b10.mean(), rel=1e-12)
    assert rows["B10"]["std"] == pytest.approx(b10.std(), rel=1e-12)
    assert rows["VV"]["mean"] == pytest.approx(vv.clip(-25, 0).mean(), rel=1e-12)
    assert rows["VV"]["min"] == vv.min()


def test_bytes_do_not_depend_on_the_number_of_workers(sample_dir, records_dir, tmp_path):
    _convert(sample_dir, tmp_path / "two", workers=2, shard_megabytes=1)
    assert _shards(tmp_path / "two") == _shards(records_dir)


def test_the_seed_decides_the_order(sample_dir, records_dir, tmp_path):
    _convert(sample_dir, tmp_path / "other", shard_megabytes=1, seed=1)
    orders = [[row.id for row in read_index(each)] for each in (records_dir, tmp_path / "other")]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_the_order_is_no_order_of_scenes(records_dir):
    train = [row.id.rsplit("_p", 1)[0] for row in read_index(records_dir, "train")]
    neighbours = sum(a == b for a, b in itertools.pairwise(train))
    # In scene order each of the 40 scenes would have its two patches side by side.
    assert neighbours < 8


def test_a_limit_takes_the_first_of_the_shuffle(sample_dir, tmp_path):
    manifest = _convert(sample_dir, tmp_path / "few", limit=5)
    assert sum(manifest.records(split) for split in splits.SPLITS) == 5


@pytest.fixture
def small_copy(sample_dir, tmp_path):
    """The scenes of one season, to be damaged."""
    copy = tmp_path / "copy"
    shutil.copytree(sample_dir / "ROIs1158_spring", copy / "ROIs1158_spring")
    return copy


def _replace(path, change):
    with rasterio.open(path) as file:
        pixels, profile = file.read(), file.profile
    change(pixels)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)


def test_a_patch_with_nan_in_s1_is_left_out_and_named(small_copy, tmp_path):
    patch = patches.find_triplets(small_copy).complete[3]

    def damage(pixels):
        pixels[1, 2, :12] = np.nan

    _replace(small_copy / patch.file("s1"), damage)
    manifest = _convert(small_copy, tmp_path / "out")
    assert manifest.left_out == ({"id": str(patch), "reason": "s1: 12 values are NaN or infinite"},)
    ids = {row.id for row in read_index(tmp_path / "out")}
    assert str(patch) not in ids
    assert len(ids) == 2 * 16 - 1
    assert manifest == read_manifest(tmp_path / "out")


@pytest.mark.parametrize(("code", "reason"), [(18, "IGBP codes"), (255, "at least one pixel")])
def test_a_patch_without_label_is_left_out_and_named(small_copy, tmp_path, code, reason):
    patch = patches.find_triplets(small_copy).complete[0]

    def damage(pixels):
        pixels[0] = code

    _replace(small_copy / patch.file("lc"), damage)
    (entry,) = _convert(small_copy, tmp_path / "out").left_out
    assert entry["id"] == str(patch)
    assert reason in entry["reason"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_file_stops_the_conversion_and_leaves_no_manifest(
    small_copy, tmp_path, workers
):
    patch = patches.find_triplets(small_copy).complete[5]
    (small_copy / patch.file("lc")).write_bytes(b"")
    with pytest.raises(UsageError, match=patch.file("lc")):
        _convert(small_copy, tmp_path / "out", workers=workers, shard_megabytes=1)
    assert not (tmp_path / "out" / "manifest.json").exists()
    # Mended, the same command goes through: what it left behind is what it would write.
    shutil.copy(small_copy / patch.file("s1"), small_copy / patch.file("lc"))
    _replace_with_land_cover(small_copy / patch.file("lc"))
    _convert(small_copy, tmp_path / "out", workers=workers, shard_megabytes=1)
    assert len(list(read_index(tmp_path / "out"))) == 32


def _replace_with_land_cover(path):
    with rasterio.open(path) as file:
        profile = file.profile | {"count": 4, "dtype": "uint8"}
        shape = file.shape
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((4, *shape), 10, np.uint8))


def test_a_patch_of_another_size_is_refused(small_copy, tmp_path):
    patch = patches.find_triplets(small_copy).complete[-1]
    first = patches.read_patch(small_copy, patch)
    cut = patches.Patch(first.s1[:-1], first.s2[:-1], first.lc[:-1], first.crs, first.transform)
    patches.write_patch(small_copy, patch, cut)
    with pytest.raises(UsageError, match=f"{patch}.*33 x 33 px. Received: 32 x 33"):
        _convert(small_copy, tmp_path / "out")


@pytest.mark.parametrize("name", ["thesis.docx", "patches.csv"])
def test_foreign_files_in_the_output_are_refused_and_kept(small_copy, tmp_path, name):
    output = tmp_path / "out"
    output.mkdir()
    (output / name).write_text("three years")
    with pytest.raises(UsageError, match=f"holds {re.escape(name)}"):
        _convert(small_copy, output)
    assert [(path.name, path.read_text()) for path in output.iterdir()] == [(name, "three years")]


def test_leftovers_of_another_conversion_are_refused(small_copy, tmp_path):
    patch = patches.find_triplets(small_copy).complete[5]
    (small_copy / patch.file("lc")).write_bytes(b"")
    with pytest.raises(UsageError, match="not a readable GeoTIFF"):
        _convert(small_copy, tmp_path / "out")
    with pytest.raises(UsageError, match="unfinished conversion of other triplets"):
        _convert(small_copy, tmp_path / "out", seed=1)


def test_a_copy_of_which_nothing_can_be_converted_is_no_data_set(small_copy, tmp_path):
    def damage(pixels):
        pixels[:] = np.nan

    for patch in patches.find_triplets(small_copy).complete:
        _replace(small_copy / patch.file("s1"), damage)
    with pytest.raises(UsageError, match=r"No patch .* can be converted.*NaN"):
        _convert(small_copy, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_incomplete_triplets_and_strays_are_named_in_the_manifest(small_copy, tmp_path):
    patch = patches.find_triplets(small_copy).complete[5]
    stray = small_copy / patch.file("lc")
    stray.rename(stray.with_name("copy.tif"))
    manifest = _convert(small_copy, tmp_path / "out")
    assert manifest.left_out == (
        {"id": str(patch), "reason": "no lc"},
        {
            "id": stray.with_name("copy.tif").relative_to(small_copy).as_posix(),
            "reason": "does not belong where it lies",
        },
    )
    assert not (tmp_path / "out" / "UNFINISHED").exists()


def test_a_finished_data_set_is_not_overwritten(records_dir, sample_dir):
    before = _shards(records_dir)
    with pytest.raises(UsageError, match="finished data set"):
        _convert(sample_dir, records_dir, shard_megabytes=1)
    assert _shards(records_dir) == before


def test_an_output_that_is_a_file_is_refused(sample_dir, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        _convert(sample_dir, tmp_path / "file")


def test_no_complete_triplet_is_an_error(small_copy, tmp_path):
    for path in (small_copy / "ROIs1158_spring").glob("lc_*"):
        shutil.rmtree(path)
    with pytest.raises(UsageError, match="no complete triplet, only 32"):
        _convert(small_copy, tmp_path / "out")


def test_impossible_options_are_refused():
    with pytest.raises(UsageError, match=r"shard_megabytes is at least 1. Received: 0"):
        planning.Options(shard_megabytes=0)


def test_a_worker_needs_no_tensorflow():
    code = "import sys, sen12ms_tf.conversion; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_triplets(real_triplets, tmp_path):
    plan = planning.plan_conversion(real_triplets, tmp_path / "out")
    assert len(plan.inventory.complete) == 5
    assert {str(patch): held for patch, held in plan.inventory.incomplete.items()} == {
        "ROIs1970_fall_139_p839": ("lc",),
        "ROIs2017_winter_112_p797": ("lc",),
    }
    conversion.convert(plan, 2)
    manifest = read_manifest(tmp_path / "out")
    assert [manifest.records(split) for split in splits.SPLITS] == [3, 1, 1]
    test_pixels_are_those_of_the_geotiffs(real_triplets, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["schema_version"] == 1
