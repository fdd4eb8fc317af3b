"""A path goes in; the fold that holds on it comes out, and those that held when it was answered."""

from __future__ import annotations

from collections.abc import Sequence

from turnfold.archive.archive import Archive
from turnfold.archive.plans import Fold, Plan
from turnfold.history.citations import Citations
from turnfold.history.exchanges import Transcript


def fold_in_force(
    archive: Archive,
    transcript: Transcript,
    citations: Citations,
    *,
    head: int,
    previous: Plan | None,
) -> Fold | None:
    """The newest fold on a path that leaves in view what is cited there.

    A newer one than the path has gone by was made on another branch, where the answer that cites
    may not be: the ones before it are looked at.

    Args:
        archive: the ledger.
        transcript: the path.
        citations: those of the path.
        head: how many of the oldest exchanges are never folded.
        previous: the plan of the last closed exchange; None for none.
    """
    closed = transcript.closed
    newest = archive.fold_in_force(closed, previous=previous)
    known = archive.fold_of(previous, closed) if previous is not None else None
    for fold in archive.paths.chain(newest):
        if known is not None and fold.count <= known.count:
            break
        if citations.until(head, fold.count)[0] == fold.count:
            return fold
    return known


def left_out(
    archive: Archive, transcript: Transcript, indexes: Sequence[int], *, head: int
) -> dict[int, range]:
    """What was left out of the requests that some exchanges were answered by, where known.

    Args:
        archive: the ledger.
        transcript: the path.
        indexes: which exchanges.
        head: how many of the oldest exchanges are never folded.
    """
    plans = archive.plans(transcript.exchanges[index] for index in indexes)
    folds: dict[str, Fold | None] = {}
    ranges: dict[int, range] = {}
    for index in indexes:
        plan = plans.get(transcript.exchanges[index].opening_id)
        if plan is None:
            continue
        if plan.fold not in folds:
            folds[plan.fold] = archive.fold_of(plan, transcript.closed)
        fold = folds[plan.fold]
        count = fold.count if fold is not None else 0
        ranges[index] = range(min(head, count), count)
    return ranges
