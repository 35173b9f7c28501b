"""The whole stream on synthetic data: sample, records, model, scores, SavedModel, picture.

    python tools/demo.py --work_dir=demo

About five minutes on two cores. Runs the other tools one after the other and shows their commands;
ends with a list of what it made and demo.png. The data is synthetic: no figure of the demo says
anything about SEN12MS.
"""

import pathlib
import shlex
import subprocess
import sys

from absl import flags

from command_line import import_tensorflow, run
from sen12ms_tf.errors import UsageError

_WORK_DIR = flags.DEFINE_string("work_dir", "demo", "New or empty directory.")

_TOOLS = pathlib.Path(__file__).parent
_LABEL_TYPE, _SCHEME, _SPLIT = "multi_label", "igbp_simplified", "test"
_DRAWN = 6

# Small enough for two cores: 96 px train five times as fast as 256 px.
_SAMPLE = {"patches_per_scene": 16, "patch_size": 96}
_TRAINING = {
    "model": "ResNet18",
    "inputs": "s1s2",
    "label_type": _LABEL_TYPE,
    "scheme": _SCHEME,
    "batch_size": 16,
    "epochs": 12,
    "augment": "d4",
}


def main() -> None:
    """Runs the stream and sums it up."""
    work = pathlib.Path(_WORK_DIR.value)
    if work.exists() and (not work.is_dir() or any(work.iterdir())):
        raise UsageError(f"{work} exists and is not an empty directory. Name another one.")
    work.mkdir(parents=True, exist_ok=True)
    _tool("make_sample", output_dir=work / "sample", **_SAMPLE)
    _tool("convert", sen12ms_dir=work / "sample", output_dir=work / "records", shard_megabytes=32)
    _tool("train", data_dir=work / "records", run_dir=work / "run", **_TRAINING)
    _tool("evaluate", run_dir=work / "run", data_dir=work / "records", split=_SPLIT)
    _tool("export", run_dir=work / "run", export_dir=work / "saved_model")
    _sum_up(work)


def _tool(name: str, **values) -> None:
    """Runs a tool as one would type it; a failure ends the demo with the tool's exit status."""
    arguments = [f"--{flag}={value}" for flag, value in values.items()]
    print(f"\n$ python tools/{name}.py {shlex.join(arguments)}", flush=True)
    status = subprocess.run([sys.executable, _TOOLS / f"{name}.py", *arguments], check=False)
    if status.returncode:
        sys.exit(status.returncode)


def _sum_up(work: pathlib.Path) -> None:
    import_tensorflow()
    import json

    import numpy as np
    import tensorflow as tf

    from sen12ms_tf import baselines, landcover, records, report, storage
    from sen12ms_tf.manifest import read_index, read_manifest
    from sen12ms_tf.tasks import task

    scheme, multi_label = landcover.scheme(_SCHEME), task(_LABEL_TYPE)
    rows = list(read_index(work / "records", _SPLIT))
    fractions = np.array([row.igbp_fraction for row in rows], np.float32)
    truth = multi_label.target(fractions, scheme).numpy()

    model_f1 = json.loads((work / "run" / f"metrics_{_SPLIT}.json").read_text())["microF1"]
    constant_f1, _ = baselines.constant_label_set(truth)
    pixel_f1 = baselines.nearest_class_mean(work / "records", _SPLIT, _SCHEME)

    # The predictions that are drawn come from the exported model, fed with raw bands.
    served = tf.saved_model.load(str(work / "saved_model")).signatures["serving_default"]
    shard = read_manifest(work / "records").shards(_SPLIT)[0]
    drawn = []
    for serialized in tf.data.TFRecordDataset(str(work / "records" / shard.name)).take(_DRAWN):
        record = records.decode(serialized, _SAMPLE["patch_size"], ("id", "s1", "s2", "lc"))
        drawn.append({name: value.numpy() for name, value in record.items()})
    batch = {name: np.stack([record[name] for record in drawn]) for name in ("s1", "s2")}
    sensors = {name: tf.constant(value) for name, value in batch.items()}
    probabilities = served(**sensors)["probabilities"].numpy()
    report.draw_predictions(
        storage.as_path(work / "demo.png"),
        [record | {"id": record["id"].decode()} for record in drawn],
        truth[: len(drawn)],
        multi_label.decide(probabilities),
        probabilities,
        scheme,
        title=f"Synthetic test patches and what {_TRAINING['model']} says of them",
    )
    print(f"\nMulti-label micro-F1 on the {_SPLIT} split ({len(rows)} synthetic patches):")
    print(f"  {_TRAINING['model']:32} {model_f1:.3f}")
    print(f"  {'best constant label set':32} {constant_f1:.3f}")
    print(f"  {'nearest class mean of each pixel':32} {pixel_f1:.3f}")
    print("\nMade:")
    for path, what in (
        ("sample", "synthetic GeoTIFF triplets in the layout of SEN12MS"),
        ("records", "TFRecords, patches.csv, manifest.json"),
        ("run", "config.json, best.weights.h5, history.csv, metrics, confusion matrix"),
        ("saved_model", "raw bands in, probabilities out; loads with TensorFlow alone"),
        ("demo.png", "predictions beside their images"),
    ):
        print(f"  {work / path}  {what}")


if __name__ == "__main__":
    run(main)
