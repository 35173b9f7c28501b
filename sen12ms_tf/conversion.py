"""GeoTIFF triplets -> TFRecord shards, patches.csv and manifest.json.

The layout is computed first, as a list of shard specs that follows from the triplets, the options
and the seed alone. Each shard is then written by one call that needs no other shard, in any order
and in any process; the manifest comes last.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import multiprocessing
import os
import pathlib
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import tqdm
from etils import epath

import sen12ms_tf
from sen12ms_tf import records, statistics
from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import (
    INDEX_FILE,
    MANIFEST_FILE,
    Manifest,
    PatchRow,
    Shard,
    ShardName,
    left_out_lines,
    write_index,
    write_manifest,
)
from sen12ms_tf.patches import Inventory, Patch, PatchId, find_triplets, read_patch
from sen12ms_tf.splits import SPLITS, SceneLists, read_scene_lists
from sen12ms_tf.storage import as_path, atomic_writer, write_text

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


@dataclasses.dataclass(frozen=True)
class WrittenShard:
    """What writing one shard gave."""

    shard: Shard
    rows: tuple[PatchRow, ...]
    moments: statistics.Moments
    left_out: tuple[dict[str, str], ...]


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
    images = [feature for feature in records.FEATURES.values() if feature.encoding == "raw"]
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


def convert(plan: Plan, num_workers: int | None = None) -> Manifest:
    """Writes every shard of a plan, then patches.csv, then manifest.json.

    Args:
      plan: what to write.
      num_workers: processes; by default one a core. The bytes do not depend on it.

    Raises:
      UsageError: a triplet that cannot be read. The output directory is then left unfinished,
        and the same command may be run again.
    """
    plan.output_dir.mkdir(parents=True, exist_ok=True)
    write_text(plan.output_dir / UNFINISHED_FILE, plan.digest())
    write = functools.partial(
        write_shard,
        sen12ms_dir=plan.sen12ms_dir,
        output_dir=os.fspath(plan.output_dir),
        patch_size=plan.patch_size,
    )
    total = sum(len(spec.patches) for spec in plan.shards)
    written = []
    shards = _map(write, plan.shards, num_workers or os.cpu_count() or 1)
    with tqdm.tqdm(total=total, unit="patch", desc="convert") as bar:
        bar.leave = False  # An error stands alone; a finished bar stays.
        for spec, shard in zip(plan.shards, shards, strict=True):
            written.append(shard)
            bar.update(len(spec.patches))
        bar.leave = True
    manifest = _describe(plan, written)
    if not any(shard.rows for shard in written):
        raise UsageError(
            f"No patch of {plan.sen12ms_dir} can be converted. The first of "
            f"{len(manifest.left_out)}: {manifest.left_out[0]['id']}, "
            f"{manifest.left_out[0]['reason']}"
        )
    write_index(plan.output_dir, (row for shard in written for row in shard.rows))
    write_manifest(plan.output_dir, manifest)
    (plan.output_dir / UNFINISHED_FILE).unlink()
    return manifest


def _map(function, items: Sequence, num_workers: int):
    """Like `map`, in processes; the first error ends it and cancels what has not begun."""
    if num_workers == 1 or len(items) == 1:
        yield from map(function, items)
        return
    # Spawned, not forked: GDAL and its threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers = min(num_workers, len(items))
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(function, items)


def write_shard(
    spec: ShardSpec, sen12ms_dir: pathlib.Path, output_dir: str, patch_size: int
) -> WrittenShard:
    """Writes one shard; the same bytes in any process on any machine with the same zlib."""
    digest, offset = hashlib.sha256(), 0
    rows, left_out, moments = [], [], []
    with atomic_writer(as_path(output_dir) / str(spec.name)) as file:
        for patch_id in spec.patches:
            patch = read_patch(sen12ms_dir, patch_id)
            _check_size(patch_id, patch, patch_size)
            if reason := reason_to_leave_out(patch):
                left_out.append({"id": str(patch_id), "reason": reason})
                continue
            record = records.record_of(patch_id, patch)
            frame = records.frame(records.encode(record))
            file.write(frame)
            digest.update(frame)
            rows.append(_row(patch, record, spec.name, len(rows), offset, len(frame)))
            if spec.name.split == "train":
                moments.append(statistics.moments_of(record))
            offset += len(frame)
    return WrittenShard(
        shard=Shard(str(spec.name), len(rows), offset, digest.hexdigest()),
        rows=tuple(rows),
        moments=statistics.merge_all(moments),
        left_out=tuple(left_out),
    )


def reason_to_leave_out(patch: Patch) -> str | None:
    """Why a readable patch is not converted, or None."""
    if damaged := np.count_nonzero(~np.isfinite(patch.s1)):
        return f"s1: {damaged} values are NaN or infinite"
    try:
        records.igbp_fraction(patch.lc[..., 0])
    except UsageError as error:
        return f"lc: {error}"
    return None


def _check_size(patch_id: PatchId, patch: Patch, patch_size: int) -> None:
    height, width = patch.lc.shape[:2]
    if (height, width) != (patch_size, patch_size):
        raise UsageError(
            f"{patch_id}: the patches of a data set share one size, here {patch_size} x "
            f"{patch_size} px. Received: {height} x {width} px."
        )


def _row(patch, record, name: ShardName, position: int, offset: int, length: int) -> PatchRow:
    lon, lat = patch.centre_lon_lat()
    return PatchRow(
        id=record["id"],
        split=name.split,
        shard=name.index,
        position=position,
        offset=offset,
        length=length,
        lon=lon,
        lat=lat,
        igbp_fraction=tuple(map(float, record["igbp_fraction"])),
    )


def _describe(plan: Plan, written: Sequence[WrittenShard]) -> Manifest:
    moments = statistics.merge_all(shard.moments for shard in written)
    return Manifest(
        package_version=sen12ms_tf.__version__,
        patch_size=plan.patch_size,
        features=_describe_features(),
        options={
            **dataclasses.asdict(plan.options),
            "scene_lists_sha256": plan.scene_lists.sha256(),
        },
        zlib_version=zlib.ZLIB_RUNTIME_VERSION,
        label_source="lc band 1",
        splits={
            split: tuple(
                part.shard for part in written if ShardName.parse(part.shard.name).split == split
            )
            for split in SPLITS
        },
        statistics=moments.rows(),
        left_out=(*(entry for part in written for entry in part.left_out), *plan.left_out()),
    )


def _describe_features() -> dict[str, dict]:
    return {
        feature.name: {"dtype": feature.dtype, "encoding": feature.encoding}
        | ({"bands": list(feature.bands)} if feature.bands else {"shape": list(feature.shape)})
        for feature in records.FEATURES.values()
    }
