"""A user, a conversation or an age goes in; it is forgotten, and what was done comes out.

The order is what makes it hold. First tombstones are set, so that nothing comes back. Then a
mark tells all turns at work that something was forgotten: each looks once more when it has
written, and takes back what it should not have (`forget_again`). Then all that hangs on the
forgotten exchanges goes, their text and their places last, so that whoever is killed on the way
can begin anew and finds the rest. At the end the store purges its files.
"""

from __future__ import annotations

import math
from dataclasses import replace

from turnfold_stores import Store

from turnfold.archive.conversations import generations
from turnfold.archive.tombstones import Tombstones
from turnfold.forgetting.erasure import Erasure, Forgotten
from turnfold.policy import Policy

_DAY = 86_400.0  # seconds

__all__ = ["Forgotten", "forget", "forget_again", "mark_of", "retain"]


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
    if purge and store.purge(user_id):
        done = replace(done, purged=True)
    return done


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
