"""What all tools share: one line on stderr and exit status 2 for a user's mistake."""

import os
import sys
import tempfile
from collections.abc import Callable

from absl import app, flags, logging

from sen12ms_tf.errors import UsageError

# Before TensorFlow is imported. Its start-up messages would bury the one line that matters; set the
# variable to 0 to see them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls `main`; ends the process."""
    app.run(lambda _: _call(main), flags_parser=_parse_flags)


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{error} See --help.")
    # What TensorFlow and Keras tell at INFO is about themselves; --verbosity=0 shows it. If unset,
    # absl would raise it to INFO now.
    if flags.FLAGS["verbosity"].using_default_value:
        flags.FLAGS.verbosity = logging.WARNING
    if rest[1:]:
        _fail(f"Unexpected argument: '{rest[1]}'. See --help.")
    return rest


def _call(main: Callable[[], None]) -> None:
    try:
        main()
    except (UsageError, OSError) as error:
        # OSError: no permission, no space, a file where a directory should be.
        _fail(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> None:
    print(f"Error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def import_tensorflow() -> None:
    """Imports TensorFlow with its start-up log lines held back, unless the import fails.

    TensorFlow 2.21 writes several lines before its log level is in force.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    # Its Python logger has a level of its own.
    tensorflow.get_logger().setLevel("WARNING")
