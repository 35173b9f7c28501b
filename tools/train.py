"""Trains a classifier on a converted data set.

    python tools/train.py --data_dir=/data/sen12ms_records --run_dir=runs/resnet50 --augment=d4

The defaults are the published recipe: ResNet50 on s1s2, multi-label, simplified scheme, Adam at
1e-3 with an L2 penalty of 1e-5, batches of 64, 100 epochs, the best one by micro-F1 on validation.
The run directory holds config.json, checkpoints/, best.weights.h5, history.csv and tensorboard/.
Stopped? The same command with --resume goes on after the last finished epoch.
"""

import dataclasses

from absl import flags

from command_line import import_tensorflow, run
from sen12ms_tf.bands import INPUTS
from sen12ms_tf.landcover import SCHEMES
from sen12ms_tf.runs import MIXED_PRECISION, TrainingOptions
from sen12ms_tf.tasks import TASKS

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainingOptions)}

_RUN_DIR = flags.DEFINE_string("run_dir", None, "New or empty directory.", required=True)
_RESUME = flags.DEFINE_bool("resume", False, "Go on with the run in --run_dir, if there is one.")

flags.DEFINE_string("data_dir", None, "Converted data set.", required=True)
flags.DEFINE_string("model", _DEFAULTS["model"], "ResNet18 34 50 101 152, DenseNet121 161 169 201.")
flags.DEFINE_enum("inputs", _DEFAULTS["inputs"], INPUTS, "Input set.")
flags.DEFINE_enum("label_type", _DEFAULTS["label_type"], list(TASKS), "Label type.")
flags.DEFINE_enum("scheme", _DEFAULTS["scheme"], list(SCHEMES), "Label scheme.")
flags.DEFINE_float(
    "threshold", _DEFAULTS["threshold"], "Smallest area share of a multi-label class."
)
flags.DEFINE_integer("batch_size", _DEFAULTS["batch_size"], "Patches a step.")
flags.DEFINE_integer("epochs", _DEFAULTS["epochs"], "Epochs in all, also with --resume.")
flags.DEFINE_integer("steps_per_epoch", None, "Steps an epoch; by default one pass over the data.")
flags.DEFINE_float("learning_rate", _DEFAULTS["learning_rate"], "Of Adam.")
flags.DEFINE_float("decay", _DEFAULTS["decay"], "L2 penalty, added to the gradient.")
flags.DEFINE_integer("seed", _DEFAULTS["seed"], "Of weights, order and augmentation.")
flags.DEFINE_list("train_splits", list(_DEFAULTS["train_splits"]), "train,validation as published.")
flags.DEFINE_enum("augment", _DEFAULTS["augment"], ["none", "d4"], "d4: the eight flips and turns.")
flags.DEFINE_enum(
    "mixed_precision", _DEFAULTS["mixed_precision"], list(MIXED_PRECISION), "Compute dtype."
)
flags.DEFINE_bool("jit_compile", _DEFAULTS["jit_compile"], "Compile the train step with XLA.")


def main() -> None:
    """Trains."""
    values = {name: getattr(flags.FLAGS, name) for name in _DEFAULTS}
    values["train_splits"] = tuple(values["train_splits"])
    options = TrainingOptions(**values)
    import_tensorflow()
    from sen12ms_tf import training

    training.train(_RUN_DIR.value, options, resume=_RESUME.value)
    print(f"Finished {_RUN_DIR.value}. Next: tools/evaluate.py --run_dir={_RUN_DIR.value} ...")


if __name__ == "__main__":
    run(main)
