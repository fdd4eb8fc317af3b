"""A path as a user wrote it goes in; the path it names, `~` expanded, comes out."""

from __future__ import annotations

import errno
from pathlib import Path

from turnfold_stores.errors import StoreError

_DEAD = {errno.ENOENT: "is not there", errno.ELOOP: "leads back to it"}


def local_path(text: str) -> Path:
    """The path that a text names.

    Args:
        text: a path; `~` and `~name` at its head are somebody's home.

    Raises:
        StoreError: nobody knows where that home is.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as wrong:
        raise StoreError(
            f"nobody knows what home the ~ in {text!r} stands for ({wrong}); write the path out, "
            f"or './{text}' for a file of that name"
        ) from None


def refuse_dead_link(path: Path) -> None:
    """Say so where a path is, or stands below, a symbolic link that leads to nothing.

    Raises:
        StoreError: it does.
    """
    for one in (path, *path.parents):
        try:
            one.stat()
        except OSError as wrong:
            if (why := _DEAD.get(wrong.errno or 0)) and one.is_symlink():
                raise StoreError(
                    f"{str(one)!r} is a symbolic link to {str(one.readlink())!r}, which {why}: "
                    "mend or remove the link, or name another path"
                ) from None
