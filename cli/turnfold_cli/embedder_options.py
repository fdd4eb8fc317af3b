"""The options by which commands are told of an embedder; see `chosen_embedder`."""

from __future__ import annotations

from typing import Annotated

import typer

EmbedderOption = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        help="The embedding model, as a store that was re-indexed wants it: fast, multilingual, "
        "a model's name or folder. By default all-MiniLM-L6-v2.",
    ),
]
ServiceOption = Annotated[
    str | None,
    typer.Option(
        "--embedding-service",
        help="URL of an embedding service that speaks the OpenAI API, where --embedder names a "
        "model; the key is read from OPENAI_API_KEY.",
    ),
]
