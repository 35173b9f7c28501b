import numpy as np
import pytest

from sen12ms_tf import patches, splits, synthetic
from sen12ms_tf.errors import UsageError


def _files(root) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_one_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        list(synthetic.write_sample(tmp_path / name, 1, 9, seed))
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert _files(tmp_path / "a") != _files(tmp_path / "c")


def test_every_season_has_scenes_of_every_split():
    lists = splits.read_scene_lists()
    held = {
        (scene.season, lists.split_of(f"{scene.season}/s1_{scene.number}"))
        for scene in synthetic.SCENES
    }
    seasons = {scene.season for scene in synthetic.SCENES}
    assert len(seasons) == 4
    assert held == {(season, split) for season in seasons for split in splits.SPLITS}
    assert len({(scene.season, scene.number) for scene in synthetic.SCENES}) == 64


def test_every_split_has_every_biome():
    lists = splits.read_scene_lists()
    held = {
        (lists.split_of(f"{scene.season}/s1_{scene.number}"), scene.biome)
        for scene in synthetic.SCENES
    }
    assert len(held) == 3 * 6


def test_files_have_the_layout_of_the_data_set(sample_dir):
    found = patches.find_triplets(sample_dir)
    assert len(found.complete) == len(synthetic.SCENES) * 2
    assert not found.incomplete
    assert not found.strays
    patch = patches.read_patch(sample_dir, found.complete[0])
    assert patch.s2.shape == (33, 33, 13)
    assert patch.s1.max() <= 0
    assert set(np.unique(patch.lc[..., 0])) <= set(range(1, 18))


def test_neighbours_overlap_by_half():
    # Four patches lie on a 2 x 2 grid: the right half of the first is the left half of the second.
    scene = [patch for _, patch in zip(range(4), synthetic.make_sample(4, 32), strict=False)]
    first, second, below = (pair[1] for pair in scene[:3])
    for sensor in ("s1", "s2", "lc"):
        np.testing.assert_array_equal(
            getattr(first, sensor)[:, 16:], getattr(second, sensor)[:, :16]
        )
        np.testing.assert_array_equal(getattr(first, sensor)[16:], getattr(below, sensor)[:16])
    assert second.transform[2] - first.transform[2] == 160
    assert below.transform[5] - first.transform[5] == -160


def test_land_cover_lies_in_blocks_of_50_px():
    _, patch = next(synthetic.make_sample(1, 256))
    igbp = patch.lc[..., 0].astype(int)
    # Classes change at columns of one remainder modulo 50 only.
    changes = np.flatnonzero(np.any(np.diff(igbp, axis=1) != 0, axis=0))
    assert len(changes) > 0
    assert len(set(changes % 50)) == 1


def test_places_are_where_they_say():
    for patch_id, patch in synthetic.make_sample(1, 4):
        scene = next(
            each
            for each in synthetic.SCENES
            if str(patch_id).startswith(f"{each.season}_{each.number}_")
        )
        lon, lat = patch.centre_lon_lat()
        assert abs(lon - scene.lon) < 0.1, scene
        assert abs(lat - scene.lat) < 0.3, scene


def test_impossible_sizes_are_refused():
    with pytest.raises(UsageError, match="patches_per_scene=0"):
        next(synthetic.make_sample(0))
