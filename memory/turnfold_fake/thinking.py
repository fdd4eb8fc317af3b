"""Thinking blocks: signed when given out, checked when they come back.

A signature binds a block to `system`, `tools` and all messages before it, thinking left out of
what is bound, so that dropping all of it, or its oldest or newest part, leaves the rest valid. It
also names the thinking block that stood last before it when it was made: a gap in the kept run,
or a block put back after it was dropped, shows there.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from turnfold_fake.compaction import signed_block
from turnfold_fake.prompt import THINKING, Reader, blocks_of, plain

NONE_BEFORE = bytes(8)
_LENGTH = 8 + 2 + 8 + 16


@dataclass(frozen=True, slots=True)
class Misfit:
    """A thinking block that does not belong where it stands.

    Attributes:
        message: Index in the request's `messages`.
        block: Index in that message's content.
        why: The API's message about it, path apart.
        moved: True for a block of ours whose surroundings changed; False for a forged one.
    """

    message: int
    block: int
    why: str
    moved: bool

    @property
    def path(self) -> str:
        """Where it stands, as the API writes it."""
        return f"messages.{self.message}.content.{self.block}"


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at a request's thinking found.

    Attributes:
        misfits: Blocks that do not belong.
        prefix: Digest of the whole request, thinking apart, which its reply is bound to.
        last: Name of the last thinking block that fits.
        head: Digest of `system` and `tools`.
    """

    misfits: tuple[Misfit, ...]
    prefix: bytes
    last: bytes
    head: bytes


class Signer:
    """Makes and checks signatures.

    Args:
        secret: Signatures hold between signers that share it, also in other processes.
        reader: Digests the blocks.
    """

    def __init__(self, secret: str, reader: Reader) -> None:
        self._secret = blake2b(secret.encode()).digest()
        self._reader = reader

    def sign(self, texts: Sequence[str], check: Check) -> Iterator[str]:
        """Signatures for the thinking blocks of one reply.

        Args:
            texts: The blocks' thinking, in order.
            check: Of the request they answer.

        Yields:
            One signature for each.
        """
        before = check.last
        for place, text in enumerate(texts):
            head = before + bytes((place, len(texts)))
            own = self._mac(head, text.encode())[:8]
            name = self._mac(head, own, check.prefix)
            before = name[:8]
            yield b64encode(head + own + name).decode()

    def check(self, body: dict[str, Any], *, bound: bool) -> Check:
        """Look at every thinking block a request sends back.

        Args:
            body: The request.
            bound: Whether the model binds thinking to what came before it; else only the
                block's own text is checked.
        """
        head = self._head(body)
        chain, last = self._start(body, head)
        misfits: list[Misfit] = []
        role, turn = "", [chain]
        for i, message in enumerate(body["messages"]):
            if message["role"] != role:
                role, turn = message["role"], [chain]
            for j, block in enumerate(blocks_of(message.get("content"))):
                if block.get("type") in THINKING:
                    name, why = self._verify(block, turn, last if bound else None)
                    if why:
                        misfits.append(Misfit(i, j, why, moved=name is not None))
                    else:
                        last = name or last
                elif block is not signed_block(body):
                    digest = role[0].encode() + self._reader.digest(block)
                    chain = blake2b(chain + digest, digest_size=16).digest()
                    turn.append(chain)
        return Check(tuple(misfits), chain, last, head)

    def sign_compaction(self, content: str, check: Check) -> str:
        """The signature of a block that stands for all messages of a request.

        It carries what thinking behind those messages is bound to, so that it stays valid.

        Args:
            content: Of the block.
            check: Of the request.
        """
        carried = check.head + check.prefix + check.last
        return b64encode(carried + self._mac(b"compaction", carried, content.encode())).decode()

    def is_altered(self, block: dict[str, Any]) -> bool:
        """Whether a signed block of a compaction is not as it was given out."""
        raw = _decode(block.get("signature"))
        carried, mac = raw[:-16], raw[-16:]
        return mac != self._mac(b"compaction", carried, str(block.get("content")).encode())

    def _start(self, body: dict[str, Any], head: bytes) -> tuple[bytes, bytes]:
        """What the first message follows: nothing, or what a compaction stands for."""
        block = signed_block(body)
        if block is None:
            return head, NONE_BEFORE
        carried = _decode(block.get("signature"))[:-16]
        of_head, prefix, last = carried[:16], carried[16:32], carried[32:]
        if of_head != head:  # `system` or `tools` are others: thinking is bound to those, too
            prefix = blake2b(head + prefix, digest_size=16).digest()
        return prefix, last

    def _verify(
        self, block: dict[str, Any], turn: Sequence[bytes], last: bytes | None
    ) -> tuple[bytes | None, str]:
        """The block's name, None if it is not ours, and what is wrong with it."""
        redacted = block.get("type") == "redacted_thinking"
        what = (
            "`data` in `redacted_thinking` block" if redacted else "`signature` in `thinking` block"
        )
        mark = block.get("data" if redacted else "signature")
        text = "" if redacted else block.get("thinking", "")
        raw = _decode(mark)
        head, own, name = raw[:10], raw[10:18], raw[18:]
        if len(raw) != _LENGTH or self._mac(head, text.encode())[:8] != own:
            return None, f"Invalid {what}"
        if last is not None:
            # A reply may begin within a turn, where an earlier one paused.
            at_home = any(self._mac(head, own, prefix) == name for prefix in reversed(turn))
            if not at_home or last not in (NONE_BEFORE, head[:8]):
                moved = "The block is bound to a different conversation"
                return name[:8], f"Invalid {what}. {moved}"
        return name[:8], ""

    def _head(self, body: dict[str, Any]) -> bytes:
        system = [plain(block) for block in blocks_of(body.get("system"))]
        tools = [plain(tool) for tool in body.get("tools") or ()]
        return self._reader.digest({"type": "head", "system": system, "tools": tools})

    def _mac(self, *parts: bytes) -> bytes:
        return blake2b(b"".join(parts), key=self._secret, digest_size=16).digest()


def torn(body: dict[str, Any]) -> tuple[int, int] | None:
    """Where the latest assistant turn lacks some, but not all, of a reply's thinking blocks.

    Returns:
        Message and block index of the first block that is left; None where nothing is missing.
    """
    messages = body["messages"]
    end = next(
        (n for n in reversed(range(len(messages))) if messages[n]["role"] == "assistant"), -1
    )
    start = end
    while start > 0 and messages[start - 1]["role"] == "assistant":
        start -= 1
    expected, wanted, first = 0, 0, (end, 0)
    for i in range(start, end + 1) if end >= 0 else ():
        for j, block in enumerate(blocks_of(messages[i].get("content"))):
            if block.get("type") not in THINKING:
                continue
            raw = _decode(block.get("data") or block.get("signature"))
            if len(raw) != _LENGTH:
                continue
            place, count = raw[8], raw[9]
            if expected == wanted:
                expected, wanted, first = 0, count, (i, j)
            if place != expected:
                return i, j
            expected += 1
    return None if expected == wanted else first


def _decode(signature: Any) -> bytes:
    try:
        return b64decode(str(signature).encode(), validate=True)
    except ValueError:
        return b""
