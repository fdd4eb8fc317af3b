"""What is to be forgotten, and in numbers what was."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields

from turnfold.archive.paths import ExchangePlace


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a forgetting did, in numbers.

    Attributes:
        exchanges: exchanges deleted; one that was said twice counts once, and one under way of
            which steps were stored counts, too.
        passages: passages deleted.
        vectors: vectors deleted.
        plans: plans deleted, or written anew without what they had recalled.
        receipts: accounts of answered requests deleted.
        summaries: nodes and folds deleted.
        rebuilt: nodes and folds written anew from what remains.
        files: files of Claude's memory tool deleted.
        others: other records deleted: messages kept for resuming, links, proofs, debts.
        purged: whether files were purged; False where the store leaves that to a server or has
            none.
    """

    exchanges: int = 0
    passages: int = 0
    vectors: int = 0
    plans: int = 0
    receipts: int = 0
    summaries: int = 0
    rebuilt: int = 0
    files: int = 0
    others: int = 0
    purged: bool = False

    def __add__(self, other: Forgotten) -> Forgotten:
        """Both together."""
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return Forgotten(**{**sums, "purged": self.purged or other.purged})

    def __bool__(self) -> bool:
        """Whether there was anything to forget."""
        return any(getattr(self, one.name) for one in fields(self) if one.name != "purged")


@dataclass(frozen=True, slots=True)
class ErasureScope:
    """What is to go.

    Attributes:
        contents: content ids of exchanges.
        openings: opening ids of turns.
        places: all places of exchanges in the conversations concerned, by exchange id.
        touched: the conversations that something goes from.
        before: what turns decided and measured before then goes, too, in seconds since the
            epoch; infinity where all of the conversations goes.
        names: the conversations concerned; None for all.
    """

    contents: frozenset[str]
    openings: frozenset[str]
    places: Mapping[str, ExchangePlace]
    touched: frozenset[str]
    before: float
    names: Collection[str] | None

    @property
    def whole(self) -> bool:
        """Whether nothing of the conversations concerned remains."""
        return self.before == math.inf

    @property
    def under_way(self) -> frozenset[str]:
        """Opening ids of the exchanges that go of which only steps are stored."""
        places = self.places.values()
        steps = {one.opening for one in places if one.is_step and one.content in self.contents}
        return frozenset(steps - {one.opening for one in places if not one.is_step})

    def goes(self, exchange_id: str) -> bool:
        """Whether an exchange goes from this place."""
        link = self.places.get(exchange_id)
        return link is not None and link.content in self.contents

    def heir(self, exchange_id: str) -> str:
        """The nearest exchange up a path that remains, from this one on; "" for none."""
        seen: set[str] = set()
        while (link := self.places.get(exchange_id)) is not None and exchange_id not in seen:
            if link.content not in self.contents:
                return exchange_id
            seen.add(exchange_id)
            exchange_id = link.parent
        return ""


def erasure_scope(
    contents: Collection[str],
    openings: Iterable[str],
    places: Mapping[str, ExchangePlace],
    before: float,
    names: Collection[str] | None,
) -> ErasureScope:
    """What is to go with some exchanges and the turns of some openings; see `ErasureScope`."""
    gone = [one for one in places.values() if one.content in contents]
    return ErasureScope(
        frozenset(contents),
        frozenset({*openings, *(one.opening for one in gone)}),
        places,
        frozenset(one.conversation for one in gone),
        before,
        names,
    )


def steps_in(places: Mapping[str, ExchangePlace], openings: Collection[str]) -> frozenset[str]:
    """Content ids of the steps of exchanges, by the opening ids of these."""
    return frozenset(
        one.content for one in places.values() if one.is_step and one.opening in openings
    )
