"""Converts the GeoTIFF triplets of SEN12MS into TFRecords.

    python tools/convert.py --sen12ms_dir=/data/SEN12MS --output_dir=/data/sen12ms_records

Lists what it found and what is missing, then writes the shards of each split in parallel,
patches.csv and manifest.json. A partial copy is fine. About 20 ms of CPU time a triplet: an hour
for the whole data set on one core, if the disk keeps up.
"""

from absl import flags

from command_line import run

_SEN12MS_DIR = flags.DEFINE_string(
    "sen12ms_dir", None, "Root of the copy, with ROIs1158_spring and so on in it.", required=True
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "New or empty directory.", required=True)
_SPLITS_DIR = flags.DEFINE_string("splits_dir", None, "Scene lists; by default the package's own.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", None, "Processes; by default one a core.", lower_bound=1
)
_SHARD_MEGABYTES = flags.DEFINE_integer("shard_megabytes", 256, "About how large a shard gets.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the global shuffle.")
_LIMIT = flags.DEFINE_integer("limit", None, "Convert this many patches only, for a trial.")


def main() -> None:
    """Plans, says so, and converts."""
    from sen12ms_tf import conversion, planning

    plan = planning.plan_conversion(
        _SEN12MS_DIR.value,
        _OUTPUT_DIR.value,
        splits_dir=_SPLITS_DIR.value,
        options=planning.Options(_SEED.value, _SHARD_MEGABYTES.value, _LIMIT.value),
    )
    print(plan.summary(), flush=True)
    manifest = conversion.convert(plan, _NUM_WORKERS.value)
    print(manifest.summary())
    print(f"Finished {plan.output_dir}.")


if __name__ == "__main__":
    run(main)
