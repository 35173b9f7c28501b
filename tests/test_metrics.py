import keras
import numpy as np
import pytest
import sklearn.metrics

from sen12ms_tf import metrics
from sen12ms_tf.tasks import task

NAMES = ("a", "b", "c")


def test_micro_f1_multi_label_by_hand():
    truth = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
    logits = np.array([[0.0, 3.0, -1.0], [-2.0, 1.0, -4.0]], np.float32)
    # Predicted: 1 1 0 and 0 1 0; TP 2, FP 1, FN 1; 2 * 2 / (2 * 2 + 1 + 1).
    metric = metrics.MicroF1(0.0)
    metric.update_state(truth, logits)
    assert float(metric.result()) == pytest.approx(4 / 6)


def test_micro_f1_single_label_is_accuracy():
    truth = np.eye(3, dtype=np.float32)
    logits = np.array([[5, 1, 1], [5, 1, 1], [0, 0, 2]], np.float32)
    metric = metrics.MicroF1(None)
    for row in range(3):
        metric.update_state(truth[row : row + 1], logits[row : row + 1])
    assert float(metric.result()) == pytest.approx(2 / 3)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_micro_f1_leaves_out_samples_of_weight_0():
    truth, logits = np.ones((2, 3), np.float32), np.array([[1, 1, 1], [-1, -1, -1]], np.float32)
    metric = metrics.MicroF1(0.0)
    metric.update_state(truth, logits, sample_weight=np.array([1.0, 0.0]))
    assert float(metric.result()) == 1


def test_micro_f1_is_rebuilt_from_its_config():
    metric = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metrics.MicroF1(None))
    )
    assert metric.logit_threshold is None


def _random(multi, seed=0, samples=60, classes=3):
    rng = np.random.default_rng(seed)
    probabilities = rng.random((samples, classes))
    if multi:
        return (rng.random((samples, classes)) < 0.4).astype(int), probabilities
    probabilities /= probabilities.sum(1, keepdims=True)
    return np.eye(classes, dtype=int)[rng.integers(0, classes, samples)], probabilities


def _scores(label_type, truth, probabilities):
    row = task(label_type)
    return row.scores(truth, row.decide(probabilities), probabilities, NAMES)


def test_keys_are_those_of_the_toolbox_and_ours():
    shared = {
        f"{average}{score}"
        for average in ("macro", "micro", "sample")
        for score in ("Prec", "Rec", "F1", "F2", "Acc")
    }
    shared |= {"HammingLoss", "subsetAcc", "oneError", "coverageError", "rankLoss"}
    shared |= {"labelAvgPrec", "clsReport", "AverageAcc", "AverageAccPresent", "ECE"}
    shared |= {"averagePrecisionMacro", "averagePrecisionMicro"}
    assert set(_scores("single_label", *_random(False))) == shared | {"conf_mat"}
    assert set(_scores("multi_label", *_random(True))) == shared | {
        "OverallAcc",
        "multilabel_conf_mat",
        "class-wise Acc",
    }


def test_multi_label_accuracies_are_what_the_papers_mean():
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]])
    probabilities = np.array([[0.9, 0.1, 0.2], [0.8, 0.2, 0.6], [0.1, 0.1, 0.1], [0.7, 0.9, 0.1]])
    scores = _scores("multi_label", truth, probabilities)
    # Right per class: 3, 3 and 3 of 4. Jaccard: 1, 1/3, 0/0 counted as 1, 1/2.
    assert scores["class-wise Acc"] == [0.75, 0.75, 0.75]
    assert scores["AverageAcc"] == scores["macroAcc"] == scores["microAcc"] == 0.75
    assert scores["AverageAcc"] == pytest.approx(1 - scores["HammingLoss"])
    assert scores["OverallAcc"] == scores["sampleAcc"] == pytest.approx((1 + 1 / 3 + 1 + 1 / 2) / 4)
    # The most probable class is wrong in the third sample only, which has none.
    assert scores["oneError"] == 0.25
    assert scores["multilabel_conf_mat"][0] == [[1, 1], [0, 2]]


def test_single_label_average_accuracy_says_whether_absent_classes_count():
    truth = np.eye(3, dtype=int)[[0, 0, 1, 1]]
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.3, 0.5], [0.1, 0.9, 0.0], [0.1, 0.8, 0.1]])
    scores = _scores("single_label", truth, probabilities)
    assert scores["conf_mat"] == [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0]]
    assert scores["AverageAcc"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert scores["AverageAccPresent"] == pytest.approx((0.5 + 1) / 2)
    assert scores["microF1"] == 0.75


@pytest.mark.parametrize("label_type", ["single_label", "multi_label"])
def test_shared_scores_equal_scikit_learn(label_type):
    truth, probabilities = _random(label_type == "multi_label")
    predicted = task(label_type).decide(probabilities)
    scores = _scores(label_type, truth, probabilities)
    for ours, average in (("macro", "macro"), ("micro", "micro"), ("sample", "samples")):
        expected = sklearn.metrics.f1_score(truth, predicted, average=average, zero_division=0)
        assert scores[f"{ours}F1"] == pytest.approx(expected)
    assert scores["rankLoss"] == pytest.approx(
        sklearn.metrics.label_ranking_loss(truth, probabilities)
    )


def test_absent_classes_and_no_positive_at_all_give_finite_scores():
    truth, probabilities = np.zeros((4, 3), int), np.full((4, 3), 0.2)
    scores = _scores("multi_label", truth, probabilities)
    flat = [value for value in scores.values() if isinstance(value, float)]
    assert np.isfinite(flat).all()
    assert scores["averagePrecisionMacro"] == 0


def test_calibration_error_by_hand():
    # Two bins: confidence 0.9 with half right, 0.1 with none right.
    confidence, right = [0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]
    expected = (2 * abs(0.9 - 0.5) + 2 * abs(0.1 - 0)) / 4
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx(expected)


def test_confusion_matrix_of_single_labels_is_the_usual_one():
    truth, probabilities = _random(False)
    predicted = task("single_label").decide(probabilities)
    matrix = metrics.confusion_matrix(truth, predicted)
    expected = sklearn.metrics.confusion_matrix(truth.argmax(1), predicted.argmax(1))
    np.testing.assert_array_equal(matrix[:-1, :-1], expected)
    assert not matrix[-1].any()
    assert not matrix[:, -1].any()


def test_confusion_matrix_of_multiple_labels_by_hand():
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]])
    predicted = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
    # Sample 1: a found, b missed for c. Sample 2: a missed for nothing. Sample 3: b found, a false.
    expected = [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion_matrix(truth, predicted), expected)


def test_confusion_rows_sum_to_the_support():
    truth, probabilities = _random(True, seed=5)
    matrix = metrics.confusion_matrix(truth, task("multi_label").decide(probabilities))
    np.testing.assert_allclose(matrix[:-1].sum(1), truth.sum(0))
