"""A history that leaves the paths memory knows goes in; how it goes on from one comes out.

Three things make a history leave its path though it is the same conversation.

It was *cut*: many chat loops send only their newest messages, or the first and the newest. What
they leave out is in the ledger. Where the conversation has a name, the rest is laid against the
path the ledger knows, by what was said, and the missing front counts as folded. Without a name
a resemblance is no proof: such a history passes as it is.

Exchanges were *deleted* from it, in the app. They are gone from this conversation: what goes on
is the history without them, on a path of its own, which takes along what memory has of the rest
(`turnfold.engine.fold_carryover`). An exchange that was *changed* is one deleted and a new one
in its place.

A deletion is told from a cut by its place: a cut is at the front. Where only a few exchanges are
missing at the front of a history that came whole until now, it may be either. It is taken for a
deletion, so that nothing deleted is shown. If by the next turns the front has moved on, without
the history having grown, it was a cut: then what was missing is joined again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from turnfold.accounting.tokens import CountText
from turnfold.archive.archive import Archive
from turnfold.archive.paths import ExchangePlace, Trodden
from turnfold.archive.plans import Plan
from turnfold.archive.tombstones import opening_name
from turnfold.engine.alignment import LEAST_OVERLAP, Alignment, align
from turnfold.history.boundaries import beside_results
from turnfold.history.exchanges import DIGEST_SIZE, Exchange, Transcript, along
from turnfold.history.reader import read, read_one

# Exchanges looked up to tell a cut history from a new one.
_LOOKED_UP = 50
# At the front so many may be missing for it to be a deletion, or so large a part of the rest.
_FEW = 2
_SMALL_PART = 4


@dataclass(frozen=True, slots=True)
class Course:
    """How a history goes on.

    Attributes:
        transcript: what was sent; with the missing front, where that was cut off.
        plan: the newest plan of the path it goes on from; None where it begins one.
        joined: whether what was sent was laid behind exchanges of the ledger.
        missing: how many exchanges at its front the caller did not send.
        left: exchange id of the end of the path that it left, where exchanges are missing at
            the front and it may yet turn out that they were cut off; else "".
        until: how many closed exchanges it has to pass before that was no cut.
        trodden: the path that it left; None where it is on it.
        places: of each closed exchange of the transcript, its index on the path it left.
        cut: whether it was cut, and memory cannot tell where it goes on.
        short: whether so little was sent that this cannot be told, although the turn before is
            known.
    """

    transcript: Transcript
    plan: Plan | None = None
    joined: bool = False
    missing: int = 0
    left: str = ""
    until: int = 0
    trodden: Trodden | None = None
    places: tuple[int | None, ...] = ()
    cut: bool = False
    short: bool = False


def starts_anew(transcript: Transcript, archive: Archive) -> bool:
    """Whether more than the newest closed exchange stands on a path not seen before.

    A caller who sends its whole history adds one closed exchange at a time, whose opening was
    planned for on this very path.
    """
    closed = transcript.closed
    if not closed:
        return False
    if len(closed) > 1 and not archive.is_stored(closed[-2]):
        return True
    return not archive.is_planned(closed[-1])


def go_on(
    transcript: Transcript, archive: Archive, path: Sequence[Exchange], count: CountText
) -> Course | None:
    """The course of a history that is cut as it was at the turn before; None for any other.

    Args:
        transcript: what the caller sent.
        archive: knows what was forgotten.
        path: the closed exchanges at the turn before, when it was joined to them.
        count: counts the tokens of a text.
    """
    contents = [one.content_id for one in path]
    for read_so in _readings(transcript, archive, path, count):
        sent = _kept(read_so, archive)
        alignment = align(contents, [one.content_id for one in sent.closed])
        if _is_plain_cut(alignment) and not any(map(archive.is_forgotten, sent.closed)):
            _, place = alignment.joint
            return _joined(sent, archive, alignment, path[:place])
    return None


def follow(
    transcript: Transcript, archive: Archive, count: CountText, *, stays: bool = False
) -> Course | None:
    """How a history goes on from a path that the ledger knows; None where it does not.

    Args:
        transcript: what the caller sent.
        archive: the ledger, for one conversation, or for those without a name.
        count: counts the tokens of a text.
        stays: whether its front is known to have been the same at the turn before.

    Raises:
        StoreError: the ledger could not be read.
    """
    sent = _kept(transcript, archive)
    trodden = _nearest(archive, sent)
    if trodden is None:
        return None
    sent, alignment = _laid(sent, archive, trodden, count)
    if alignment.overlap < LEAST_OVERLAP or alignment.new > max(_FEW, alignment.overlap // 2):
        return None
    if alignment.places[0] != 0 and not alignment.runs_out:
        return None  # it begins otherwise, and agrees somewhere in the middle
    named = bool(archive.scope.conversation)
    if stays and not named:
        return _without(sent, trodden, alignment)
    if alignment.front and _is_compacted(sent):
        return None  # it is whole: the provider's own summary stands for what is missing
    if alignment.front:
        before = _before_the_cut(sent, archive, trodden, alignment)
        if before is not None and named:
            trodden = replace(trodden, links=before)
            alignment = _aligned(sent, archive, before)
        if before is not None or trodden.plan.missing or not _may_be_deleted(alignment):
            return _cut(sent, archive, trodden, alignment, count)
    if alignment.skipped and not alignment.front and _differs_each_time(sent, archive, trodden):
        return _cut(sent, archive, trodden, alignment, count)
    return _without(sent, trodden, alignment)


def looks_cut(transcript: Transcript, archive: Archive) -> bool:
    """Whether a history that begins as none does says what was said before: it was cut.

    An edited or regenerated turn, or a deletion, leaves a path somewhere behind its beginning.
    """
    closed = transcript.closed
    # Once it has left the known paths, it stays away.
    leaves = bisect_left(closed, True, key=lambda one: not archive.is_stored(one))
    if leaves:
        return False
    contents = [one.content_id for one in closed[:_LOOKED_UP]]
    return len(archive.stored_ids(contents)) >= max(LEAST_OVERLAP, len(contents) / 2)


def falls_short(transcript: Transcript, archive: Archive) -> bool:
    """Whether too few exchanges were sent to find their place in a conversation that has a name.

    The newest of them was answered since memory saw it, so one more than have to agree is needed.
    """
    closed = transcript.closed
    if not 0 < len(closed) <= LEAST_OVERLAP:
        return False
    plans = archive.paths.newest_plans(archive.scope.conversation)
    asked = opening_name(closed[-1], archive.seed)
    return any(one.number > len(closed) and one.words == asked for one in plans)


# --- what it may be -------------------------------------------------------------------------------


def _is_compacted(sent: Transcript) -> bool:
    return any(sent.exchanges[index].compacted for index in sent.special)


def _nearest(archive: Archive, sent: Transcript) -> Trodden | None:
    """Of the living paths of a conversation, the one that has most of what was sent."""
    contents = {one.content_id for one in sent.closed}
    looked_up = [one.content_id for one in sent.closed[:_LOOKED_UP]]
    # Who cuts away where the words of a harness were first said lets them begin exchanges.
    if len(archive.stored_ids(looked_up)) < LEAST_OVERLAP and not _may_read_otherwise(sent):
        return None

    def agreeing(one: Trodden) -> int:
        return len(contents & {link.content for link in one.links})

    found = archive.paths.trodden(archive.scope.conversation)
    return max(reversed(found), key=agreeing, default=None)


def _laid(
    sent: Transcript, archive: Archive, trodden: Trodden, count: CountText
) -> tuple[Transcript, Alignment]:
    """What was sent, in the reading that fits the path, and where it stands there."""
    alignment = _aligned(sent, archive, trodden.links)
    if _is_plain_cut(alignment) or not (archive.scope.conversation and _may_read_otherwise(sent)):
        return sent, alignment
    path = exchanges_of(archive, trodden.links, count)
    for read_so in _readings(sent, archive, path, count):
        other = _kept(read_so, archive)
        laid = _aligned(other, archive, trodden.links)
        if _is_plain_cut(laid):
            return other, laid
    return sent, alignment


def _may_read_otherwise(sent: Transcript) -> bool:
    """Whether words beside results of tools open an exchange, heard for the first time."""
    return any(one.joins for one in sent.exchanges)


def _readings(
    transcript: Transcript, archive: Archive, path: Sequence[Exchange], count: CountText
) -> Iterator[Transcript]:
    """The transcript; then as it reads to who has heard what was said on the path before it.

    What a harness says again and again begins no exchange; but in a history whose front is
    missing it is heard for the first time. See `boundaries`.
    """
    yield transcript
    if transcript.came is None or not _may_read_otherwise(transcript):
        return
    sent = transcript.exchanges
    begins = [one.opening_names[0] for one in sent[:2] if one.opening]
    place = next(
        (n for n in reversed(range(len(path))) if path[n].names[:DIGEST_SIZE] in begins), len(path)
    )
    heard = beside_results([message for one in path[:place] for message in one.messages])
    if heard:
        yield read(
            transcript.came, seed=archive.seed, count=count, redact=archive.redact, heard=heard
        )


def _aligned(sent: Transcript, archive: Archive, links: Sequence[ExchangePlace]) -> Alignment:
    """Where what was sent stands on a path. What was forgotten is on none."""
    kept = [n for n, one in enumerate(sent.closed) if not archive.is_forgotten(one)]
    found = align([one.content for one in links], [sent.closed[n].content_id for n in kept])
    if len(kept) == len(sent.closed):
        return found
    places: list[int | None] = [None] * len(sent.closed)
    for index, place in zip(kept, found.places, strict=True):
        places[index] = place
    return replace(found, places=tuple(places))


def _may_be_deleted(alignment: Alignment) -> bool:
    """Whether what is missing at the front may have been deleted from there.

    A cut leaves no gap behind the front, and an exchange that was made up of the first message
    and the answer to another is not one that was said.
    """
    few = alignment.front <= max(_FEW, alignment.overlap // _SMALL_PART)
    return not alignment.skipped and (few or alignment.lost > 0)


def _before_the_cut(
    sent: Transcript, archive: Archive, trodden: Trodden, alignment: Alignment
) -> tuple[ExchangePlace, ...] | None:
    """The path that was left a short while ago, if it is plain now that this was a cut.

    More is missing in the same place, at the very front or behind the first exchange. And the
    history has not grown: what is new at its end is made up for at its front.
    """
    plan = trodden.plan
    if not plan.left or len(sent.closed) + alignment.front > plan.until + 1:
        return None
    links = archive.paths.path_to(plan.left, archive.scope.conversation)
    kept_first = links[:1] != [] and links[0].content == trodden.links[0].content
    return tuple(links) if links and kept_first == (alignment.places[0] == 0) else None


def _is_plain_cut(alignment: Alignment) -> bool:
    return (
        alignment.overlap >= LEAST_OVERLAP
        and alignment.runs_out
        and not (alignment.lost or alignment.new)
        and (alignment.front > 0 or alignment.skipped > 0)
    )


def _differs_each_time(sent: Transcript, archive: Archive, trodden: Trodden) -> bool:
    """Whether it is the first opening that differs, as with a clock in it, and not the answer."""
    first = sent.exchanges[0]
    said = archive.paths.messages([trodden.links[0].content]).get(trodden.links[0].content)
    if said is None:
        return False
    before = read(said, seed=archive.seed, redact=archive.redact).exchanges[0]
    return _answers(first) == _answers(before)


def _answers(exchange: Exchange) -> bytes:
    """The digests of what an exchange says after its opening."""
    return exchange.names[sum(map(len, exchange.opening_names)) :]


# --- what it then is ------------------------------------------------------------------------------


def _cut(
    sent: Transcript,
    archive: Archive,
    trodden: Trodden,
    alignment: Alignment,
    count: CountText,
) -> Course | None:
    """A history that was cut at its front, whole again; None where it cannot be made so."""
    if not archive.scope.conversation:
        return Course(sent, cut=True)
    _, place = alignment.joint
    front = exchanges_of(archive, trodden.links[:place], count)
    if len(front) < place:
        return None
    course = replace(_joined(sent, archive, alignment, front), plan=trodden.plan)
    start, _ = alignment.joint
    places = (*range(place), *alignment.places[start:])
    return _leaving(course, trodden, places)


def _without(sent: Transcript, trodden: Trodden, alignment: Alignment) -> Course:
    """A history from which exchanges were deleted, or which simply goes on."""
    plan = trodden.plan
    if alignment.lost or alignment.new:  # what was left before holds what is deleted by now
        return _leaving(Course(sent, plan=plan), trodden, alignment.places)
    course = Course(sent, plan=plan, left=plan.left, until=plan.until)
    if alignment.front and trodden.links:
        until = len(sent.closed) + alignment.front
        course = replace(course, left=trodden.links[-1].id, until=until)
    return _leaving(course, trodden, alignment.places)


def _leaving(course: Course, trodden: Trodden, places: Sequence[int | None]) -> Course:
    """The course, with the path that it leaves if it does."""
    closed = course.transcript.closed
    leaves = any(
        place is not None and closed[index].exchange_id != trodden.links[place].id
        for index, place in enumerate(places)
    )
    last = max((place for place in places if place is not None), default=-1)
    leaves = leaves or last < len(trodden.links) - 1
    return replace(course, trodden=trodden, places=tuple(places)) if leaves else course


def _joined(
    sent: Transcript,
    archive: Archive,
    alignment: Alignment,
    front: Sequence[Exchange],
) -> Course:
    """What was sent behind the front that is missing."""
    skip, place = alignment.joint
    if place == skip:  # nothing is missing, but the first exchange reads differently each time
        front = [new.known_as(old) for old, new in zip(front, sent.exchanges[:skip], strict=True)]
    before = front[-1].exchange_id if front else archive.seed
    front = _put_together(front)
    whole = Transcript.of([*front, *along(sent.exchanges[skip:], before)])
    return Course(whole, joined=True, missing=place - skip)


def _put_together(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Exchanges whose first message comes as one with results that end the one before.

    Whether it once came so only the process knows that read it; all are to send the same bytes.
    """
    joins = [False, *(one.messages[-1]["role"] == "user" for one in exchanges)]
    return [
        one if one.joins == is_one else replace(one, joins=is_one)
        for one, is_one in zip(exchanges, joins, strict=False)
    ]


def _kept(transcript: Transcript, archive: Archive) -> Transcript:
    """The transcript without the forgotten exchanges it begins with: they join nothing."""
    closed = transcript.closed
    kept = next((n for n, one in enumerate(closed) if not archive.is_forgotten(one)), len(closed))
    return Transcript.of(transcript.exchanges[kept:]) if kept else transcript


def exchanges_of(
    archive: Archive, links: Sequence[ExchangePlace], count: CountText
) -> list[Exchange]:
    """The exchanges at these places, under the ids they have there; as far as none is lost."""
    said = archive.paths.messages(one.content for one in links)
    exchanges: list[Exchange] = []
    for link in links:
        messages = said.get(link.content)
        if messages is None:
            break
        one = read_one(messages, seed=archive.seed, count=count, redact=archive.redact)
        exchanges.append(one.placed(link.opening, link.id, content_id=link.content))
    return exchanges
