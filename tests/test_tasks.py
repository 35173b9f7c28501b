import numpy as np
import pytest
import tensorflow as tf

from sen12ms_tf import landcover, tasks
from sen12ms_tf.errors import UsageError

SIMPLIFIED = landcover.scheme("igbp_simplified")
IGBP = landcover.scheme("igbp")


def _fractions(**codes) -> np.ndarray:
    """Fractions by IGBP code: _fractions(c1=0.5, c17=0.5)."""
    fraction = np.zeros(17, np.float32)
    for code, value in codes.items():
        fraction[int(code[1:]) - 1] = value
    return fraction


def _classes(label_type, fraction, scheme, threshold=0.1) -> list[int]:
    target = tasks.task(label_type).target(fraction, scheme, threshold)
    assert target.dtype == tf.float32
    return (np.flatnonzero(target) + 1).tolist()


def test_single_label_is_the_largest_area_after_simplifying():
    # Croplands (12) alone are the largest, but the forests together are larger.
    fraction = _fractions(c1=0.3, c4=0.3, c12=0.4)
    assert _classes("single_label", fraction, IGBP) == [12]
    assert _classes("single_label", fraction, SIMPLIFIED) == [1]


def test_the_lowest_code_wins_a_tie():
    assert _classes("single_label", _fractions(c10=0.5, c17=0.5), IGBP) == [10]
    # 0.3 + 0.2 is not 0.5 in float32 sums of fractions, and must tie all the same.
    tie = _fractions(c1=0.1, c4=0.4 - 1e-8, c17=0.5)
    assert _classes("single_label", tie, SIMPLIFIED) == [1]


def test_multi_label_takes_every_class_of_the_threshold_after_simplifying():
    # Two forests of 0.06 make 0.12; 0.08 of water is too little.
    fraction = _fractions(c1=0.06, c2=0.06, c10=0.8, c17=0.08)
    assert _classes("multi_label", fraction, SIMPLIFIED) == [1, 4]
    assert _classes("multi_label", fraction, IGBP) == [10]


def test_the_threshold_is_inclusive():
    fraction = _fractions(c10=np.float32(40 / 400), c12=np.float32(360 / 400))
    assert _classes("multi_label", fraction, IGBP) == [10, 12]
    # 6553 of 65,536 pixels are just below a tenth, 6554 just above.
    below, above = (_fractions(c10=n / 65_536, c12=1 - n / 65_536) for n in (6553, 6554))
    assert _classes("multi_label", below, IGBP) == [12]
    assert _classes("multi_label", above, IGBP) == [10, 12]


def test_a_tiny_threshold_means_any_presence():
    assert _classes("multi_label", _fractions(c1=0.5, c17=0.5), IGBP, threshold=1e-9) == [1, 17]


def test_no_label_where_the_threshold_exceeds_every_share():
    assert _classes("multi_label", _fractions(c1=0.5, c17=0.5), IGBP, threshold=0.6) == []


def test_targets_are_the_same_inside_dataset_map():
    fractions = np.random.default_rng(0).dirichlet([0.3] * 17, 50).astype(np.float32)
    for row in tasks.TASKS.values():
        eager = row.target(fractions, SIMPLIFIED).numpy()
        mapped = tf.data.Dataset.from_tensor_slices(fractions).map(
            lambda each, row=row: row.target(each, SIMPLIFIED)
        )
        np.testing.assert_array_equal(eager, list(mapped.as_numpy_iterator()))


def test_decisions():
    probabilities = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.2]])
    np.testing.assert_array_equal(
        tasks.task("multi_label").decide(probabilities), [[1, 0, 1], [0, 0, 0]]
    )
    np.testing.assert_array_equal(
        tasks.task("single_label").decide(probabilities), [[0, 0, 1], [0, 1, 0]]
    )


def test_losses_take_logits():
    logits = np.array([[2.0, -1.0, 0.5]], np.float32)
    multi = np.array([[1.0, 0.0, 1.0]], np.float32)
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = -np.mean(multi * np.log(sigmoid) + (1 - multi) * np.log(1 - sigmoid))
    assert float(tasks.task("multi_label").loss()(multi, logits)) == pytest.approx(expected, 1e-5)
    single = np.array([[0.0, 0.0, 1.0]], np.float32)
    softmax = np.exp(logits) / np.exp(logits).sum()
    expected = -np.log(softmax[0, 2])
    assert float(tasks.task("single_label").loss()(single, logits)) == pytest.approx(expected, 1e-5)


def test_unknown_names_and_thresholds_are_refused():
    with pytest.raises(UsageError, match="single_label, multi_label"):
        tasks.task("multilabel")
    with pytest.raises(UsageError, match="threshold is above 0"):
        tasks.task("multi_label").target(_fractions(c1=1), IGBP, 0.0)
