"""Measures how fast records are read, decoded and augmented, beside the original way of loading.

    python tools/benchmark.py
    python tools/benchmark.py --data_dir=/data/sen12ms_records --inputs=rgb

Prints patches per CPU-second and per second of wall time, the medians of several runs, and the
ratio to a plain loop that does what the original loader does: rasterio reads the GeoTIFFs, NumPy
clips and standardises to float32, no augmentation. Without --data_dir it makes 128 synthetic
triplets of 256 px, 300 MB, in a temporary directory; the reference always reads such a sample, of
the data set's patch size. About two minutes.
"""

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable

from absl import flags

from command_line import import_tensorflow, run
from sen12ms_tf.bands import INPUTS
from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import read_manifest

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Converted data set; by default a synthetic one.")
_INPUTS = flags.DEFINE_enum("inputs", "s1s2", INPUTS, "Input set.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Patches a batch.", lower_bound=1)
_REFERENCE = flags.DEFINE_enum(
    "reference", "rasterio", ["rasterio", "none"], "What to compare with: a rasterio + NumPy loop."
)

_RUNS = 5
_SECONDS_A_RUN = 3.0


def main() -> None:
    """Measures and prints the table."""
    import_tensorflow()
    with tempfile.TemporaryDirectory() as scratch:
        data_dir, sample = _DATA_DIR.value, pathlib.Path(scratch) / "sample"
        if data_dir is None:
            _make_sample(sample, patch_size=256)
            data_dir = _convert(sample)
        stages = _stages(data_dir)
        if _REFERENCE.value == "rasterio":
            if not sample.exists():
                _make_sample(sample, read_manifest(data_dir).patch_size)
            stages["reference: rasterio + NumPy, float32"] = lambda: _reference(sample)
        # All stages in turn, run after run, so that a slow minute of the machine hits them all.
        rates = {name: [] for name in stages}
        for _ in range(_RUNS):
            for name, stage in stages.items():
                rates[name].append(_measure(stage))
    _print_table(
        {
            name: [statistics.median(each) for each in zip(*pairs, strict=True)]
            for name, pairs in rates.items()
        }
    )


def _stages(data_dir) -> dict[str, Callable[[], Iterable[int]]]:
    """Name -> a function whose iterator yields how many patches came at a time, without end."""
    import tensorflow as tf

    import sen12ms_tf as s12

    manifest = read_manifest(data_dir)
    if not manifest.records("train"):
        raise UsageError(f"{data_dir} has no training records to read.")
    paths = [str(pathlib.Path(data_dir) / shard.name) for shard in manifest.shards("train")]
    options = {
        "inputs": _INPUTS.value,
        "label_type": "multi_label",
        "batch_size": min(_BATCH_SIZE.value, manifest.records("train")),
        "repeat": True,
    }

    def bare() -> Iterable[int]:
        return (1 for _ in tf.data.TFRecordDataset(paths).repeat())

    def batches(**more) -> Iterable[int]:
        dataset = s12.train_dataset(data_dir, **options, **more)
        return (int(target.shape[0]) for _, target in dataset)

    return {
        "bare TFRecordDataset": bare,
        "train_dataset": batches,
        "train_dataset, d4": lambda: batches(augment="d4"),
        "train_dataset, d4, normalized": lambda: batches(augment="d4", normalized=True),
    }


def _reference(sample: pathlib.Path) -> Iterable[int]:
    """What the original loader does for one patch, again and again."""
    import numpy as np
    import rasterio

    from sen12ms_tf import bands, patches

    wanted = bands.input_features(_INPUTS.value)
    triplets = patches.find_triplets(sample).complete
    while True:
        for patch in triplets:
            parts = []
            for feature, names in wanted.items():
                rows = [bands.band(name) for name in names]
                with rasterio.open(sample / patch.file(rows[0].sensor)) as file:
                    image = file.read([row.position for row in rows]).astype(np.float32)
                if feature == "s1":
                    image = np.clip(np.nan_to_num(image), *rows[0].clip)
                for channel, row in zip(image, rows, strict=True):
                    # Bands without published statistics cost the same with any.
                    channel -= row.mean or 0.0
                    channel /= row.std or 1.0
                parts.append(image)
            np.concatenate(parts)
            yield 1


def _measure(stage: Callable[[], Iterable[int]]) -> tuple[float, float]:
    """Patches per CPU-second of this process, and per second, after a warm-up of a third."""
    iterator = iter(stage())
    end = time.perf_counter() + _SECONDS_A_RUN / 3
    while time.perf_counter() < end:
        next(iterator)
    patches, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < _SECONDS_A_RUN:
        patches += next(iterator)
    return patches / (time.process_time() - cpu), patches / (time.perf_counter() - wall)


def _make_sample(sample: pathlib.Path, patch_size: int) -> None:
    from sen12ms_tf import synthetic

    for _ in synthetic.write_sample(sample, patches_per_scene=2, patch_size=patch_size):
        pass


def _convert(sample: pathlib.Path) -> pathlib.Path:
    from sen12ms_tf import conversion, planning

    output = sample.parent / "records"
    options = planning.Options(shard_megabytes=32)
    conversion.convert(planning.plan_conversion(sample, output, options=options))
    return output


def _print_table(rates: dict[str, list[float]]) -> None:
    *_, (last, (reference, _)) = rates.items()
    compared = last.startswith("reference")
    print(f"\n{_INPUTS.value}, batch {_BATCH_SIZE.value}, medians of {_RUNS} runs")
    print("| stage | patches / CPU-second | patches / second | ratio to the reference |")
    print("|---|---|---|---|")
    for name, (by_cpu, by_wall) in rates.items():
        ratio = f"{by_cpu / reference:.1f}" if compared else ""
        print(f"| {name} | {by_cpu:.0f} | {by_wall:.0f} | {ratio} |")


if __name__ == "__main__":
    run(main)
