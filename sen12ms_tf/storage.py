"""Where data lies: local directories, and object storage through tf.io.gfile.

The only room that imports tensorflow-io, and only when a path needs it.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from etils import epath

from sen12ms_tf.errors import MissingError, UsageError

# gs:// is built into TensorFlow; these come with tensorflow-io.
_TENSORFLOW_IO_SCHEMES = ("s3", "az", "hdfs")


def as_path(location: str | os.PathLike) -> epath.Path:
    """The path of a local file or of an object, `gs://bucket/key` for instance.

    Raises:
      UsageError: the scheme needs tensorflow-io, which does not load in this environment.
    """
    scheme, separator, _ = os.fspath(location).partition("://")
    if separator and scheme in _TENSORFLOW_IO_SCHEMES:
        _load_tensorflow_io(os.fspath(location))
    return epath.Path(location)


def existing_dir(location: str | os.PathLike, what: str) -> epath.Path:
    """The path of a directory that must be there; `what` names it in the error."""
    path = as_path(location)
    if not path.is_dir():
        raise MissingError(f"No {what} at {location}: there is no such directory.")
    return path


@contextlib.contextmanager
def atomic_writer(path: epath.Path) -> Iterator[BinaryIO]:
    """Opens a file that appears under its name only once it is whole and flushed to disk."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        if hasattr(file, "fileno"):
            os.fsync(file.fileno())
    part.replace(path)


def write_text(path: epath.Path, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_writer(path) as file:
        file.write(text.encode())


def _load_tensorflow_io(location: str) -> None:
    try:
        importlib.import_module("tensorflow_io")
    except (ImportError, NotImplementedError) as error:
        raise UsageError(
            f"{location} needs tensorflow-io, which runs on TensorFlow 2.16 and 2.17 with Python "
            "3.11 or 3.12 alone. Install it there: pip install 'sen12ms_tf[io]'."
        ) from error
