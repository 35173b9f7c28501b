"""Scores the best epoch of a run on a split.

    python tools/evaluate.py --run_dir=runs/resnet50 --data_dir=/data/sen12ms_records --split=test

Prints a table by class and writes metrics_test.json, with the keys of the original toolbox, and
confusion_test.png.
"""

from absl import flags

from command_line import import_tensorflow, run
from sen12ms_tf.splits import SPLITS

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run of tools/train.py.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Converted data set.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "Split to score.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "By default the run directory.")


def main() -> None:
    """Evaluates and prints the scores."""
    import_tensorflow()
    from sen12ms_tf import evaluation, report
    from sen12ms_tf.runs import read_config

    scores = evaluation.evaluate(_RUN_DIR.value, _DATA_DIR.value, _SPLIT.value, _OUTPUT_DIR.value)
    print(report.class_table(scores["clsReport"], read_config(_RUN_DIR.value).scheme.class_names))
    print(report.headline(scores))
    written = _OUTPUT_DIR.value or _RUN_DIR.value
    print(f"Wrote metrics_{_SPLIT.value}.json and confusion_{_SPLIT.value}.png to {written}.")


if __name__ == "__main__":
    run(main)
