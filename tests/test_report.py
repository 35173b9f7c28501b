import matplotlib.image
import numpy as np

from sen12ms_tf import landcover, report, synthetic
from sen12ms_tf.bands import bands_in_file, stored_bands
from sen12ms_tf.storage import as_path

SCHEME = landcover.scheme("igbp_simplified")


def test_class_table_has_a_line_a_class():
    row = {"precision": 0.5, "recall": 1.0, "f1-score": 2 / 3, "support": 7.0}
    table = report.class_table({name: row for name in SCHEME.class_names}, SCHEME.class_names)
    lines = table.splitlines()
    assert len(lines) == 11
    assert lines[1].split() == ["Forest", "0.500", "1.000", "0.667", "7"]
    assert len({len(line) for line in lines}) == 1


def test_confusion_picture_survives_absent_classes(tmp_path):
    matrix = np.zeros((11, 11))
    matrix[0, 0] = 3
    report.draw_confusion(as_path(tmp_path / "c.png"), matrix, SCHEME, "title")
    assert matplotlib.image.imread(tmp_path / "c.png").shape[2] == 4


def test_true_colour_is_red_green_blue():
    # Only B4 is bright: the picture is red.
    s2 = np.zeros((4, 4, 10), np.uint16)
    s2[..., stored_bands("s2").index("B4")] = np.arange(16).reshape(4, 4) * 300
    picture = report.true_colour(s2)
    assert picture[3, 3, 0] > 0.9
    assert not picture[..., 1:].any()


def test_radar_composite_shows_missing_values_dark():
    s1 = np.full((2, 2, 2), -8.0, np.float32)
    s1[0, 0] = np.nan
    assert report.radar_composite(s1)[0, 0].max() == 0
    assert np.isfinite(report.radar_composite(s1)).all()


def test_predictions_picture(tmp_path):
    _, patch = next(synthetic.make_sample(1, 33))
    names = [row.name for row in bands_in_file("s2")]
    s2 = patch.s2[..., [names.index(name) for name in stored_bands("s2")]]
    record = {"id": "ROIs1158_spring_1_p0", "s1": patch.s1, "s2": s2, "lc": patch.lc}
    truth, probabilities = np.eye(10)[[0, 1]], np.full((2, 10), 0.6)
    path = as_path(tmp_path / "p.png")
    report.draw_predictions(path, [record] * 2, truth, truth, probabilities, SCHEME, "title")
    assert matplotlib.image.imread(tmp_path / "p.png").std() > 0
