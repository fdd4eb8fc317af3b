"""Nothing goes in; the one embedder that every part measures with comes out, loaded."""

from __future__ import annotations

from turnfold.embedders import named_embedder
from turnfold_cli.replay import SharedEmbedder


def fast_embedder() -> SharedEmbedder:
    """The default model without torch: a text's vector is the same whatever is embedded beside it.

    Raises:
        MissingDependency: OpenVINO or the tokenizers are not installed.
        EmbedderError: the model is nowhere to be found.
    """
    embedder = SharedEmbedder(named_embedder("fast"))
    embedder.embed(["ready"])
    return embedder
