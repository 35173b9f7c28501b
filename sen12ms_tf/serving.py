"""SavedModels that take what the satellites measured and need nothing but TensorFlow."""

import json
import os
import tempfile
import uuid

import tensorflow as tf

from sen12ms_tf import bands
from sen12ms_tf.errors import UsageError
from sen12ms_tf.runs import RunConfig, load_best_model, read_config
from sen12ms_tf.storage import as_path

BANDS_ASSET = "bands.json"
CLASSES_ASSET = "classes.json"


def export_saved_model(run_dir: str | os.PathLike, export_dir: str | os.PathLike) -> None:
    """Exports the best epoch of a run.

    The signature `serving_default` takes the raw sensors of the input set by name, for instance
    `s2` uint16 [batch, height, width, 10] and `s1` float32 [batch, height, width, 2] in dB, and
    returns `probabilities` float32 [batch, num_classes]. `assets/bands.json` names the channels
    with their units, `assets/classes.json` the classes with their colours.

    Args:
      run_dir: of tools/train.py.
      export_dir: new or empty; appears only once it is whole.

    Raises:
      MissingError: no run, or no finished epoch.
      UsageError: the export directory is in use.
    """
    target = as_path(export_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{export_dir} exists and is not an empty directory. Name another one.")
    config = read_config(run_dir)
    model = load_best_model(run_dir)

    def serve(**sensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": config.task.probabilities(model(sensors, training=False))}

    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    with tempfile.TemporaryDirectory() as scratch:
        module = tf.Module()
        # A SavedModel restores the variables that hang on the module.
        module.model_variables = [variable.value for variable in model.variables]
        module.assets = [
            tf.saved_model.Asset(_write_json(scratch, name, content))
            for name, content in _metadata(config).items()
        ]
        module.serve = tf.function(serve).get_concrete_function(**_signature(config))
        tf.saved_model.save(module, os.fspath(part), {"serving_default": module.serve})
    if target.exists():
        target.rmdir()
    part.rename(target)


def _signature(config: RunConfig) -> dict[str, tf.TensorSpec]:
    return {
        feature: tf.TensorSpec(
            (None, None, None, len(names)),
            tf.float32 if feature == "s1" else tf.uint16,
            name=feature,
        )
        for feature, names in bands.input_features(config.options.inputs).items()
    }


def _metadata(config: RunConfig) -> dict[str, object]:
    channels = {
        feature: [{**row, "unit": bands.band(row["band"]).unit} for row in rows]
        for feature, rows in config.normalization.items()
    }
    classes = [
        {"code": row.code, "name": row.name, "colour": row.colour} for row in config.scheme.classes
    ]
    return {BANDS_ASSET: channels, CLASSES_ASSET: classes}


def _write_json(directory: str, name: str, content) -> str:
    path = as_path(directory) / name
    path.write_text(json.dumps(content, indent=1) + "\n")
    return os.fspath(path)
