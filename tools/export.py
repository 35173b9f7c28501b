"""Exports the best epoch of a run as a SavedModel.

    python tools/export.py --run_dir=runs/resnet50 --export_dir=exported/resnet50

It takes raw bands, returns probabilities, and loads with TensorFlow alone:

    import tensorflow as tf
    model = tf.saved_model.load("exported/resnet50")
    model.signatures["serving_default"](s1=..., s2=...)["probabilities"]
"""

from absl import flags

from command_line import import_tensorflow, run

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run of tools/train.py.", required=True)
_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "New or empty directory.", required=True)
_FORMAT = flags.DEFINE_enum("format", "saved_model", ["saved_model"], "Format.")


def main() -> None:
    """Exports."""
    import_tensorflow()
    from sen12ms_tf import serving

    serving.export_saved_model(_RUN_DIR.value, _EXPORT_DIR.value)
    print(f"Wrote {_FORMAT.value} {_EXPORT_DIR.value}.")


if __name__ == "__main__":
    run(main)
