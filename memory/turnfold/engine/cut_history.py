"""A history whose front was cut off goes in; the path it belongs to comes out, whole again.

Many chat loops send only their newest messages, or the first and the newest. What they leave
out is in the ledger. Where the conversation has a name, the rest is laid against the path the
ledger knows, by what was said, and the missing front counts as folded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from turnfold.accounting.tokens import CountText
from turnfold.archive.archive import Archive
from turnfold.archive.paths import Link
from turnfold.history.boundaries import beside_results
from turnfold.history.exchanges import DIGEST_SIZE, Exchange, Transcript, along
from turnfold.history.reader import read, read_one

# Exchanges that have to agree before two histories are taken for one.
_LEAST_OVERLAP = 2
# Exchanges looked up to tell a cut history from a new one.
_LOOKED_UP = 50


def rejoin(
    transcript: Transcript,
    archive: Archive,
    known: Sequence[Exchange],
    count: CountText,
) -> Transcript | None:
    """The transcript with its missing front.

    Args:
        transcript: what the caller sent.
        archive: the ledger; its scope names a conversation.
        known: the path as this process knows it; the ledger's is read where it does not do.
        count: counts the tokens of a text.

    Returns:
        None where the transcript does not continue a path.
    """
    for path in (known, None):
        exchanges = known_path(archive, count) if path is None else path
        for read_so in _readings(transcript, archive, exchanges, count):
            sent = _kept(read_so, archive)
            joint = _joint(exchanges, sent.closed)
            if joint is not None:
                return _joined(sent, archive, exchanges, joint)
    return None


def _readings(
    transcript: Transcript, archive: Archive, path: Sequence[Exchange], count: CountText
) -> Iterator[Transcript]:
    """The transcript; then as it reads to who has heard what was said on the path before it.

    What a harness says again and again begins no exchange; but in a history whose front is
    missing it is heard for the first time. See `boundaries`.
    """
    yield transcript
    sent = transcript.exchanges
    begins = [one.opening_names[0] for one in sent[:2] if one.opening]
    place = next(
        (n for n in reversed(range(len(path))) if path[n].names[:DIGEST_SIZE] in begins), len(path)
    )
    heard = beside_results([message for one in path[:place] for message in one.messages])
    if heard and transcript.came is not None:
        yield read(
            transcript.came, seed=archive.seed, count=count, redact=archive.redact, heard=heard
        )


def _kept(transcript: Transcript, archive: Archive) -> Transcript:
    """The transcript without the forgotten exchanges it begins with: they join nothing."""
    closed = transcript.closed
    kept = next((n for n, one in enumerate(closed) if not archive.forgot(one)), len(closed))
    return Transcript.of(transcript.exchanges[kept:]) if kept else transcript


def known_path(archive: Archive, count: CountText) -> list[Exchange]:
    """The closed exchanges of the newest history of the conversation, from the ledger."""
    trodden = archive.paths.trodden(archive.scope.conversation)
    return exchanges_of(archive, trodden[-1].links, count) if trodden else []


def exchanges_of(archive: Archive, links: Sequence[Link], count: CountText) -> list[Exchange]:
    """The exchanges at these places, under the ids they have there; [] where one is lost."""
    said = archive.paths.messages(one.content for one in links)
    exchanges: list[Exchange] = []
    for link in links:
        messages = said.get(link.content)
        if messages is None:
            return []
        one = read_one(messages, seed=archive.seed, count=count, redact=archive.redact)
        exchanges.append(one.placed(link.opening, link.id, content_id=link.content))
    return exchanges


def starts_anew(transcript: Transcript, archive: Archive) -> bool:
    """Whether more than the newest closed exchange stands on a path not seen before.

    A caller who sends its whole history adds one closed exchange at a time. One that begins with
    the provider's own summary is whole as it is: the summary stands for what is missing.
    """
    closed = transcript.closed
    if any(transcript.exchanges[index].compacted for index in transcript.special):
        return False
    if len(closed) < _LEAST_OVERLAP:
        return False
    return not archive.is_stored(closed[-2])


def looks_cut(transcript: Transcript, archive: Archive) -> bool:
    """Whether a history that leaves the known paths says what was said before: it was cut.

    An edited or regenerated turn leaves them too, but with something new.
    """
    closed = transcript.closed
    # Once it has left the known paths, it stays away.
    leaves = bisect_left(closed, True, key=lambda one: not archive.is_stored(one))
    contents = [one.content_id for one in closed[leaves : leaves + _LOOKED_UP]]
    seen = archive.known(contents)
    if leaves:
        return bool(contents) and contents[0] in seen
    return len(seen) >= max(_LEAST_OVERLAP, len(contents) / 2)


def _joint(path: Sequence[Exchange], sent: Sequence[Exchange]) -> tuple[int, int] | None:
    """Where the sent exchanges go on with the path: (how many of them to skip, place in path).

    The first sent exchange may be skipped: callers who keep their first message and drop what
    follows send one that was never said. The overlap has to run to the end of one of the two.
    """
    theirs = [one.content_id for one in path]
    ours = [one.content_id for one in sent]
    best: tuple[int, int, int] | None = None
    for skip in (0, 1):
        for place in range(skip, len(theirs)):  # what is skipped stands for what is known
            length = 0
            while (
                skip + length < len(ours)
                and place + length < len(theirs)
                and ours[skip + length] == theirs[place + length]
            ):
                length += 1
            ends = skip + length == len(ours) or place + length == len(theirs)
            if ends and length >= _LEAST_OVERLAP and (best is None or (length, place) >= best[:2]):
                best = (length, place, skip)
    return None if best is None else (best[2], best[1])


def _joined(
    transcript: Transcript, archive: Archive, path: Sequence[Exchange], joint: tuple[int, int]
) -> Transcript:
    skip, place = joint
    front = list(path[:place])
    if place == skip:  # nothing is missing, but the first exchange reads differently each time
        front = [
            theirs.known_as(ours)
            for ours, theirs in zip(front, transcript.exchanges[:skip], strict=True)
        ]
    before = front[-1].exchange_id if front else archive.seed
    return Transcript.of([*front, *along(transcript.exchanges[skip:], before)])
