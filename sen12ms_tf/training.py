"""`model.fit` with the published recipe, in a run directory that can be continued."""

import contextlib
import csv
import dataclasses
import io
import json
import os
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from etils import epath

import sen12ms_tf
from sen12ms_tf import bands
from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import Manifest, read_manifest
from sen12ms_tf.optimizers import AdamL2
from sen12ms_tf.pipeline import eval_dataset, train_dataset
from sen12ms_tf.runs import (
    BEST_WEIGHTS_FILE,
    CONFIG_FILE,
    MIXED_PRECISION,
    RunConfig,
    TrainingOptions,
    build_run_model,
    read_config,
    write_config,
)
from sen12ms_tf.storage import as_path, write_text

HISTORY_FILE = "history.csv"

# A run may be continued for longer, or from where its data was moved to.
_MAY_DIFFER = ("epochs", "data_dir")


def train(
    run_dir: str | os.PathLike, options: TrainingOptions, resume: bool = False
) -> keras.Model:
    """Trains a model; leaves config.json, checkpoints, best weights, history, TensorBoard logs.

    The best epoch is the one of the highest micro-F1 on the validation split. Without validation
    records it is the last.

    Args:
      run_dir: new or empty; with `resume` also one that holds an earlier part of the same run.
      options: what to train.
      resume: go on after the last finished epoch. On an empty directory the run starts anew, and
        after the last epoch there is nothing to do, so that one command line survives restarts.

    Returns:
      The model as the last epoch left it.

    Raises:
      MissingError: no converted data set.
      UsageError: options that do not fit the data, a used run directory without `resume`, or
        options that differ from those of the run to be continued.
    """
    root, manifest = as_path(run_dir), read_manifest(options.data_dir)
    config = RunConfig(
        options=options,
        patch_size=manifest.patch_size,
        normalization=bands.normalization(options.inputs, manifest.statistics),
        versions=_versions(),
    )
    progress = _claim(root, config, resume)
    keras.utils.set_random_seed(options.seed)
    data = _training_data(config, progress.epoch)
    validation = _validation_data(config, manifest)
    with _dtype_policy(MIXED_PRECISION[options.mixed_precision]):
        model = build_run_model(config, config.patch_size)
    model.compile(
        AdamL2(options.learning_rate, l2=options.decay),
        loss=config.task.loss(),
        metrics=config.task.metrics(),
        jit_compile=options.jit_compile,
    )
    monitor = None if validation is None else f"val_{config.task.metrics()[0].name}"
    root.mkdir(parents=True, exist_ok=True)
    write_config(root, config)
    progress.restore(model)
    # Does nothing where all epochs are finished, so that a restarted command ends well.
    model.fit(
        data,
        initial_epoch=progress.epoch,
        epochs=options.epochs,
        steps_per_epoch=options.steps_per_epoch,
        validation_data=validation,
        shuffle=False,
        callbacks=[
            _Recorder(progress, monitor),
            keras.callbacks.TensorBoard(os.fspath(root / "tensorboard"), write_graph=False),
        ],
    )
    return model


def _versions() -> dict[str, str]:
    return {
        "sen12ms_tf": sen12ms_tf.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


def _training_data(config: RunConfig, epoch: int) -> tf.data.Dataset:
    options = config.options
    first, skipped = epoch, 0
    arguments = {
        **config.dataset_options(),
        "splits": options.train_splits,
        "seed": options.seed,
        "augment": options.augment,
        "repeat": options.steps_per_epoch is not None,
    }
    if options.steps_per_epoch:
        # An epoch of `fit` is then no pass over the data: go on at the batch after the last one.
        manifest = read_manifest(options.data_dir)
        records = sum(manifest.records(split) for split in options.train_splits)
        a_pass = max(1, records // options.batch_size)
        first, skipped = divmod(epoch * options.steps_per_epoch, a_pass)
    return train_dataset(options.data_dir, first_epoch=first, **arguments).skip(skipped)


def _validation_data(config: RunConfig, manifest: Manifest) -> tf.data.Dataset | None:
    options = config.options
    if "validation" in options.train_splits:
        logging.warning(
            "The validation split is trained on, as the published models were: "
            "its scores, and the choice of the best epoch, will be too good."
        )
    if not manifest.records("validation"):
        logging.warning(
            "%s has no validation records: the last epoch is kept as the best.", options.data_dir
        )
        return None
    return eval_dataset(options.data_dir, split="validation", **config.dataset_options())


@contextlib.contextmanager
def _dtype_policy(name: str):
    """Keras's global policy while a model is built; its layers keep it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _claim(root: epath.Path, config: RunConfig, resume: bool) -> "_Progress":
    """Where the run stands: at its beginning, or after the last epoch of an earlier part."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file. Name a new or empty directory.")
    held = [path.name for path in root.iterdir()] if root.exists() else []
    if not held:
        return _Progress(root)
    if not resume:
        raise UsageError(
            f"{root} is in use: it holds {sorted(held)[0]}. "
            "Name a new directory, or go on with --resume."
        )
    if CONFIG_FILE not in held:
        raise UsageError(f"{root} holds {sorted(held)[0]} but no run of tools/train.py.")
    begun = read_config(root)
    if (begun.patch_size, begun.normalization) != (config.patch_size, config.normalization):
        raise UsageError(
            f"{root} was begun on patches of another size or with other band statistics than "
            f"{config.options.data_dir} has. Go on with that data set, or name a new directory."
        )
    old, new = (dataclasses.asdict(each.options) for each in (begun, config))
    if changed := [name for name in new if name not in _MAY_DIFFER and new[name] != old[name]]:
        raise UsageError(
            f"{root} was begun with other options: "
            + ", ".join(f"{name}={old[name]}, not {new[name]}" for name in changed)
            + ". Go on with the same ones, or name a new directory."
        )
    return _Progress.read(root)


@dataclasses.dataclass
class _Progress:
    """How far a run is; on disk as checkpoints/state.json, written after the weights it names.

    Attributes:
      root: the run directory.
      epoch: number of finished epochs.
      best: score of the best epoch so far; None before the first.
      history: one dict an epoch.
    """

    root: epath.Path
    epoch: int = 0
    best: float | None = None
    history: list[dict] = dataclasses.field(default_factory=list)

    @classmethod
    def read(cls, root: epath.Path) -> "_Progress":
        state = root / "checkpoints" / "state.json"
        if not state.exists():
            return cls(root)
        progress = cls(root, **json.loads(state.read_text()))
        with (root / HISTORY_FILE).open() as file:
            rows = list(csv.DictReader(file))
        # An epoch whose checkpoint was not finished will be trained again.
        progress.history = [row for row in rows if int(row["epoch"]) <= progress.epoch]
        return progress

    def checkpoint(self, epoch: int) -> epath.Path:
        return self.root / "checkpoints" / f"epoch_{epoch:04d}.weights.h5"

    def restore(self, model: keras.Model) -> None:
        """Loads weights and optimizer state of the last finished epoch, if there is one."""
        if self.epoch:
            model.optimizer.build(model.trainable_variables)
            model.load_weights(os.fspath(self.checkpoint(self.epoch)))

    def save(self, model: keras.Model, row: dict, score: float | None) -> None:
        """Records a finished epoch, so that a stop at any line leaves a run that can go on."""
        finished = row["epoch"]
        self.history.append(row)
        self._write_history()
        if score is None or self.best is None or score > self.best:
            self.best = score
            # The same layers without the optimizer: a third of the size.
            weights_only = keras.Model(model.inputs, model.outputs, name=model.name)
            _save_weights(weights_only, self.root / BEST_WEIGHTS_FILE)
        self.checkpoint(finished).parent.mkdir(parents=True, exist_ok=True)
        _save_weights(model, self.checkpoint(finished))
        previous, self.epoch = self.epoch, finished
        state = {"epoch": self.epoch, "best": self.best}
        write_text(self.root / "checkpoints" / "state.json", json.dumps(state) + "\n")
        if previous:
            self.checkpoint(previous).unlink(missing_ok=True)

    def _write_history(self) -> None:
        text = io.StringIO()
        columns = dict.fromkeys(name for row in self.history for name in row)
        writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.root / HISTORY_FILE, text.getvalue())


def _save_weights(model: keras.Model, path: epath.Path) -> None:
    part = path.with_name(f"part.{path.name}")  # Keras demands the ending .weights.h5.
    model.save_weights(os.fspath(part))
    part.replace(path)


class _Recorder(keras.callbacks.Callback):
    """Hands each finished epoch to the run's progress."""

    def __init__(self, progress: _Progress, monitor: str | None):
        super().__init__()
        self._progress = progress
        self._monitor = monitor

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        row = {
            "epoch": epoch + 1,
            "seconds": round(time.monotonic() - self._began, 1),
            "learning_rate": float(self.model.optimizer.learning_rate),
            **{name: float(value) for name, value in sorted((logs or {}).items())},
        }
        self._progress.save(self.model, row, row[self._monitor] if self._monitor else None)
