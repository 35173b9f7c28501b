"""The data set's description of itself: manifest.json and patches.csv, written and read here."""

import csv
import dataclasses
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from etils import epath

from sen12ms_tf.errors import MissingError, UsageError, check_choice
from sen12ms_tf.landcover import IGBP
from sen12ms_tf.splits import SPLITS
from sen12ms_tf.storage import existing_dir, write_text

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
INDEX_FILE = "patches.csv"

_SHARD_NAME = re.compile(r"sen12ms-([a-z]+)\.tfrecord-(\d{5,})-of-(\d{5,})")
# A partial copy can have thousands of incomplete triplets; a terminal shows the first.
_LISTED = 10

_FRACTION_COLUMNS = tuple(f"igbp_{row.code}" for row in IGBP)


@dataclasses.dataclass(frozen=True, order=True)
class ShardName:
    """Formats and parses `sen12ms-train.tfrecord-00000-of-00128`."""

    split: str
    index: int
    count: int

    @classmethod
    def parse(cls, name: str) -> "ShardName":
        """The parts of a shard's file name."""
        match = _SHARD_NAME.fullmatch(name)
        if not match:
            raise UsageError(
                f"A shard is named like sen12ms-train.tfrecord-00000-of-00128. Received: '{name}'."
            )
        return cls(match[1], int(match[2]), int(match[3]))

    def __str__(self) -> str:
        """The shard's file name."""
        return f"sen12ms-{self.split}.tfrecord-{self.index:05d}-of-{self.count:05d}"


@dataclasses.dataclass(frozen=True)
class Shard:
    """What the manifest says of one shard file: records, size and digest."""

    name: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class PatchRow:
    """One line of patches.csv.

    Attributes:
      id: the patch, `ROIs1158_spring_1_p30`.
      split: train, validation or test.
      shard: index of the shard in its split.
      position: index of the record in its shard.
      offset: where the record's TFRecord frame begins in the shard, bytes.
      length: length of the frame, bytes.
      lon: longitude of the patch's centre, degrees, WGS 84.
      lat: latitude, likewise.
      igbp_fraction: area fractions of the 17 IGBP classes.
    """

    id: str
    split: str
    shard: int
    position: int
    offset: int
    length: int
    lon: float
    lat: float
    igbp_fraction: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A converted data set, as manifest.json tells it. The fields are its keys."""

    package_version: str
    patch_size: int
    features: dict[str, dict]
    options: dict[str, object]
    zlib_version: str
    label_source: str
    splits: dict[str, tuple[Shard, ...]]
    statistics: dict[str, dict[str, float]]
    left_out: tuple[dict[str, str], ...]

    def records(self, split: str) -> int:
        """How many records a split has."""
        return sum(shard.records for shard in self.shards(split))

    def shards(self, split: str) -> tuple[Shard, ...]:
        """The shards of a split, in reading order."""
        check_choice("split", split, SPLITS)
        return self.splits.get(split, ())

    def summary(self) -> str:
        """Records a split, and what was left out, for a terminal."""
        lines = [f"  {split}: {self.records(split)} records" for split in self.splits]
        return "\n".join([*lines, *left_out_lines(self.left_out)])

    def to_json(self) -> str:
        """The text of manifest.json."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["splits"] = {
            split: {
                "records": self.records(split),
                "shards": [dataclasses.asdict(shard) for shard in shards],
            }
            for split, shards in self.splits.items()
        }
        return json.dumps({"schema_version": SCHEMA_VERSION, **fields}, indent=1) + "\n"


def write_manifest(data_dir: epath.Path, manifest: Manifest) -> None:
    """Writes manifest.json, which declares the directory finished."""
    write_text(data_dir / MANIFEST_FILE, manifest.to_json())


def read_manifest(data_dir: str | os.PathLike) -> Manifest:
    """Reads manifest.json.

    Raises:
      MissingError: no such directory, or an unfinished one.
      UsageError: it was written by another schema version, or is no manifest.
    """
    path = existing_dir(data_dir, "converted data set") / MANIFEST_FILE
    if not path.exists():
        raise MissingError(
            f"{data_dir} holds no {MANIFEST_FILE}: not a converted data set, or a conversion that "
            "did not finish. Run tools/convert.py."
        )
    try:
        fields = json.loads(path.read_text())
        version = fields.pop("schema_version")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a manifest of sen12ms_tf ({error!r}).") from error
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: this release reads schema version {SCHEMA_VERSION}. Received: {version}. "
            "Convert again, or use the release that wrote it."
        )
    try:
        fields["splits"] = {
            split: tuple(Shard(**shard) for shard in described["shards"])
            for split, described in fields["splits"].items()
        }
        fields["left_out"] = tuple(fields["left_out"])
        return Manifest(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a manifest of sen12ms_tf ({error!r}).") from error


def left_out_lines(left_out: Sequence[dict[str, str]]) -> list[str]:
    """The first patches that were left out and why, and how many more there are."""
    lines = [f"  left out: {entry['id']} ({entry['reason']})" for entry in left_out[:_LISTED]]
    more = len(left_out) - len(lines)
    return [*lines, f"  left out: {more} more, all in {MANIFEST_FILE}"] if more else lines


def write_index(data_dir: epath.Path, rows: Iterable[PatchRow]) -> None:
    """Writes patches.csv, one line a record in reading order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scalars = [field.name for field in dataclasses.fields(PatchRow)][:-1]
    writer.writerow([*scalars, *_FRACTION_COLUMNS])
    for row in rows:
        place = [getattr(row, name) for name in scalars[:-2]]
        degrees = [f"{row.lon:.6f}", f"{row.lat:.6f}"]
        writer.writerow([*place, *degrees, *(f"{value:.9g}" for value in row.igbp_fraction)])
    write_text(data_dir / INDEX_FILE, text.getvalue())


def read_index(data_dir: str | os.PathLike, split: str | None = None) -> Iterator[PatchRow]:
    """Yields the lines of patches.csv, of one split or of all, in reading order."""
    if split is not None:
        check_choice("split", split, SPLITS)
    path = existing_dir(data_dir, "converted data set") / INDEX_FILE
    with path.open() as file:
        for line in csv.DictReader(file):
            if split in (None, line["split"]):
                yield _row(line)


def _row(line: dict[str, str]) -> PatchRow:
    types = {field.name: field.type for field in dataclasses.fields(PatchRow)}
    del types["igbp_fraction"]
    return PatchRow(
        **{name: convert(line[name]) for name, convert in types.items()},
        igbp_fraction=tuple(float(line[column]) for column in _FRACTION_COLUMNS),
    )
