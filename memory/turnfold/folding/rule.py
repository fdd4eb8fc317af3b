"""Sizes of the exchanges and prices go in; how many of the oldest to fold comes out.

`folding_pays` is the whole rule of `fold_at="auto"`. Its derivation, with a worked example, is
in docs/folding.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from turnfold.accounting.prices import NEUTRAL, Price
from turnfold.policy import Policy

# Between these sizes of a prompt, in tokens, `fold_at="auto"` goes by what pays. Below there is
# too little to win; above, folding waits for nothing but that it pays at all.
LEAST_PROMPT = 8_000
MOST_PROMPT = 64_000
# The fewest tokens worth a summary of their own.
_LEAST_LEAF = 1_000
# Notes on folded turns are about this part of their length, until the budget bounds them.
_NOTES = 0.1
# What a summarizer is told besides the turns and the notes so far.
_INSTRUCTIONS = 400
# Growth is the mean of this many closed exchanges.
_RECENT = 32
# With a budget, how far the window may outgrow what a fold leaves of it, in parts of the budget.
_SLACK = 0.15
# Notes are worth a call on so many times what the summarizer reads besides.
_TIMES_CONTEXT = 4
FEW = 8
"""So many exchanges, or steps, are worth notes together, however short they are."""
SHARE_OF_LIMIT = 3
"""The part of what a limit leaves besides the fixed that a summary may take, inverted."""
TO_GROW = 2
"""And the part of it, besides the newest, that a fold which the limit forces leaves to what is to
come, inverted: else the next request would fold again. Recall leaves as much of what is free."""
APPENDED = 0.25
"""The part of a budget of the whole prompt that one turn recalls, where that stays behind it."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in parts of the chat model's price of an input token.

    Attributes:
        read: a token read from the cache; 1 where nothing is cached.
        write: a token written to it; 1 where nothing is cached.
        summary: a token the summarizer reads; 0 where it is no model.
        notes: a token it writes.
        above: where these are the rates of long prompts alone, the size in tokens up to which
            others hold; 0 where they hold for any.
        read_below: what a token read from the cache costs up to there.
    """

    read: float = 0.1
    write: float = 1.25
    summary: float = 0.0
    notes: float = 0.0
    above: int = 0
    read_below: float = 0.0

    @classmethod
    def of(
        cls,
        chat: Price | None,
        summarizer: Price | None,
        *,
        cached: bool = True,
        an_hour: bool = False,
        prompt: int = 0,
    ) -> Rates:
        """The rates that follow from prices.

        Args:
            chat: of the model that is chatted with; None where that is unknown.
            summarizer: of the model that writes summaries; None where it costs nothing.
            cached: whether the prompt cache is used.
            an_hour: whether entries of the cache are to live an hour, not five minutes.
            prompt: tokens of the prompt, which tell the tier it is in.
        """
        chat = chat or NEUTRAL
        whole = chat.input or 1.0
        summary = summarizer.input / whole if summarizer is not None else 0.0
        notes = summarizer.output / whole if summarizer is not None else 0.0
        tier = chat.at(prompt)
        if not cached:
            read = write = tier.input / whole if chat.input else 1.0
            below = 1.0
        else:
            read = tier.read / whole
            write = (tier.write_1h if an_hour else tier.write_5m) / whole
            below = chat.read / whole
        if tier is chat:
            return cls(read, write, summary, notes)
        return cls(read, write, summary, notes, chat.tiers[0].above, below)


@dataclass(frozen=True, slots=True)
class FoldForecast:
    """A fold that could be made now, and what is known of the turns to come. In tokens.

    Attributes:
        removed: what would leave the prompt.
        rewritten: what would stand there anew: the changed part of the summary and the window.
        context: what the summarizer reads besides the turns it is to fold.
        notes: what it would write.
        growth: by how much the prompt grows from one request to the next.
        requests: how many there were, and so how many more there may be.
        cold: whether the cache has run out, so that all is written anew in any case.
        cold_share: measured share of turns that come too late for the cache, 0 to 1.
        relief: what each request to come saves on the tokens that stay, in tokens of input, since
            the prompt falls to a cheaper tier.
    """

    removed: float
    rewritten: float
    context: float
    notes: float
    growth: float
    requests: int
    cold: bool = False
    cold_share: float = 0.0
    relief: float = 0.0


def folding_pays(outlook: FoldForecast, rates: Rates, *, hurry: bool = False) -> bool:
    """Whether to fold now, or to wait until more can be folded at once, or for good.

    A fold costs F for what is written anew and for what the summarizer reads besides, and
    saves h for each token it removes with every request to come. Folding k requests' growth g
    at a time costs F / k + h g k / 2 a request, which is least at k = sqrt(2 F / (h g)): that
    is when a fold is due. And it pays only if it earns what it costs over as many requests as
    there were so far, the best guess at how many are to come.

    Args:
        outlook: what could be folded.
        rates: what tokens cost.
        hurry: fold as soon as it pays at all, without waiting for the best moment.
    """
    held = rates.read + outlook.cold_share * (rates.write - rates.read)
    cold = outlook.cold or rates.write == rates.read
    again = 0.0 if cold else (rates.write - rates.read) * outlook.rewritten
    cost = again + rates.summary * outlook.context
    due = math.sqrt(2 * cost * outlook.growth / held) if held else math.inf
    if outlook.removed < max(_LEAST_LEAF, 0 if hurry else due):
        return False
    saved = (held * outlook.removed + outlook.relief) * outlook.requests
    if outlook.cold:
        saved += rates.write * outlook.removed  # which would be written now
    price = cost + rates.summary * outlook.removed + rates.notes * outlook.notes
    return saved > price


def notes_pay(waiting: Sequence[int], *, context: int, most: int) -> bool:
    """Whether to have notes written on exchanges that left the window of a budget without any.

    To leave them costs no token of the prompt, so only the call counts: it is worth its price
    when what it reads besides is a small part of it. And what it says is little beside what is
    recalled word for word, so it need not come often.

    Args:
        waiting: tokens of each of these exchanges.
        context: tokens of the notes so far, which the summarizer reads, too.
        most: the most that one call is given to read.
    """
    tokens = sum(waiting)
    if tokens >= most:
        return True
    return len(waiting) >= FEW and tokens >= _worth_a_call(context)


def notes_wait(waiting: Sequence[int], *, context: int) -> bool:
    """Whether what a limit drives out of the window goes without notes, until there is more.

    Where the rest of the prompt leaves room for little, that is so at nearly every request.
    For the arguments see `notes_pay`.
    """
    return len(waiting) < FEW and sum(waiting) < _worth_a_call(context)


def _worth_a_call(context: int) -> int:
    return max(_LEAST_LEAF, _TIMES_CONTEXT * (context + _INSTRUCTIONS))


def counted(sizes: Sequence[int], rate: float) -> list[int]:
    """Estimated sizes as the API counts them; together no less than that, nor more than one more.

    Were each rounded down, a prompt of many small messages would pass for one that has room.
    """
    ends = [math.ceil(total * rate) for total in accumulate(sizes, initial=0)]
    return [end - start for start, end in pairwise(ends)]


@dataclass(frozen=True, slots=True)
class PromptSizes:
    """What a request would hold if nothing were folded now. Sizes are in tokens.

    Attributes:
        sizes: of each exchange, the open one last.
        requests: how many each exchange took, at least 1.
        window: the first exchange of the window.
        first: the first exchange that may be folded; not before `window`.
        fixed: system and tools.
        summary: the summary in force.
        recalled: of each earlier turn of this epoch, what it recalled.
        ceiling: the most the prompt may have.
        cold: whether the cache has run out since the request before.
        cold_share: measured share of turns for which it had.
    """

    sizes: Sequence[int]
    requests: Sequence[int]
    window: int
    first: int
    fixed: int
    summary: int
    recalled: Sequence[int]
    ceiling: int
    cold: bool = False
    cold_share: float = 0.0

    @property
    def memory(self) -> int:
        """Tokens of what memory put in."""
        return self.summary + sum(self.recalled)

    @property
    def prompt(self) -> int:
        """Tokens of the whole request."""
        return self.fixed + self.memory + sum(self.sizes[self.window :])

    @property
    def to_grow(self) -> int:
        """Tokens that a fold which the ceiling forces leaves to what is to come."""
        return max(0, self.ceiling - self.fixed - self.sizes[-1]) // TO_GROW

    def after(self, until: int, policy: Policy) -> float:
        """About how many tokens it would have if all up to there were folded."""
        notes = min(_NOTES * sum(self.sizes[self.first : until]), policy.summary_tokens / 2)
        most = min(policy.summary_tokens, max(0, self.ceiling - self.fixed) // SHARE_OF_LIMIT)
        summary = min(self.summary + notes, most)
        return self.fixed + summary + sum(self.sizes[until:])

    def outlook(self, until: int, policy: Policy, rates: Rates) -> FoldForecast:
        """What folding up to there would bring."""
        recent = slice(-_RECENT - 1, -1)
        grown = sum(self.sizes[recent]) / max(1, sum(self.requests[recent]))
        if self.recalled:
            share = len(self.sizes[recent]) / max(1, sum(self.requests[recent]))
            grown += share * sum(self.recalled) / len(self.recalled)
        folded = sum(self.sizes[self.first : until])
        notes = min(_NOTES * folded, policy.summary_tokens / 2)
        after = self.after(until, policy)
        relieved = rates.above and after <= rates.above
        return FoldForecast(
            removed=folded + sum(self.recalled),
            rewritten=notes + self.summary + sum(self.sizes[until:-1]),
            context=self.summary + _INSTRUCTIONS,
            notes=notes,
            growth=grown,
            requests=sum(self.requests[:-1]),
            cold=self.cold,
            cold_share=self.cold_share,
            relief=(rates.read - rates.read_below) * after if relieved else 0.0,
        )


def fold_until(standing: PromptSizes, policy: Policy, rates: Rates) -> tuple[int, str]:
    """Up to which exchange to fold at this opening, and why.

    Returns:
        An index from `standing.first`, for folding nothing, to the number of closed exchanges;
        and the reason in words, "" where nothing is folded.
    """
    until = window_start(standing.sizes, standing.first, policy)
    if standing.prompt > standing.ceiling:  # what is to be kept gives way to what may be sent
        closed, most = len(standing.sizes) - 1, standing.ceiling - standing.to_grow
        while until < closed and standing.after(until, policy) > most:
            until += 1
    reason = _reason(standing, until, policy, rates) if until > standing.first else ""
    return (until, reason) if reason else (standing.first, "")


def nears_first_fold(said: int, fixed: int, policy: Policy) -> bool:
    """Whether a conversation is half way to where its oldest exchanges may be folded.

    Args:
        said: tokens of all its messages.
        fixed: tokens of all else in the request.
        policy: the settings.
    """
    if policy.budget is not None:
        return 2 * said > policy.keep_tokens
    if policy.fold_at == "auto":
        return 2 * said > LEAST_PROMPT
    return 2 * (said + fixed) > policy.fold_at


def _reason(standing: PromptSizes, until: int, policy: Policy, rates: Rates) -> str:
    prompt = standing.prompt
    if policy.budget is not None:
        closed = sum(standing.sizes[standing.window : -1])
        most = policy.keep_tokens + policy.budget * _SLACK
        if closed > most:
            return f"a window of {closed} tokens is over its share"
        # What was recalled and stays leaves a share to what the next turn recalls.
        held = closed + standing.memory
        if standing.recalled and held > policy.budget * (1 - APPENDED):
            return f"{held} tokens of memory and window are over their share"
        return ""
    if prompt > standing.ceiling:
        return f"a prompt of {prompt} tokens is over the most it may have, {standing.ceiling}"
    if policy.fold_at != "auto":
        over = prompt > policy.fold_at
        return f"a prompt of {prompt} tokens is over {policy.fold_at}" if over else ""
    size = prompt - standing.fixed
    if size <= LEAST_PROMPT:
        return ""
    outlook = standing.outlook(until, policy, rates)
    if not folding_pays(outlook, rates, hurry=size > MOST_PROMPT or outlook.relief > 0):
        return ""
    when = "the cache has run out" if standing.cold else "it is due"
    return f"{when}, and to send {outlook.removed:.0f} tokens less pays"


def window_start(sizes: Sequence[int], first: int, policy: Policy) -> int:
    """The first exchange of the window that a fold leaves behind.

    Args:
        sizes: tokens of each exchange, the open one last.
        first: the first exchange that may be folded.
        policy: how much to keep.

    Returns:
        An index from `first`, for folding nothing, to the number of closed exchanges.
    """
    closed = len(sizes) - 1
    until, kept = closed, 0
    while until > first:
        size = sizes[until - 1]
        if closed - until >= policy.keep_exchanges and kept + size > policy.keep_tokens:
            break
        kept += size
        until -= 1
    return max(first, until)


def split_by_size(sizes: Sequence[int], first: int, last: int, most: int) -> list[tuple[int, int]]:
    """Cut the exchanges from `first` up to `last` into runs of at most `most` tokens.

    An exchange is never split: one that is larger makes a run of its own.
    """
    cut: list[tuple[int, int]] = []
    start, size = first, 0
    for index in range(first, last):
        if size and size + sizes[index] > most:
            cut.append((start, index))
            start, size = index, 0
        size += sizes[index]
    return [*cut, (start, last)]
