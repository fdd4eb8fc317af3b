"""The name of a file of words goes in; what it holds comes out."""

import tomllib
from importlib.resources import files
from typing import Any

from turnfold_stores.process.fork import importing


def table(name: str) -> dict[str, Any]:
    """What a file of this package holds.

    Args:
        name: its path within the package.
    """
    with importing:  # Python imports what reads it when it first does
        text = files("turnfold").joinpath(name).read_text("utf-8")
    return tomllib.loads(text)
