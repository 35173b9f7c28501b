"""The two label types: one row each. Nothing else in the package branches on the label type.

Definitions of Schmitt & Wu 2021: a single label is the class of the largest area, the lowest code
where two are equal; multiple labels are all classes of at least a threshold's share.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from sen12ms_tf.errors import UsageError, check_choice
from sen12ms_tf.landcover import Scheme

DEFAULT_THRESHOLD = 0.1

# Sums of float32 fractions can be off by a bit, which would then decide ties and thresholds. On
# this grid the fractions of a patch of 256 x 256 px are exact.
_GRID = 2**20


def check_threshold(threshold: float) -> None:
    """Refuses a threshold that is no area share."""
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold is above 0 and at most 1. Received: {threshold}.")


@dataclasses.dataclass(frozen=True)
class Task:
    """How one label type is learned and scored.

    Attributes:
      name: `single_label` or `multi_label`.
      activation: of the logits: `softmax` or `sigmoid`.
      loss_name: the Keras loss, which takes logits.
      scores_name: the function of `metrics` with the scores that only this label type has.
      logit_threshold: smallest logit of a predicted class; None predicts the highest logit.
    """

    name: str
    activation: str
    loss_name: str
    scores_name: str
    logit_threshold: float | None
    _labels: Callable
    _decide: Callable

    def target(self, igbp_fraction, scheme: Scheme, threshold: float = DEFAULT_THRESHOLD):
        """The target of IGBP area fractions, eagerly or inside `Dataset.map`.

        Args:
          igbp_fraction: float32 [..., 17].
          scheme: the classes to label with.
          threshold: smallest share of a multi-label class, inclusive; a single label has none.

        Returns:
          float32 tensor [..., num_classes] of 0 and 1. Without any class where the threshold
          exceeds every share.
        """
        import tensorflow as tf

        check_threshold(threshold)
        share = tf.tensordot(tf.convert_to_tensor(igbp_fraction), scheme.matrix, axes=1)
        # A threshold below the grid means any presence, and no class at all is none.
        return self._labels(tf.round(share * _GRID), max(1, round(threshold * _GRID)))

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The labels that probabilities stand for, both [batch, num_classes]; labels are 0 or 1."""
        return self._decide(np.asarray(probabilities))

    def probabilities(self, logits):
        """Class probabilities, float32 [batch, num_classes], of the model's logits."""
        import keras

        return getattr(keras.ops, self.activation)(logits)

    def loss(self):
        """A new Keras loss on logits."""
        import keras

        return getattr(keras.losses, self.loss_name)(from_logits=True)

    def metrics(self) -> list:
        """New Keras metrics on logits. The best epoch is chosen by the first, greater is better."""
        from sen12ms_tf.metrics import MicroF1

        return [MicroF1(self.logit_threshold)]

    def scores(self, truth, predicted, probabilities, class_names) -> dict[str, object]:
        """All metrics of the label type; see `metrics.score`."""
        from sen12ms_tf import metrics

        own = getattr(metrics, self.scores_name)(truth, predicted, probabilities)
        return metrics.score(truth, predicted, probabilities, class_names) | own


def _single_label(shares, threshold):
    import tensorflow as tf

    del threshold  # The largest share is the label, however small.
    return tf.one_hot(tf.argmax(shares, axis=-1), shares.shape[-1])


def _multi_label(shares, threshold):
    import tensorflow as tf

    return tf.cast(shares >= threshold, tf.float32)


def _most_probable(probabilities: np.ndarray) -> np.ndarray:
    classes = np.arange(probabilities.shape[-1])
    return (probabilities.argmax(-1)[..., None] == classes).astype(np.uint8)


def _at_least_half(probabilities: np.ndarray) -> np.ndarray:
    return (probabilities >= 0.5).astype(np.uint8)


TASKS = {
    row.name: row
    for row in (
        Task(
            name="single_label",
            activation="softmax",
            loss_name="CategoricalCrossentropy",
            scores_name="single_label_scores",
            logit_threshold=None,
            _labels=_single_label,
            _decide=_most_probable,
        ),
        Task(
            name="multi_label",
            activation="sigmoid",
            loss_name="BinaryCrossentropy",
            scores_name="multi_label_scores",
            logit_threshold=0.0,
            _labels=_multi_label,
            _decide=_at_least_half,
        ),
    )
}


def task(label_type: str) -> Task:
    """The row of a label type."""
    return TASKS[check_choice("label type", label_type, TASKS)]
