"""Citations: each names a document or a search result that stands in the request before it."""

from collections.abc import Iterator, Sequence
from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.prompt import blocks_of

# Of what is counted apart: the number, and the name that has to fit it, in a citation.
_FIELDS = {
    "document": ("document_index", "document_title", "title"),
    "search_result": ("search_result_index", "source", "source"),
}


def check_citations(messages: Sequence[dict[str, Any]]) -> None:
    """Hold the citations of answers against what the request shows.

    Raises:
        Refusal: A citation whose number is not that of anything shown, or of something else.
    """
    shown: dict[str, list[Any]] = {kind: [] for kind in _FIELDS}
    for place, message in enumerate(messages):
        for j, block in enumerate(blocks_of(message.get("content"))):
            if message["role"] == "user":
                for each in _citable(block):
                    shown[each["type"]].append(each.get(_FIELDS[each["type"]][2]))
            elif message["role"] == "assistant":
                for k, citation in enumerate(block.get("citations") or ()):
                    _check(citation, shown, f"messages.{place}.content.{j}.citations.{k}")


def _check(citation: dict[str, Any], shown: dict[str, list[Any]], path: str) -> None:
    for kind, (number, name, _) in _FIELDS.items():
        if number not in citation:
            continue
        index = citation[number]
        if not isinstance(index, int) or not 0 <= index < len(shown[kind]):
            raise Refusal(f"{path}.{number}: {index} does not name a {kind} of this request")
        if shown[kind][index] != citation.get(name):
            raise Refusal(f"{path}.{name}: does not match {kind} {index}")


def _citable(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = block.get("type")
    enabled = isinstance(block.get("citations"), dict) and block["citations"].get("enabled")
    if kind == "search_result" or (kind == "document" and enabled):
        yield block
    elif kind == "tool_result" and isinstance(block.get("content"), list):
        for each in block["content"]:
            yield from _citable(each)
