"""Terms as PostgreSQL keeps them: numbers, different for each user, in one inverted index.

A number is a hash of user and word. So the list of places that the index keeps of a word is of
one user alone: how fast a user's words are found does not depend on the others', and neither does
what is found.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from turnfold_stores.search.terms import COMMON


def numbers_of(user_id: str, words: list[str]) -> list[int]:
    """What stands for these words of this user in the index: 64 bits each, signed."""
    of_user = hashlib.blake2b(f"{user_id}\0".encode(errors="replace"), digest_size=8)
    known: dict[str, int] = {}
    for word in words:
        if word not in known:
            digest = of_user.copy()
            digest.update(word.encode(errors="replace"))
            known[word] = int.from_bytes(digest.digest(), "big", signed=True)
    return [known[word] for word in words]


def array_of(numbers: list[int]) -> str | None:
    """Numbers as PostgreSQL writes an array of them; None for none."""
    return f"{{{','.join(map(str, numbers))}}}" if numbers else None


@dataclass(frozen=True, slots=True)
class WeightedTerms:
    """A query's words with what they are worth.

    Attributes:
        weights: by number, of the words that occur at all.
        rare: the numbers of the words that occur in fewer than `COMMON` records.
        common: the others.
    """

    weights: Mapping[int, float]
    rare: list[int]
    common: list[int]


def weighed(occurs_in: Mapping[int, int], records: int) -> WeightedTerms:
    """What each word of a query is worth: the inverse document frequency of BM25.

    Args:
        occurs_in: in how many records each number occurs, counted up to `COMMON`.
        records: how many records the user has that hold text.
    """
    known = {number: count for number, count in occurs_in.items() if count}
    total = max(records, *known.values(), 1) if known else 1
    return WeightedTerms(
        {n: math.log(1 + (total - count + 0.5) / (count + 0.5)) for n, count in known.items()},
        [number for number, count in known.items() if count < COMMON],
        [number for number, count in known.items() if count >= COMMON],
    )
