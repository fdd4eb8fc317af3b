"""A user, a conversation, an age or some turns go in; they are forgotten, what was done comes out.

The order is what makes it hold. First tombstones are set, so that nothing comes back. Then a
mark tells all turns at work that something was forgotten: each looks once more when it has
written, and takes back what it should not have (`forget_again`). Then all that hangs on the
forgotten exchanges goes, their text and their places last, so that whoever is killed on the way
can begin anew and finds the rest. At the end the store purges its files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from turnfold_stores import Store

from turnfold.archive.conversations import generations, present_name
from turnfold.archive.paths import Paths
from turnfold.archive.tombstones import Tombstones
from turnfold.errors import TurnfoldError
from turnfold.forgetting.erasure import Erasure
from turnfold.forgetting.erasure_scope import Forgotten
from turnfold.policy import Policy

_DAY = 86_400.0  # seconds

__all__ = [
    "Forgotten",
    "forget",
    "forget_again",
    "forget_found",
    "forget_turns",
    "mark_of",
    "retain",
    "turns_named",
]


def forget(
    store: Store,
    policy: Policy,
    user_id: str,
    *,
    conversation: str | None = None,
    before: float = math.inf,
    purge: bool = True,
) -> Forgotten:
    """Forget exchanges of a user.

    Args:
        store: where they are.
        policy: how the summaries that are rebuilt are fitted.
        user_id: whose.
        conversation: only in this one, in all its generations; None for all of theirs.
        before: only what was first said before then, in seconds since the epoch.
        purge: whether to purge the store's files at the end.

    Raises:
        StoreError: the store cannot be read or written. What was not forgotten then is
            forgotten by the next call.
    """
    names = None if conversation is None else generations(store, user_id, conversation)
    done = Erasure(store, policy, user_id).older_than(before, names)
    return _purged(store, user_id, done) if purge else done


def turns_named(turn: int | Iterable[int]) -> frozenset[int]:
    """The numbers of turns that somebody named: one, or several.

    Raises:
        TurnfoldError: one of them is no whole number from 1 on.
    """
    several = not isinstance(turn, str | bytes) and isinstance(turn, Iterable)
    numbers = list(turn) if several and isinstance(turn, Iterable) else [turn]
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise TurnfoldError(f"turn={number!r} must be the number of a turn, from 1")
    return frozenset(number for number in numbers if isinstance(number, int))


def forget_turns(
    store: Store,
    policy: Policy,
    user_id: str,
    *,
    conversation: str,
    turns: Iterable[int],
    purge: bool = True,
) -> Forgotten:
    """Forget single turns of a conversation, whatever answers they had; see `forget`.

    Args:
        store: where they are.
        policy: how the summaries that are rebuilt are fitted.
        user_id: whose.
        conversation: in which one, in its present generation.
        turns: their numbers in the history as it was last sent, from 1. What has no such number
            is passed over.
        purge: whether to purge the store's files at the end.

    Raises:
        StoreError: the store cannot be read or written.
    """
    name = present_name(store, user_id, conversation)
    wanted = frozenset(turns)
    openings = {
        opening
        for path in Paths(store, user_id).trodden(name)
        for number, opening in path.turns
        if number in wanted
    }
    done = Erasure(store, policy, user_id).turns(openings, name)
    return _purged(store, user_id, done) if purge else done


def forget_found(
    store: Store, policy: Policy, user_id: str, found: Iterable[tuple[str, str]]
) -> Forgotten:
    """Forget the turns that something was found in, whatever answers they had; see `forget`.

    Args:
        store: where they are.
        policy: how the summaries that are rebuilt are fitted.
        user_id: whose.
        found: of each the conversation, as it is called in the store, and the content id.

    Raises:
        StoreError: the store cannot be read or written.
    """
    wanted: dict[str, set[str]] = {}
    for name, content in found:
        wanted.setdefault(name, set()).add(content)
    done = Forgotten()
    for name, contents in wanted.items():
        paths = Paths(store, user_id)
        links = [*paths.links(name).values(), *paths.steps(name).values()]
        openings = {one.opening for one in links if one.content in contents}
        done += Erasure(store, policy, user_id).turns(openings, name)
    return _purged(store, user_id, done)


def _purged(store: Store, user_id: str, done: Forgotten) -> Forgotten:
    """Purge the store's files; what was done, with that."""
    return replace(done, purged=True) if store.purge(user_id) else done


def retain(store: Store, policy: Policy, user_id: str, now: float) -> Forgotten:
    """Forget what is older than the policy retains; files are left to be purged another time."""
    assert policy.retain_days is not None
    return forget(store, policy, user_id, before=now - policy.retain_days * _DAY, purge=False)


def forget_again(store: Store, policy: Policy, user_id: str) -> Forgotten:
    """Forget what has a tombstone and stands in the store all the same.

    A turn that was at work meanwhile may have written it, or an import brought it.

    Raises:
        StoreError: the store cannot be read or written.
    """
    return Erasure(store, policy, user_id).buried()


def mark_of(store: Store, user_id: str) -> str:
    """Another text after each time that something of this user was forgotten."""
    return Tombstones(store.ledger, user_id).mark
