"""Scores: micro-F1 while training, and everything that the papers report after it.

Keys are those of the original toolbox, so that tables can be compared line by line. scikit-learn
computes all but AverageAcc, oneError, ECE and the confusion matrix.
"""

from collections.abc import Sequence

import keras
import numpy as np
import sklearn.metrics

# Bins of the expected calibration error, as in Guo et al. 2017.
_ECE_BINS = 15


@keras.saving.register_keras_serializable("sen12ms_tf")
class MicroF1(keras.metrics.Metric):
    """2 TP / (2 TP + FP + FN) over all samples and classes, from logits.

    Args:
      logit_threshold: smallest logit of a predicted class; 0 is a probability of 0.5. None
        predicts the one class of the highest logit.
      name: of the metric.
      dtype: of the counts.
    """

    def __init__(self, logit_threshold: float | None, name: str = "micro_f1", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.logit_threshold = logit_threshold
        self._hits = self.add_weight(name="hits", initializer="zeros")
        self._labels = self.add_weight(name="labels", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch: targets of 0 and 1, logits, both [batch, num_classes]."""
        ops = keras.ops
        truth = ops.cast(y_true, self.dtype)
        if self.logit_threshold is None:
            predicted = ops.one_hot(ops.argmax(y_pred, -1), y_pred.shape[-1], dtype=self.dtype)
        else:
            predicted = ops.cast(y_pred >= self.logit_threshold, self.dtype)
        weight = 1.0
        if sample_weight is not None:
            weight = ops.expand_dims(ops.cast(sample_weight, self.dtype), -1)
        self._hits.assign_add(ops.sum(weight * truth * predicted))
        # TP + FP and TP + FN together: the denominator of F1 in one count.
        self._labels.assign_add(ops.sum(weight * (truth + predicted)))

    def result(self):
        """Micro-F1 of all counts; 0 where there is no label at all."""
        return keras.ops.divide_no_nan(2 * self._hits, self._labels)

    def get_config(self):
        """What rebuilds the metric."""
        return {**super().get_config(), "logit_threshold": self.logit_threshold}


def score(
    truth: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
) -> dict[str, object]:
    """The metrics that both label types have.

    An average over classes counts every class of the scheme, an absent one with 0, as the papers
    do; `clsReport` gives each class's support, and `AverageAccPresent` and
    `averagePrecision` count present classes only.

    Args:
      truth: 0 or 1, [samples, num_classes].
      predicted: likewise.
      probabilities: float, likewise.
      class_names: names of the classes, by code.

    Returns:
      Key -> float, or a nested dict for `clsReport`. `sampleAcc` is the mean Jaccard index of the
      samples; a sample with neither a true nor a predicted label counts 1.
    """
    truth, predicted = np.asarray(truth, int), np.asarray(predicted, int)
    scores = {}
    for average in ("macro", "micro", "sample"):
        arguments = {
            "average": "samples" if average == "sample" else average,
            "zero_division": 0,
        }
        scores[f"{average}Prec"] = sklearn.metrics.precision_score(truth, predicted, **arguments)
        scores[f"{average}Rec"] = sklearn.metrics.recall_score(truth, predicted, **arguments)
        scores[f"{average}F1"] = sklearn.metrics.f1_score(truth, predicted, **arguments)
        scores[f"{average}F2"] = sklearn.metrics.fbeta_score(truth, predicted, beta=2, **arguments)
    right = (truth == predicted).mean()
    scores |= {
        "macroAcc": right,
        "microAcc": right,
        "sampleAcc": sklearn.metrics.jaccard_score(
            truth, predicted, average="samples", zero_division=1
        ),
        "HammingLoss": sklearn.metrics.hamming_loss(truth, predicted),
        "subsetAcc": sklearn.metrics.accuracy_score(truth, predicted),
        "oneError": _one_error(truth, probabilities),
        "coverageError": sklearn.metrics.coverage_error(truth, probabilities),
        "rankLoss": sklearn.metrics.label_ranking_loss(truth, probabilities),
        "labelAvgPrec": sklearn.metrics.label_ranking_average_precision_score(truth, probabilities),
        "averagePrecisionMacro": _average_precision(truth, probabilities, "macro"),
        "averagePrecisionMicro": _average_precision(truth, probabilities, "micro"),
    }
    report = sklearn.metrics.classification_report(
        truth, predicted, target_names=list(class_names), output_dict=True, zero_division=0
    )
    return {**{key: float(value) for key, value in scores.items()}, "clsReport": report}


def single_label_scores(truth, predicted, probabilities) -> dict[str, object]:
    """What only a single label has: its confusion matrix and mean recall.

    `AverageAcc` counts an absent class as 0, `AverageAccPresent` leaves it out. `conf_mat` has true
    classes in rows, each row summing to 1, or to 0 where the class is absent.
    """
    counts = confusion_matrix(truth, predicted)[:-1, :-1]
    support = counts.sum(axis=1)
    rows = counts / np.maximum(support, 1)[:, None]
    recall = np.diag(rows)
    confidence = np.max(probabilities, axis=-1)
    hits = np.argmax(truth, -1) == np.argmax(predicted, -1)
    return {
        "AverageAcc": float(recall.mean()),
        "AverageAccPresent": float(recall[support > 0].mean()),
        "ECE": expected_calibration_error(confidence, hits),
        "conf_mat": rows.tolist(),
    }


def multi_label_scores(truth, predicted, probabilities) -> dict[str, object]:
    """What only multiple labels have: two-by-two matrices and accuracies of each class.

    `class-wise Acc` is (TP + TN) / N of each class, `AverageAcc` its mean; `AverageAccPresent` is
    its mean over the classes that occur. `multilabel_conf_mat` holds [[TN, FP], [FN, TP]] of each.
    """
    truth, predicted = np.asarray(truth, int), np.asarray(predicted, int)
    by_class = (truth == predicted).mean(axis=0)
    present = truth.any(axis=0)
    matrices = sklearn.metrics.multilabel_confusion_matrix(truth, predicted)
    jaccard = sklearn.metrics.jaccard_score(truth, predicted, average="samples", zero_division=1)
    return {
        "AverageAcc": float(by_class.mean()),
        "AverageAccPresent": float(by_class[present].mean()) if present.any() else 0.0,
        "OverallAcc": float(jaccard),
        "ECE": expected_calibration_error(np.ravel(probabilities), np.ravel(truth)),
        "class-wise Acc": by_class.tolist(),
        "multilabel_conf_mat": matrices.tolist(),
    }


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What was predicted in place of what, for single labels and for any number of labels.

    A true label that is predicted counts on the diagonal. A missed one is shared equally among the
    sample's false labels, or counts as "nothing" where it has none; a false label of a sample that
    misses none stands in the row "nothing". Single labels give the usual matrix.

    Args:
      truth: 0 or 1, [samples, num_classes].
      predicted: likewise.

    Returns:
      float [num_classes + 1, num_classes + 1], true classes in rows, the last row and column being
      "nothing". A class's row sums to its support.
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    missed, false = truth & ~predicted, predicted & ~truth
    nothing_false, nothing_missed = ~false.any(1, keepdims=True), ~missed.any(1, keepdims=True)
    rows = np.concatenate([missed, nothing_missed & ~nothing_false], 1).astype(float)
    columns = np.concatenate([false, nothing_false & ~nothing_missed], 1).astype(float)
    matrix = rows.T @ (columns / np.maximum(columns.sum(1, keepdims=True), 1))
    matrix[-1] = np.append((nothing_missed & false).sum(0), 0)
    diagonal = np.append((truth & predicted).sum(0), 0)
    return matrix + np.diag(diagonal)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean distance of confidence and accuracy over 15 equal bins, weighted by their size."""
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    bins = np.minimum((confidence * _ECE_BINS).astype(int), _ECE_BINS - 1)
    excess = np.bincount(bins, confidence - correct, minlength=_ECE_BINS)
    return float(np.abs(excess).sum() / len(confidence))


def _one_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of samples whose most probable class is not among the true ones."""
    top = np.argmax(probabilities, -1)
    return float((truth[np.arange(len(truth)), top] == 0).mean())


def _average_precision(truth: np.ndarray, probabilities: np.ndarray, average: str) -> float:
    """Area under the precision-recall curve; a class without a positive has none: left out."""
    present = truth.any(axis=0)
    if not present.any():
        return 0.0
    return sklearn.metrics.average_precision_score(
        truth[:, present], probabilities[:, present], average=average
    )
