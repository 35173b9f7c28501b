"""Which scene belongs to which split.

A scene is named by its S1 folder, `ROIs1158_spring/s1_63`, as in the data set's own lists. Only
whole scenes are split, because neighbouring patches of a scene overlap by half.
"""

import dataclasses
import hashlib
import pathlib
import re

from sen12ms_tf.errors import MissingError, UsageError

SPLITS = ("train", "validation", "test")
FILES = {"test": "SEN12MS_holdOutScenes.txt", "validation": "validation_scenes.txt"}

_SCENE = re.compile(r"ROIs\d{4}_[a-z]+/s1_[a-z0-9]+")


@dataclasses.dataclass(frozen=True)
class SceneLists:
    """The scenes of the two lists; every other scene is a training scene."""

    test: frozenset[str]
    validation: frozenset[str]

    def __post_init__(self):
        """Refuses lists that share a scene."""
        if both := sorted(self.test & self.validation):
            raise UsageError(
                f"A scene belongs to one split. In both: {', '.join(both)}. Remove it from one."
            )

    def split_of(self, scene: str) -> str:
        """The split of a scene, named by its S1 folder."""
        if scene in self.test:
            return "test"
        return "validation" if scene in self.validation else "train"

    def sha256(self) -> str:
        """Digest of what the lists say, whatever their order and line ends."""
        text = "\n".join(["test", *sorted(self.test), "validation", *sorted(self.validation)])
        return hashlib.sha256(text.encode()).hexdigest()


def default_splits_dir() -> pathlib.Path:
    """The package's own scene lists: a copy inside an installed package, else the repository's."""
    package = pathlib.Path(__file__).resolve().parent
    installed = package / "scene_lists"
    return installed if installed.is_dir() else package.parent / "splits"


def read_scene_lists(splits_dir: str | pathlib.Path | None = None) -> SceneLists:
    """Reads the hold-out and the validation list of a directory, by default the package's own."""
    directory = pathlib.Path(splits_dir) if splits_dir else default_splits_dir()
    return SceneLists(**{split: _read(directory / name) for split, name in FILES.items()})


def _read(path: pathlib.Path) -> frozenset[str]:
    if not path.is_file():
        raise MissingError(
            f"No scene list {path}. A splits directory holds {list(FILES.values())}."
        )
    scenes = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        scene = line.strip()
        if not scene:
            continue
        if not _SCENE.fullmatch(scene):
            raise UsageError(
                f"{path}, line {number}: a scene is its S1 folder, like ROIs1158_spring/s1_63. "
                f"Received: '{scene}'."
            )
        if scene.startswith("ROIs1017_winter"):
            raise UsageError(
                f"{path}, line {number}: ROIs1017_winter is a typo of lists from before February "
                "2020, which would move hold-out scenes to train. Write ROIs2017_winter."
            )
        scenes.add(scene)
    return frozenset(scenes)
