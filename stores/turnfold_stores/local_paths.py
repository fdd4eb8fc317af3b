"""A path as a user wrote it goes in; the path it names, `~` expanded, comes out."""

from __future__ import annotations

from pathlib import Path

from turnfold_stores.errors import StoreError


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
