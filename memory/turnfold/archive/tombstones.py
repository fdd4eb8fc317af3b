"""Names of what was forgotten go in; whether one of them comes again can be told, nothing more.

A tombstone is a keyed digest: it holds no name of a conversation and no text. The key is drawn
at random when something of a user is first forgotten, and stands in the store as well: so a
tombstone tells who has both the store and the very exchange that it was forgotten there; it
tells nobody what was said. It stands, like everything, behind the wall of its user.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from hashlib import blake2b

from turnfold_stores import Ledger, Record
from turnfold_stores.cached_value import cached_property
from turnfold_stores.records.fields import Fields, Reading

from turnfold.history.exchanges import Exchange, digest

KEY_KIND = "tombstone-key"
TOMBSTONE_KIND = "tombstone"
MARK_KIND = "forgetting"
KINDS = frozenset({KEY_KIND, TOMBSTONE_KIND, MARK_KIND})
"""What is left of a user of whom everything was forgotten."""
_BYTES = 16
_BATCH = 1_000


class Tombstones:
    """What was forgotten of one user, read anew for each turn."""

    def __init__(self, ledger: Ledger, user_id: str) -> None:
        self._ledger = ledger
        self._user_id = user_id

    @cached_property
    def mark(self) -> str:
        """Another one after each time something of this user was forgotten; "" before."""
        scan = self._ledger.scan(self._user_id, kind=MARK_KIND)
        return "+".join(sorted(record.id for record in scan))

    def among(self, names: Collection[str]) -> set[str]:
        """Those of the names that were forgotten."""
        if not names or not self._keys:
            return set()
        by_id = {_id(key, name): name for key in self._keys for name in names}
        return {by_id[found] for found in self._ledger.get(self._user_id, by_id)}

    def put(self, names: Iterable[str]) -> None:
        """Set tombstones. Call `renew` when all are set."""
        if not self._keys:
            drawn = secrets.token_bytes(_BYTES)
            record = Record(f"{KEY_KIND}:{digest(drawn)}", KEY_KIND, "", {"key": drawn.hex()})
            self._ledger.put(self._user_id, [record])
            self._keys.append(drawn)
        records = [Record(_id(self._keys[0], name), TOMBSTONE_KIND, "") for name in names]
        for start in range(0, len(records), _BATCH):
            self._ledger.put(self._user_id, records[start : start + _BATCH])

    def renew(self) -> None:
        """Tell all who are at work that something was forgotten: set another mark."""
        old = [record.id for record in self._ledger.scan(self._user_id, kind=MARK_KIND)]
        mark = Record(f"{MARK_KIND}:{secrets.token_hex(_BYTES)}", MARK_KIND, "")
        self._ledger.put(self._user_id, [mark])
        self._ledger.delete(self._user_id, old)

    @cached_property
    def _keys(self) -> list[bytes]:
        # Several where two processes forgot first, or two stores were made one by an import.
        scan = self._ledger.scan(self._user_id, kind=KEY_KIND)
        reading = Reading()
        keys = reading.all(scan, lambda one: bytes.fromhex(Fields(one.body).text("key")))
        return [key for _, key in keys if key]


def _id(key: bytes, name: str) -> str:
    keyed = blake2b(name.encode(), key=key, digest_size=_BYTES)
    return f"{TOMBSTONE_KIND}:{keyed.hexdigest()}"


def opening_name(exchange: Exchange, seed: str) -> str:
    """Names what an opening says, whatever the path: for an exchange not closed when forgotten."""
    return "opening:" + digest(seed, *exchange.opening_names)


def turn_name(opening: Exchange, before: Exchange | None, seed: str) -> str:
    """Names what a turn opens with and what was said just before it, whatever answers it.

    By it a turn is known that was forgotten before its answer was, and one that is answered
    anew. The same words behind others are another turn.

    Args:
        opening: the exchange, open or closed.
        before: the one before it in the history as it is sent; None for the first.
        seed: of their conversation.
    """
    content = before.content_id if before is not None else ""
    return "turn:" + digest(seed, content, *opening.opening_names)


def open_is_forgotten(exchanges: Sequence[Exchange], tombstones: Tombstones, seed: str) -> bool:
    """Whether the newest of some exchanges was forgotten while it was open."""
    before = exchanges[-2] if len(exchanges) > 1 else None
    return bool(tombstones.among({turn_name(exchanges[-1], before, seed)}))


def forgotten_of(
    closed: Sequence[Exchange],
    tombstones: Tombstones,
    *,
    seed: str,
    kept: Callable[[Exchange], bool],
    known: Container[str],
) -> set[str]:
    """Content ids of the closed exchanges that were forgotten and are sent again.

    One that was still open then is known by its turn. It gets a tombstone of its own as soon as
    it is sent whole, so that it is known wherever it stands later on.

    Args:
        closed: exchanges in order.
        tombstones: of their user.
        seed: of their conversation.
        kept: tells what is known to be stored, and so was not forgotten.
        known: content ids known to be forgotten.
    """
    forgotten = {one.content_id for one in closed if one.content_id in known}
    follows_on = list(zip(closed, (None, *closed), strict=False))  # each with the one before it
    fresh = [
        (one, before)
        for one, before in follows_on
        if one.content_id not in forgotten and not kept(one)
    ]
    contents = {one.content_id for one, _ in fresh}
    openings = {opening_name(one, seed) for one, _ in fresh}
    turns = {turn_name(one, before, seed) for one, before in fresh}
    buried = tombstones.among(contents | openings | turns)
    forgotten |= contents & buried
    if not buried:
        return forgotten
    # Where a whole history was forgotten, the newest of it was still open, so only its opening is
    # known. It stands right behind the others; the same words elsewhere are somebody's new words.
    follows = True
    learned: list[str] = []
    for one, before in follows_on:
        name = opening_name(one, seed)
        was_open = (follows and name in buried) or turn_name(one, before, seed) in buried
        if was_open and one.content_id not in forgotten:
            buried.discard(name)
            forgotten.add(one.content_id)
            learned.append(one.content_id)
        follows = one.content_id in forgotten
    if learned:
        tombstones.put(learned)
    return forgotten
