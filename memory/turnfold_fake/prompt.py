"""A request's prompt as a row of blocks, each with its digest and its tokens.

Chat requests repeat what earlier ones said, so a block that was read once is recognised by its
digest and never tokenized again, and a message seen before is kept once in memory however many
requests carry it.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from turnfold_fake import tokens

_MEMO = 200_000
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
THINKING = frozenset({"thinking", "redacted_thinking"})


class Piece(NamedTuple):
    """One block of the prompt.

    Attributes:
        digest: Of its place (tools, system or a role) and content; cache marks left out.
        tokens: Its own tokens, with the frame of the message it opens.
        ttl: `5m` or `1h` where it carries `cache_control`, else None.
        cacheable: Whether the automatic mark may fall on it.
    """

    digest: bytes
    tokens: int
    ttl: str | None
    cacheable: bool


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """Content as blocks: a string is shorthand for one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content or []


def plain(block: dict[str, Any]) -> dict[str, Any]:
    """A block without what does not change its meaning.

    Left out: cache marks, nulls and empty citations, which the SDK adds to what it hands out.
    """
    kept = {
        name: value
        for name, value in block.items()
        if value is not None
        and name != "cache_control"
        and not (name == "citations" and value == [])
        and not (name == "caller" and value == {"type": "direct"})
    }
    content = kept.get("content")
    if isinstance(content, list):
        kept["content"] = [plain(each) if isinstance(each, dict) else each for each in content]
    return kept


def read_ttl(block: dict[str, Any]) -> str | None:
    """The lifetime a block's cache mark asks for; None without a mark."""
    mark = block.get("cache_control")
    if not mark and block.get("type") == "tool_result" and isinstance(block.get("content"), list):
        # A mark within a result's content takes effect at the block it is part of.
        mark = next((m for b in block["content"] if (m := b.get("cache_control"))), None)
    return (mark.get("ttl") or "5m") if mark else None


class Reader:
    """Digests and counts blocks, remembering those it has seen. Not thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}
        self._messages: dict[bytes, dict[str, Any]] = {}
        # By id: of blocks in `_messages`, which keeps them alive.
        self._digests: dict[int, bytes] = {}

    def digest(self, block: dict[str, Any]) -> bytes:
        """The digest of a content block, cache marks apart."""
        if (known := self._digests.get(id(block))) is not None:
            return known
        if block.get("type") == "text" and not block.get("citations"):
            return blake2b(block["text"].encode("utf-8", "replace"), digest_size=16).digest()
        return self._digest_json(plain(block))

    def pieces(self, body: dict[str, Any]) -> list[Piece]:
        """The prompt in the order of the cache: tools, system, messages."""
        row = list(self._pieces(body))
        if (ttl := read_ttl(body)) is not None:
            last = next((n for n in reversed(range(len(row))) if row[n].cacheable), None)
            if last is not None and row[last].ttl is None:
                row[last] = row[last]._replace(ttl=ttl)
        return row

    def share(self, body: dict[str, Any]) -> None:
        """Let messages seen in earlier requests be the same objects in this one.

        Args:
            body: A request that passed the rules.
        """
        messages = body.get("messages")
        if not isinstance(messages, list):
            return
        for place, message in enumerate(messages):
            if (key := self._whole(message)) is not None:
                messages[place] = self._messages.get(key) or self._learn(key, message)

    def _learn(self, key: bytes, message: dict[str, Any]) -> dict[str, Any]:
        if len(self._messages) > _MEMO:
            self._messages.clear()
            self._digests.clear()
        self._messages[key] = message
        if isinstance(message["content"], list):
            for block in message["content"]:
                self._digests[id(block)] = self.digest(block)
        return message

    def _whole(self, message: Any) -> bytes | None:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            return None
        content, role = message["content"], str(message["role"])
        if isinstance(content, str):
            return blake2b(f"{role}:{content}".encode("utf-8", "replace"), digest_size=16).digest()
        raw = _ENCODE(content)
        return blake2b(f"{role}={raw}".encode(), digest_size=16).digest()

    def _pieces(self, body: dict[str, Any]) -> Iterator[Piece]:
        for tool in body.get("tools") or ():
            digest = self._digest_json(plain(tool))
            if (count := self._counts.get(digest)) is None:
                count = self._keep(digest, tokens.TOOL + tokens.count_json(plain(tool)))
            yield Piece(b"T" + digest, count, read_ttl(tool), cacheable=True)
        for block in blocks_of(body.get("system")):
            yield self._piece(block, "system prompt", 0)
        for message in body["messages"]:
            role, frame = message["role"], tokens.MESSAGE
            for block in blocks_of(message.get("content")):
                yield self._piece(block, role, frame)
                frame = 0

    def _piece(self, block: dict[str, Any], role: str, frame: int) -> Piece:
        digest = self.digest(block)
        kind = block.get("type")
        if (count := self._counts.get(digest)) is None:
            count = self._keep(digest, tokens.count_block(block))
        cacheable = kind not in THINKING and not (kind == "text" and not block.get("text"))
        return Piece(role[0].encode() + digest, count + frame, read_ttl(block), cacheable)

    def _keep(self, digest: bytes, count: int) -> int:
        if len(self._counts) > _MEMO:
            self._counts.clear()
        self._counts[digest] = count
        return count

    def _digest_json(self, value: Any) -> bytes:
        raw = _ENCODE(value)
        return blake2b(raw.encode(), digest_size=16, person=b"json").digest()
