"""An opening goes in; the passages of earlier exchanges that bear on it come out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from turnfold.archive import Archive
from turnfold.eligible import Eligible
from turnfold.embedders import Embedder
from turnfold.errors import TurnfoldError
from turnfold.policy import Policy
from turnfold.recall import Found, find
from turnfold.speech import utterances
from turnfold.tokens import CountText
from turnfold.transcript import Exchange, Transcript


def look_up(
    archive: Archive,
    transcript: Transcript,
    *,
    folded: range,
    shown: Collection[str],
    embedder: Embedder | None,
    policy: Policy,
    budget: int,
    count: CountText,
) -> list[Found]:
    """What bears on the newest opening, out of the exchanges that are no longer in view.

    Args:
        archive: the ledger and index.
        transcript: the whole path.
        folded: indexes of the exchanges that are in memory.
        shown: ids of passages that stand in the request already.
        embedder: makes the query's vector; None raises where there is something to look for.
        policy: scope and floor.
        budget: tokens to spend.
        count: counts tokens.

    Raises:
        TurnfoldError: there is no embedder.
        Exception: whatever the embedder or the store raises.
    """
    opening = transcript.open
    query = "\n".join(said.text for said in utterances(opening.messages[: opening.opening]))
    alone = policy.scope == "conversation"
    if budget <= 0 or not query or (alone and not folded):
        return []
    if embedder is None:
        raise TurnfoldError("no embedder; install one with: pip install 'turnfold[embeddings]'")
    archive.embed_owed(embedder)
    return find(
        archive.store,
        embedder.embed([query])[0],
        user_id=archive.scope.user_id,
        conversation=archive.scope.conversation if alone else None,
        turn_of=_eligible(archive, transcript.exchanges, folded),
        shown=shown,
        floor=policy.recall_floor,
        budget=budget,
        count=count,
    )


def _eligible(archive: Archive, exchanges: Sequence[Exchange], folded: range) -> Eligible:
    return Eligible(
        archive,
        turns={exchanges[index].content_id: index + 1 for index in folded},
        live={one.content_id for n, one in enumerate(exchanges) if n not in folded},
        root=exchanges[0].opening_id,
    )
