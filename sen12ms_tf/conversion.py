"""GeoTIFF triplets -> TFRecord shards, patches.csv and manifest.json.

Each shard of a plan is written by one call that needs no other shard, in any order and in any
process; the manifest comes last.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import multiprocessing
import os
import pathlib
import zlib
from collections.abc import Sequence

import numpy as np
import tqdm

import sen12ms_tf
from sen12ms_tf import records, statistics
from sen12ms_tf.errors import UsageError
from sen12ms_tf.manifest import (
    Manifest,
    PatchRow,
    Shard,
    ShardName,
    write_index,
    write_manifest,
)
from sen12ms_tf.patches import Patch, PatchId, read_patch
from sen12ms_tf.planning import UNFINISHED_FILE, Plan, ShardSpec
from sen12ms_tf.splits import SPLITS
from sen12ms_tf.storage import as_path, atomic_writer, write_text


@dataclasses.dataclass(frozen=True)
class WrittenShard:
    """What writing one shard gave."""

    shard: Shard
    rows: tuple[PatchRow, ...]
    moments: statistics.Moments
    left_out: tuple[dict[str, str], ...]


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
