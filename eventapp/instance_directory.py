"""The directory of the embedded store and of generated secrets, which is closed to other users."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

SECRET_NAME = "jwt_secret"
# The files in the directory: the secret, its drafts, the lock, the database and its logs.
OWN_FILES = (SECRET_NAME, f".{SECRET_NAME}.*", "embedded.lock", "eventapp.sqlite3*")
_ACCESS_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnsafeDirectory(Exception):  # noqa: N818 (The name describes a state.)
    """The directory cannot be used, or not without showing secrets to other users of the machine.

    The text says in one line what is wrong.
    """


def make_private(directory: Path) -> None:
    """Create the directory if it is missing, and let nobody but its owner into it.

    One that other users may enter is closed to them, with the files of this server in it. But one
    that holds only files of others, such as a directory for temporary files, is left as it is.

    Raises:
        UnsafeDirectory: the directory cannot be created, or is open and not only for this server.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
        own_files = [path for pattern in OWN_FILES for path in directory.glob(pattern)]
        if mode & _ACCESS_OF_OTHERS:
            is_shared = mode & stat.S_ISVTX or not (own_files or _is_empty(directory))
            if is_shared:
                raise UnsafeDirectory(f"{directory} is not for this server alone; name another one")
            _close(directory, mode)
        for path in own_files:
            path.chmod(0o600)
    except OSError as error:
        raise UnsafeDirectory(f"cannot use {directory}: {error.strerror}") from error


def _close(directory: Path, mode: int) -> None:
    """Let nobody but the owner into the directory.

    A mounted volume may belong to another user, who lets this process in by its group. That is left
    as it is.
    """
    try:
        directory.chmod(0o700)
    except PermissionError:
        if mode & stat.S_IRWXO:
            raise


def _is_empty(directory: Path) -> bool:
    """Return True if no file is in the directory, apart from what a new file system brings."""
    return {path.name for path in directory.iterdir()} <= {"lost+found"}


def load_or_create_secret(directory: Path) -> str:
    """Return the secret in the directory, which is created if it is missing.

    Processes that do so at once all return the secret of the first one.
    """
    path = directory / SECRET_NAME
    if not path.exists():
        draft = path.with_name(f".{SECRET_NAME}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()
