"""Scores a trained run on a split, as the papers do."""

import dataclasses
import json
import os

import keras
import numpy as np
import tqdm

from sen12ms_tf import metrics
from sen12ms_tf.pipeline import eval_dataset
from sen12ms_tf.report import draw_confusion
from sen12ms_tf.runs import RunConfig, load_best_model, read_config
from sen12ms_tf.storage import as_path, write_text


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of every record of a split, in the order of patches.csv.

    Attributes:
      truth: uint8 [records, num_classes], 0 or 1.
      probabilities: float32 [records, num_classes].
    """

    truth: np.ndarray
    probabilities: np.ndarray


def evaluate(
    run_dir: str | os.PathLike,
    data_dir: str | os.PathLike,
    split: str = "test",
    output_dir: str | os.PathLike | None = None,
) -> dict[str, object]:
    """Evaluates the best epoch of a run; writes metrics_<split>.json and confusion_<split>.png.

    Args:
      run_dir: of tools/train.py.
      data_dir: converted data set; it may be another one than that of the run.
      split: train, validation or test.
      output_dir: by default the run directory.

    Returns:
      The metrics, see `metrics.score` and its neighbours.

    Raises:
      MissingError: no run, no finished epoch, no data set.
      UsageError: a split without records, or a data set without a sensor that the model wants.
    """
    config = read_config(run_dir)
    dataset = eval_dataset(data_dir, split=split, **config.dataset_options())
    output = as_path(output_dir or run_dir)
    output.mkdir(parents=True, exist_ok=True)
    predictions = predict(load_best_model(run_dir), config, dataset)
    predicted = config.task.decide(predictions.probabilities)
    class_names = config.scheme.class_names
    scores = config.task.scores(
        predictions.truth, predicted, predictions.probabilities, class_names
    )
    write_text(output / f"metrics_{split}.json", json.dumps(scores, indent=1) + "\n")
    draw_confusion(
        output / f"confusion_{split}.png",
        metrics.confusion_matrix(predictions.truth, predicted),
        config.scheme,
        title=f"{config.options.model} on {config.options.inputs}, {split} split: "
        f"micro-F1 {scores['microF1']:.3f}",
    )
    return scores


def predict(model: keras.Model, config: RunConfig, dataset) -> Predictions:
    """Runs a model over an `eval_dataset`, with a progress bar."""
    truth, probabilities = [], []
    batches = tqdm.tqdm(dataset, total=int(dataset.cardinality()), unit="batch", desc="evaluate")
    for inputs, target in batches:
        logits = model.predict_on_batch(inputs)
        truth.append(np.asarray(target).astype(np.uint8))
        probabilities.append(np.asarray(config.task.probabilities(logits)))
    return Predictions(np.concatenate(truth), np.concatenate(probabilities))
