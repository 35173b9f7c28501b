"""What a conversion will do, decided before it begins: which patch goes where, or why nowhere.

The layout is a list of shard specs that follows from the triplets, the options and the seed alone.
"""

import collections
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from etils import epath

from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import INDEX_FILE, MANIFEST_FILE, ShardName, left_out_lines
from sen12ms_tf.patches import Inventory, PatchId, find_triplets, read_patch
from sen12ms_tf.records import FEATURES
from sen12ms_tf.splits import SPLITS, SceneLists, read_scene_lists
from sen12ms_tf.storage import as_path

# In the output directory until the manifest is: its content proves whose leftovers lie there.
UNFINISHED_FILE = "UNFINISHED"


@dataclasses.dataclass(frozen=True)
class Options:
    """What decides the bytes of the shards, beside the triplets and the scene lists.

    Attributes:
      seed: of the global shuffle.
      shard_megabytes: about how large a shard gets, in 10^6 bytes.
      limit: convert this many patches only, the first of the shuffle; None for all.
    """

    seed: int = 0
    shard_megabytes: int = 256
    limit: int | None = None

    def __post_init__(self):
        """Refuses sizes that hold nothing."""
        for name in ("shard_megabytes", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is at least 1. Received: {value}.")


@dataclasses.dataclass(frozen=True)
class ShardSpec:
    """A shard to be written: its name and its patches, in order."""

    name: ShardName
    patches: tuple[PatchId, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a conversion will do, decided before it begins."""

    sen12ms_dir: pathlib.Path
    output_dir: epath.Path
    options: Options
    scene_lists: SceneLists
    inventory: Inventory
    patch_size: int
    shards: tuple[ShardSpec, ...]

    def summary(self) -> str:
        """What was found, what is missing, and what will be written, for a terminal."""
        found = self.inventory
        lines = [
            f"Found {len(found.complete)} complete and {len(found.incomplete)} incomplete triplets "
            f"of {self.patch_size} px in {self.sen12ms_dir}.",
            *left_out_lines(self.left_out()),
        ]
        for split in SPLITS:
            specs = [spec for spec in self.shards if spec.name.split == split]
            patches = sum(len(spec.patches) for spec in specs)
            lines.append(f"  {split}: {patches} patches, shards: {len(specs)}")
        return "\n".join(lines)

    def left_out(self) -> list[dict[str, str]]:
        """What is no triplet, and why."""
        incomplete = [
            {"id": str(patch), "reason": f"no {' and no '.join(missing)}"}
            for patch, missing in self.inventory.incomplete.items()
        ]
        strays = [
            {"id": path, "reason": "does not belong where it lies"}
            for path in self.inventory.strays
        ]
        return incomplete + strays

    def digest(self) -> str:
        """SHA-256 of what will be written, the same for the same command on the same copy."""
        text = repr((self.options, self.scene_lists.sha256(), self.patch_size, self.shards))
        return hashlib.sha256(text.encode()).hexdigest()


def plan_conversion(
    sen12ms_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike | None = None,
    options: Options | None = None,
) -> Plan:
    """Looks at the copy and decides which patch goes where. Writes nothing.

    Raises:
      MissingError: no such copy, or no such scene lists.
      UsageError: no complete triplet, a first triplet that cannot be read, or an output directory
        that holds something that this conversion would not write.
    """
    options = options or Options()
    scene_lists = read_scene_lists(splits_dir)
    inventory = find_triplets(sen12ms_dir)
    if not inventory.complete:
        raise UsageError(
            f"{sen12ms_dir} holds no complete triplet, only {len(inventory.incomplete)} with "
            "sensors missing. A triplet has files of s1, s2 and lc."
        )
    height, width = read_patch(sen12ms_dir, inventory.complete[0]).lc.shape[:2]
    if height != width:
        raise UsageError(
            f"{inventory.complete[0]}: patches are square. Received: {height} x {width} px."
        )
    plan = Plan(
        sen12ms_dir=pathlib.Path(sen12ms_dir),
        output_dir=as_path(output_dir),
        options=options,
        scene_lists=scene_lists,
        inventory=inventory,
        patch_size=height,
        shards=tuple(_plan_shards(inventory.complete, scene_lists, options, height)),
    )
    _refuse_foreign_files(plan)
    return plan


def _plan_shards(
    patches: Sequence[PatchId], scene_lists: SceneLists, options: Options, patch_size: int
) -> Iterable[ShardSpec]:
    by_split = collections.defaultdict(list)
    for patch in shuffled(patches, options.seed)[: options.limit]:
        by_split[scene_lists.split_of(patch.scene_folder)].append(patch)
    per_shard = max(1, options.shard_megabytes * 10**6 // _record_bytes(patch_size))
    for split in SPLITS:
        members = by_split[split]
        count = -(-len(members) // per_shard)
        for index in range(count):
            # Shards of a split differ by one record at most.
            start, stop = (len(members) * edge // count for edge in (index, index + 1))
            yield ShardSpec(ShardName(split, index, count), tuple(members[start:stop]))


def shuffled(patches: Iterable[PatchId], seed: int) -> list[PatchId]:
    """Patches by the SHA-256 of seed and id: an order that no library version can change."""
    return sorted(patches, key=lambda patch: hashlib.sha256(f"{seed}:{patch}".encode()).digest())


def _record_bytes(patch_size: int) -> int:
    """Size of a record's pixels; the compressed land cover and the rest add about 1 %."""
    images = [feature for feature in FEATURES.values() if feature.encoding == "raw"]
    per_pixel = sum(
        np.dtype(feature.dtype).itemsize * len(feature.bands) for feature in images if feature.bands
    )
    return per_pixel * patch_size**2


def _refuse_foreign_files(plan: Plan) -> None:
    if not plan.output_dir.exists():
        return
    if not plan.output_dir.is_dir():
        raise UsageError(f"{plan.output_dir} is a file. Name a new or empty directory.")
    held = {path.name for path in plan.output_dir.iterdir()}
    if MANIFEST_FILE in held:
        raise UsageError(
            f"{plan.output_dir} holds a finished data set ({MANIFEST_FILE}). "
            "Name another directory, or remove it first."
        )
    planned = set()
    if UNFINISHED_FILE in held:
        if (plan.output_dir / UNFINISHED_FILE).read_text() != plan.digest():
            raise UsageError(
                f"{plan.output_dir} holds an unfinished conversion of other triplets or with other "
                "options. Repeat that one, name another directory, or remove it first."
            )
        planned = {str(spec.name) for spec in plan.shards} | {INDEX_FILE, UNFINISHED_FILE}
        planned |= {f"{name}.part" for name in [*planned, MANIFEST_FILE]}
    if foreign := sorted(held - planned):
        raise UsageError(
            f"{plan.output_dir} holds {foreign[0]}"
            f"{f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''}, which this conversion "
            "would not write. Name a new or empty directory."
        )
