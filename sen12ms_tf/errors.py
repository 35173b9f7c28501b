"""The two errors that a user's mistake raises.

Every message says which rule was broken, what was received and what to do. The tools print it as
one line and exit with status 2; any other exception is a bug and keeps its traceback.
"""


class UsageError(ValueError):
    """Input, options or data that break a rule."""


class MissingError(UsageError, FileNotFoundError):
    """A file or directory that should be there is not."""

    def __str__(self) -> str:
        """The message alone, without the errno format of OSError."""
        return str(self.args[0])


def check_choice(kind: str, received: str, valid) -> str:
    """Returns `received` if it is among `valid`, and lists the valid ones otherwise."""
    if received not in valid:
        raise UsageError(f"Unknown {kind} '{received}'. Valid: {', '.join(valid)}.")
    return received
