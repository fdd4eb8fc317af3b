"""A client goes in; whether caching, thinking and summaries work on its account comes out.

Five small turns are sent with memory: three that only go on, so that each can read from the cache
what the one before wrote, and two that fold what was said, so that thinking and summaries show
whether they survive it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anthropic import Anthropic
from turnfold import Conversation, Memory, Policy, Receipt, open_store
from turnfold.accounting.prices import NEUTRAL, Usage, price_of

# Enough that a summary of it is shorter than it: else nothing is folded.
_LOG = "\n".join(
    f"{day} May: wind {day % 5 + 2}, {day * 7 % 23 + 4} miles under sail, engine {day % 4} hours, "
    f"water {90 - day} litres, all well."
    for day in range(1, 15)
)
TURNS = (
    f"My boat is called Heron and lies at berth 41. Her log:\n{_LOG}\nAnswer with OK.",
    "Her mast is 14 metres high, and the survey is on 9 June. Answer with OK.",
    "I sold the dinghy to Mrs. Okafor for 350 pounds. Answer with OK.",
    "We sail for Tresco on 21 June. Answer with OK.",
    "What is my boat called, and who bought the dinghy? Answer in one sentence.",
)
_GOING_ON = 3
_MAX_TOKENS = 1_000
_USER, _NAME = "doctor", "doctor"
# Long enough for the cache of every model; the least one of any is 4,096 tokens.
_LINE = "Berth {n}: moor bow first, mind the chain, pay harbour dues at the office by noon. "
_SYSTEM = "You look after a small harbour. Answer in as few words as you can.\n" + "".join(
    _LINE.format(n=n) for n in range(1, 251)
)
_SYSTEM_TOKENS = 6_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one thing.

    Attributes:
        name: what it is.
        works: None where it was not put to use.
        told: how it showed.
    """

    name: str
    works: bool | None
    told: str


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """What five turns have shown.

    Attributes:
        model: the model that was asked.
        answer: what it said in the end, when all was folded.
        verdicts: on caching, thinking and summaries.
        cost: list-price dollars of it all; None where a price is unknown.
        remarks: what memory said besides.
    """

    model: str
    answer: str
    verdicts: Sequence[Verdict]
    cost: float | None
    remarks: Sequence[str] = field(default=())

    @property
    def sound(self) -> bool:
        """Whether nothing that was put to use failed."""
        return all(one.works is not False for one in self.verdicts)


def estimated_dollars(model: str) -> float:
    """What the check will cost at list prices, rather too much; by usual ratios if unknown."""
    price = price_of(model) or NEUTRAL
    said = len(TURNS) * (_MAX_TOKENS // 2)
    wrote = _SYSTEM_TOKENS * (2 * price.write_5m + (len(TURNS) - 2) * price.input)
    return (wrote + said * price.output) / 1e6


def check_account(client: Anthropic, model: str, *, summary_model: str = "auto") -> AccountCheck:
    """Send the five turns.

    Args:
        client: asked for answers and summaries.
        model: the model to talk with.
        summary_model: see `Policy.summary_model`.

    Raises:
        anthropic.APIError: a turn was not answered.
        PolicyError: the client's cloud has no default for the model that writes summaries.
    """
    going_on = Policy(
        cache="on",
        background="off",
        recall_tokens=0,  # no embedding model is asked
        diagnose_cache=True,
        summary_model=summary_model,
    )
    folding = replace(going_on, fold_at=1_000, keep_tokens=0, diagnose_cache=False)
    receipts: list[Receipt] = []
    answer, thoughts, notes = "", 0, 0
    with open_store("memory:") as store:
        for policy, turns in ((going_on, TURNS[:_GOING_ON]), (folding, TURNS[_GOING_ON:])):
            with Memory(store, policy=policy) as memory:
                talk = Conversation(
                    _SYSTEM, model, client=client, memory=memory, user_id=_USER, id=_NAME
                )
                for text in turns:
                    answer = talk.say(text, max_tokens=_MAX_TOKENS)
                    if talk.last is not None:
                        receipts.append(talk.last)
                thoughts = sum(map(_thoughts, talk.messages))
                notes = len(memory.notes(user_id=_USER, conversation=talk.scope.conversation))
    costs = [one.cost for one in receipts]
    return AccountCheck(
        model=model,
        answer=answer,
        verdicts=(
            _caching(receipts[:_GOING_ON]),
            _thinking(receipts, thoughts),
            _summaries(receipts[_GOING_ON:], notes),
        ),
        cost=None if None in costs else sum(one for one in costs if one is not None),
        remarks=tuple(dict.fromkeys(why for one in receipts for why in one.remarks)),
    )


def _thoughts(message: dict[str, object]) -> int:
    content = message["content"]
    blocks = content if isinstance(content, list) else []
    return sum(block.get("type") in {"thinking", "redacted_thinking"} for block in blocks)


def _caching(receipts: Sequence[Receipt]) -> Verdict:
    """Of turns of which each continues the one before."""
    last = receipts[-1].usage
    diverged = [one.cache_miss_reason for one in receipts if one.cache_miss_reason]
    if diverged:
        return Verdict("caching", works=False, told=f"the API says: {', '.join(diverged)}")
    wrote = sum(one.usage.cache_write_5m + one.usage.cache_write_1h for one in receipts)
    if not last.cache_read:
        why = f"{wrote:,} tokens were written" if wrote else "usage tells of no cache"
        return Verdict("caching", works=False, told=f"nothing was read from the cache; {why}")
    found = ""
    if receipts[-1].cache_miss_reason == "":
        found = "; the API found each request to continue the one before"
    read = f"{last.cache_read:,} of {last.prompt_tokens:,} tokens were read from the cache"
    return Verdict("caching", works=True, told=f"{read} in turn {len(receipts)}{found}")


def _thinking(receipts: Sequence[Receipt], thoughts: int) -> Verdict:
    refused = [why for one in receipts for why in one.degraded if why.startswith("thinking")]
    if refused:
        return Verdict("thinking", works=False, told=refused[0])
    if not thoughts:
        return Verdict("thinking", works=None, told="the model has not thought")
    return Verdict("thinking", works=True, told=f"{thoughts} blocks were sent back, none refused")


def _summaries(receipts: Sequence[Receipt], notes: int) -> Verdict:
    wrong = [why for one in receipts for why in one.degraded if not why.startswith("thinking")]
    if wrong:
        return Verdict("summaries", works=False, told="; ".join(dict.fromkeys(wrong)))
    folded = receipts[-1].in_memory
    usage = sum((one.summary_usage for one in receipts), Usage())
    if not folded or not usage.output_tokens:
        return Verdict("summaries", works=False, told="nothing was folded")
    told = f"{notes} notes stand for {folded} exchanges, for {usage.prompt_tokens:,} tokens read"
    return Verdict("summaries", works=True, told=f"{told} and {usage.output_tokens:,} written")
