"""Writes a miniature SEN12MS of synthetic triplets, in the exact layout of the data set.

    python tools/make_sample.py --output_dir=sample

64 scenes of all seasons and splits; with the defaults 256 triplets of 256 px, 640 MB, in about a
minute. The pixels are invented: use them to try the tools, never to report an accuracy.
"""

import pathlib

import tqdm
from absl import flags

from command_line import run
from sen12ms_tf.errors import UsageError

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "New or empty directory.", required=True)
_PATCHES = flags.DEFINE_integer("patches_per_scene", 4, "Triplets in each of the scenes.")
_PATCH_SIZE = flags.DEFINE_integer("patch_size", 256, "Height and width of a patch, pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "The same seed gives the same bytes.")


def main() -> None:
    """Writes the sample."""
    from sen12ms_tf import synthetic

    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise UsageError(f"{output_dir} exists and is not an empty directory. Name another one.")
    patches = synthetic.write_sample(
        output_dir, _PATCHES.value, _PATCH_SIZE.value, seed=_SEED.value
    )
    output_dir.mkdir(parents=True, exist_ok=True)
    total = len(synthetic.SCENES) * _PATCHES.value
    written = sum(1 for _ in tqdm.tqdm(patches, total=total, unit="patch", desc="make_sample"))
    print(f"Wrote {written} synthetic triplets of {_PATCH_SIZE.value} px to {output_dir}.")


if __name__ == "__main__":
    run(main)
