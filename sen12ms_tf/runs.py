"""The run directory: what a training leaves behind, and how its model is rebuilt.

`config.json` says how the model was made; weights are loaded into a model that is built from it, so
that no code ever comes out of a file.
"""

import dataclasses
import json
import os

from etils import epath

from sen12ms_tf import bands
from sen12ms_tf.errors import MissingError, UsageError, check_choice
from sen12ms_tf.landcover import Scheme, scheme
from sen12ms_tf.splits import SPLITS
from sen12ms_tf.storage import as_path, existing_dir, write_text
from sen12ms_tf.tasks import DEFAULT_THRESHOLD, Task, check_threshold, task

CONFIG_FILE = "config.json"
BEST_WEIGHTS_FILE = "best.weights.h5"

MIXED_PRECISION = {"none": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """All options of a training, by the names of the flags; the defaults are the published recipe.

    Attributes:
      data_dir: converted data set.
      model: one of `models.MODELS`.
      inputs: input set.
      label_type: `single_label` or `multi_label`.
      scheme: `igbp` or `igbp_simplified`.
      threshold: smallest area share of a multi-label class, inclusive.
      batch_size: patches a step.
      epochs: how often `fit` validates and saves.
      steps_per_epoch: steps between validations; None for one pass over the data.
      learning_rate: of Adam.
      decay: the L2 penalty, see `AdamL2`.
      seed: of weights, order and augmentation.
      train_splits: splits to train on.
      augment: `none` or `d4`.
      mixed_precision: `none`, `bfloat16` or `float16`.
      jit_compile: compile the train step with XLA.
    """

    data_dir: str
    model: str = "ResNet50"
    inputs: str = "s1s2"
    label_type: str = "multi_label"
    scheme: str = "igbp_simplified"
    threshold: float = DEFAULT_THRESHOLD
    batch_size: int = 64
    epochs: int = 100
    steps_per_epoch: int | None = None
    learning_rate: float = 1e-3
    decay: float = 1e-5
    seed: int = 0
    train_splits: tuple[str, ...] = ("train",)
    augment: str = "none"
    mixed_precision: str = "none"
    jit_compile: bool = False

    def __post_init__(self):
        """Refuses what cannot be trained."""
        bands.channels(self.inputs)
        task(self.label_type)
        scheme(self.scheme)
        check_threshold(self.threshold)
        check_choice("mixed precision", self.mixed_precision, MIXED_PRECISION)
        for split in self.train_splits:
            check_choice("split", split, SPLITS)
        repeated = len(set(self.train_splits)) < len(self.train_splits)
        if not self.train_splits or "test" in self.train_splits or repeated:
            raise UsageError(
                "train_splits names train, validation or both, each once. "
                f"Received: {', '.join(self.train_splits) or 'nothing'}."
            )
        for name in ("batch_size", "epochs", "steps_per_epoch", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} is above 0. Received: {value}.")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed is at least 0 and below 2**32. Received: {self.seed}.")
        if self.decay < 0:
            raise UsageError(f"decay is at least 0. Received: {self.decay}.")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What config.json holds.

    Attributes:
      options: of the training.
      patch_size: height and width of the training patches, pixels.
      normalization: what each channel was clipped to and standardised with.
      versions: package -> version that trained.
    """

    options: TrainingOptions
    patch_size: int
    normalization: dict[str, list[dict]]
    versions: dict[str, str]

    @property
    def task(self) -> Task:
        """The task of the label type."""
        return task(self.options.label_type)

    @property
    def scheme(self) -> Scheme:
        """The label scheme."""
        return scheme(self.options.scheme)

    @property
    def statistics(self) -> dict[str, dict[str, float]]:
        """Mean and std of each band used, as `build_model` takes them."""
        return {row["band"]: row for rows in self.normalization.values() for row in rows}

    def dataset_options(self) -> dict[str, object]:
        """The options that training and evaluation data sets share."""
        names = ("inputs", "label_type", "scheme", "threshold", "batch_size")
        return {name: getattr(self.options, name) for name in names}


def write_config(run_dir: epath.Path, config: RunConfig) -> None:
    """Writes config.json."""
    write_text(run_dir / CONFIG_FILE, json.dumps(dataclasses.asdict(config), indent=1) + "\n")


def read_config(run_dir: str | os.PathLike) -> RunConfig:
    """Reads config.json.

    Raises:
      MissingError: no such directory, or no run in it.
      UsageError: the file is not what this release writes.
    """
    path = existing_dir(run_dir, "run directory") / CONFIG_FILE
    if not path.exists():
        raise MissingError(f"{run_dir} holds no {CONFIG_FILE}: not a run of tools/train.py.")
    try:
        fields = json.loads(path.read_text())
        options = fields.pop("options")
        options["train_splits"] = tuple(options["train_splits"])
        return RunConfig(TrainingOptions(**options), **fields)
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a configuration of sen12ms_tf ({error!r}).") from error


def build_run_model(config: RunConfig, patch_size: int | None = None):
    """The model of a run, with new weights, for images of `patch_size` or of any size."""
    from sen12ms_tf.models import build_model

    return build_model(
        config.options.model,
        inputs=config.options.inputs,
        num_classes=config.scheme.num_classes,
        patch_size=patch_size,
        statistics=config.statistics,
    )


def load_best_model(run_dir: str | os.PathLike):
    """The model of a run's best epoch, in float32 whatever it was trained in, for any image size.

    Raises:
      MissingError: no run there, or one that has not finished an epoch.
    """
    config = read_config(run_dir)
    weights = as_path(run_dir) / BEST_WEIGHTS_FILE
    if not weights.exists():
        raise MissingError(
            f"{run_dir} holds no {BEST_WEIGHTS_FILE}: the training has not finished an epoch."
        )
    model = build_run_model(config)
    try:
        model.load_weights(os.fspath(weights))
    except (OSError, ValueError) as error:
        raise UsageError(f"{weights}: not the weights of this run's model ({error}).") from error
    return model
