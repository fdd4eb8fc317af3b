"""A client goes in; what the model that writes summaries is called there comes out."""

from __future__ import annotations

from dataclasses import dataclass

from turnfold.errors import PolicyError

DEFAULT_MODEL = "claude-haiku-5-5"
"""Writes summaries where nothing else is asked for; by this name where no cloud has another."""


# Clients that are given a base URL, and where the API is.
_PLAIN = frozenset({"Anthropic", "AsyncAnthropic"})
_HOST = "anthropic.com"


@dataclass(frozen=True, slots=True)
class SummaryModel:
    """A model as one cloud has it.

    Attributes:
        name: what to ask for.
        structured: whether it takes a JSON schema for its output there.
    """

    name: str
    structured: bool = True


def is_expected_at(client: object, chat: str) -> bool:
    """Whether the usual model may be there, on a server where chats are with another one.

    A gateway to Claude has a host of its own, too; a server where chats are with a model that is
    no Claude has, we take it, no Claude at all.

    Args:
        client: a client of the SDK.
        chat: the model of the chat.
    """
    if "claude" in chat.lower() or type(client).__name__ not in _PLAIN:
        return True
    host = str(getattr(getattr(client, "base_url", ""), "host", ""))
    return host == _HOST or host.endswith(f".{_HOST}")


def chat_model(client: object, name: str) -> SummaryModel:
    """A model by the name that a chat asks for it, whatever that is called."""
    return SummaryModel(name, structured=not _is_bedrock(client))


def _is_bedrock(client: object) -> bool:
    return bool(_kinds(client) & {"AnthropicBedrock", "AnthropicBedrockMantle"})


def _kinds(client: object) -> set[str]:
    return {kind.__name__.removeprefix("Async") for kind in type(client).__mro__}


def summary_model(client: object, wanted: str) -> SummaryModel:
    """The model that writes summaries for a client.

    Claude Haiku 5.5 has its plain name at Anthropic, on Vertex and on the platforms that
    Anthropic runs at AWS and Google; Bedrock has names of its own and, for this model, no
    structured output (release notes of Vercel's AI SDK of 2026-10-07); at Foundry a model is
    called what its deployment was called.

    Args:
        client: a client of the SDK.
        wanted: `Policy.summary_model`: a name, or "auto".

    Raises:
        PolicyError: "auto", and no name is known for this cloud.
    """
    if wanted != "auto":
        return chat_model(client, wanted)
    kinds = _kinds(client)
    if "AnthropicFoundry" in kinds:
        raise PolicyError(
            "at Foundry a model is called what its deployment was called, so there is no default "
            "for the model that writes summaries: give Policy(summary_model=...), the name of a "
            f"deployment of {DEFAULT_MODEL} for one, or a summarizer of your own"
        )
    if "AnthropicBedrock" in kinds:
        region = str(getattr(client, "aws_region", ""))
        prefix = "us." if region.startswith("us-") else ""
        return SummaryModel(f"{prefix}anthropic.{DEFAULT_MODEL}", structured=False)
    if _is_bedrock(client):
        return SummaryModel(f"anthropic.{DEFAULT_MODEL}", structured=False)
    return SummaryModel(DEFAULT_MODEL)
