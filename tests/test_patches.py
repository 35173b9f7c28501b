import numpy as np
import pytest
import rasterio

from sen12ms_tf import patches
from sen12ms_tf.errors import MissingError, UsageError
from sen12ms_tf.patches import Patch, PatchId

PATCH = PatchId(1158, "spring", "1", 30)
TRANSFORM = (10.0, 0.0, 617141.8198784497, 0.0, -10.0, 9625258.22745184)


def _pixels(height=5, width=7, seed=0) -> Patch:
    rng = np.random.default_rng(seed)
    s1 = rng.normal(-12, 4, (height, width, 2)).astype(np.float32)
    s1[0, 0] = np.nan, -0.0
    return Patch(
        s1=s1,
        s2=rng.integers(0, 65536, (height, width, 13)).astype(np.uint16),
        lc=rng.integers(0, 256, (height, width, 4)).astype(np.uint8),
        crs="EPSG:32736",
        transform=TRANSFORM,
    )


def _rewrite(root, sensor, array=None, **profile):
    """Replaces a file of the triplet by one with other pixels or another profile."""
    path = root / PATCH.file(sensor)
    with rasterio.open(path) as file:
        pixels = file.read() if array is None else array
        profile = {
            "crs": file.crs,
            "transform": file.transform,
            "driver": "GTiff",
            "count": pixels.shape[0],
            "height": pixels.shape[1],
            "width": pixels.shape[2],
            "dtype": pixels.dtype,
            **profile,
        }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)


@pytest.fixture
def root(tmp_path):
    patches.write_patch(tmp_path, PATCH, _pixels())
    return tmp_path


def test_names_go_both_ways():
    assert PATCH.file("s2") == "ROIs1158_spring/s2_1/ROIs1158_spring_s2_1_p30.tif"
    assert str(PATCH) == "ROIs1158_spring_1_p30"
    assert PATCH.scene_folder == "ROIs1158_spring/s1_1"
    assert PatchId.parse("ROIs1158_spring_1_p30") == PATCH
    assert PatchId.parse("ROIs1158_spring_lc_1_p30.tif") == PATCH
    assert str(PatchId.parse("ROIs0000_validation_s2_0_p0.tif")) == "ROIs0000_validation_0_p0"


@pytest.mark.parametrize(
    "name", ["", "p30", "ROIs1158_spring_1_p30.tif", "ROIs1158_spring_s2_1_p30", "x.tif"]
)
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="named like"):
        PatchId.parse(name)


def test_a_triplet_reads_as_written(root):
    written, read = _pixels(), patches.read_patch(root, PATCH)
    for sensor in patches.SENSORS:
        assert getattr(read, sensor).dtype == getattr(written, sensor).dtype
        assert getattr(read, sensor).tobytes() == getattr(written, sensor).tobytes()
    assert (read.crs, read.transform) == (written.crs, written.transform)


def test_vh_is_vh(root):
    vh = _pixels().s1[..., 1]
    with rasterio.open(root / PATCH.file("s1")) as file:
        np.testing.assert_array_equal(file.read(2), vh)


def test_wider_dtypes_are_accepted(root):
    _rewrite(root, "s1", np.moveaxis(_pixels().s1.astype(np.float64), -1, 0))
    _rewrite(root, "lc", np.moveaxis(_pixels().lc.astype(np.uint16), -1, 0))
    read = patches.read_patch(root, PATCH)
    assert (read.s1.dtype, read.lc.dtype) == (np.float32, np.uint8)
    np.testing.assert_array_equal(read.lc, _pixels().lc)


def _damage_text(root):
    (root / PATCH.file("s2")).write_text("no image at all")


def _damage_empty(root):
    (root / PATCH.file("s2")).write_bytes(b"")


def _damage_truncated(root):
    path = root / PATCH.file("s2")
    path.write_bytes(path.read_bytes()[:-300])


def _damage_png(root):
    _rewrite(root, "s2", np.zeros((3, 5, 7), np.uint8), driver="PNG", crs=None, transform=None)


def _damage_bands(root):
    _rewrite(root, "s2", np.zeros((12, 5, 7), np.uint16))


def _damage_dtype(root):
    _rewrite(root, "s2", np.zeros((13, 5, 7), np.float32))


def _damage_codes(root):
    _rewrite(root, "lc", np.full((4, 5, 7), 256, np.uint16))


def _damage_size(root):
    _rewrite(root, "lc", np.ones((4, 5, 6), np.uint8))


def _damage_crs(root):
    _rewrite(root, "s1", crs="EPSG:32737")


def _damage_no_crs(root):
    _rewrite(root, "s1", crs=None)


def _damage_local_crs(root):
    _rewrite(root, "s1", crs='LOCAL_CS["a field",UNIT["metre",1]]')


def _damage_transform(root):
    _rewrite(root, "lc", transform=rasterio.Affine(10, 0, 617151.8, 0, -10, 9625258.2))


@pytest.mark.parametrize(
    ("damage", "sensor", "rule"),
    [
        (_damage_text, "s2", "not a readable GeoTIFF"),
        (_damage_empty, "s2", "not a readable GeoTIFF"),
        (_damage_truncated, "s2", "not a readable GeoTIFF"),
        (_damage_png, "s2", "not a readable GeoTIFF"),
        (_damage_bands, "s2", "expected 13 bands. Received: 12"),
        (_damage_dtype, "s2", "expected dtype uint16. Received: float32"),
        (_damage_codes, "lc", "codes end at 255. Received: 256"),
        (_damage_size, "lc", "share size"),
        (_damage_crs, "s1", "Received crs EPSG:32737"),
        (_damage_no_crs, "s1", "needs a projected or geographic CRS. Received: none"),
        (_damage_local_crs, "s1", "needs a projected or geographic CRS"),
        (_damage_transform, "lc", "Received transform"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning:rasterio")
def test_anything_else_is_an_error_that_names_file_and_rule(root, damage, sensor, rule):
    damage(root)
    with pytest.raises(UsageError) as error:
        patches.read_patch(root, PATCH)
    assert PATCH.file(sensor) in str(error.value)
    assert rule in str(error.value)


@pytest.mark.parametrize(
    "projection",
    [
        "+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84 +units=m",
        # Close to EPSG:25833, but on another datum.
        "+proj=utm +zone=33 +ellps=GRS80 +units=m",
    ],
)
def test_a_crs_without_code_is_kept_as_wkt(tmp_path, projection):
    pixels = _pixels()
    with_wkt = Patch(pixels.s1, pixels.s2, pixels.lc, projection, TRANSFORM)
    patches.write_patch(tmp_path, PATCH, with_wkt)
    read = patches.read_patch(tmp_path, PATCH)
    assert read.crs.startswith("PROJCRS[")
    assert rasterio.crs.CRS.from_user_input(read.crs) == rasterio.crs.CRS.from_string(projection)


def test_inventory_counts_complete_incomplete_and_strays(tmp_path):
    root = tmp_path / "s2_data" / "s1_x"
    complete, partial = PATCH, PatchId(2017, "winter", "8", 5)
    for patch in (complete, partial):
        patches.write_patch(root, patch, _pixels())
    (root / partial.file("lc")).unlink()
    stray = root / "ROIs1158_spring" / "s1_1" / "ROIs1158_spring_s1_2_p1.tif"
    stray.write_bytes(b"")
    (root / "ROIs1158_spring" / "s1_1" / "notes.txt").write_text("ignored")
    (root / "readme").mkdir()
    found = patches.find_triplets(root)
    assert found.complete == (complete,)
    assert found.incomplete == {partial: ("lc",)}
    assert found.strays == (stray.relative_to(root).as_posix(),)


def test_no_triplets_say_what_was_expected_and_found(tmp_path):
    (tmp_path / "Sentinel").mkdir()
    with pytest.raises(UsageError, match=r"Expected: ROIs1158_spring/s1_1.*Found: Sentinel\."):
        patches.find_triplets(tmp_path)
    with pytest.raises(MissingError, match="no such directory"):
        patches.find_triplets(tmp_path / "absent")


def test_centre_of_a_patch_in_degrees():
    # A point on the central meridian of zone 36 (33 degrees east) has easting 500,000 m.
    pixels = _pixels(4, 4)
    transform = (10.0, 0.0, 500_000 - 20, 0.0, -10.0, 10_000_000 + 20)
    lon, lat = Patch(pixels.s1, pixels.s2, pixels.lc, "EPSG:32736", transform).centre_lon_lat()
    assert (lon, lat) == pytest.approx((33.0, 0.0), abs=1e-9)
