"""A fold in full: what is refused goes back once; what fits leaves the older summary alone."""

from dataclasses import replace

import pytest
from support.chats import SMALL, Chat, ask, chats, history, injected, memory, said, stand_in
from support.models import SUMMARY
from turnfold import TurnfoldError
from turnfold.accounting.prices import Usage
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Fault

ROOMY = replace(SMALL, summary_tokens=4_000, recall_tokens=0)


def right(number):
    return Item("fact", f"Turn {number} asked of amber{number}.", (number,))


def wrong(number):
    return Item("fact", f"Turn {number} asked of amber{number + 500}.", (number,))


class Writer:
    """Answers with what its script says, and remembers what it was asked."""

    def __init__(self, *script):
        self.script = list(script)
        self.jobs = []

    def __call__(self, job):
        self.jobs.append(job)
        items = self.script.pop(0) if self.script else [right(job.first)]
        if isinstance(items, Exception):
            raise items
        return SummaryDraft(items, Usage(100, output_tokens=10), SUMMARY)


async def fold(door, writer, *, policy=ROOMY, fake=None, exchanges=12):
    """One request that folds; gives the summary sent, the receipt and the nodes."""
    fake, receipts = fake or stand_in(), []
    with memory(policy=policy, summarizer=writer, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0), user_id="ada")
        await door.ask("create", client, ask(history(exchanges)))
        nodes = [r.body for r in remembering.store.ledger.scan("ada", kind="node")]
    sent = "\n".join(text for _, _, text in injected(chats(fake)[-1]))
    return sent, receipts[-1], nodes


# --- what is refused --------------------------------------------------------------------------


async def test_only_what_was_refused_is_asked_for_again_with_the_turns_it_cites(door):
    writer = Writer([right(1), wrong(3), right(5)], [right(3)])
    sent, receipt, _ = await fold(door, writer)
    first, again = writer.jobs
    assert (again.first, again.last) == (3, 3)
    assert "amber503" in again.complaints[0]
    assert len(again.complaints) == 1
    assert first.complaints == ()
    for number in (1, 3, 5):
        assert right(number).text in sent
    assert "amber503" not in sent
    assert receipt.degraded == ()
    assert receipt.summary_usage.input_tokens == 200, "both are counted"


async def test_for_what_only_tells_what_happened_no_one_is_asked_again(door):
    told = replace(wrong(3), kind="narrative")
    writer = Writer([right(1), told])
    sent, receipt, _ = await fold(door, writer)
    assert len(writer.jobs) == 1
    assert "amber503" not in sent
    assert receipt.degraded == ()


async def test_a_draft_of_which_nothing_stands_is_asked_for_again(door):
    told = replace(wrong(3), kind="narrative")
    writer = Writer([told], [replace(right(3), kind="narrative")])
    sent, receipt, _ = await fold(door, writer)
    assert right(3).text in sent
    assert receipt.degraded == ()


async def test_what_is_refused_twice_is_replaced_by_what_the_turns_say(door):
    writer = Writer([right(1), wrong(3)], [wrong(3)])
    sent, receipt, nodes = await fold(door, writer)
    assert len(writer.jobs) == 2, "there is one retry"
    assert right(1).text in sent
    assert "user: Turn 3 asked of amber3 birch3" in sent
    assert "amber503" not in sent
    [why] = receipt.degraded
    assert why.startswith("summary: extractive: turns 3-3")
    assert nodes[0]["degraded"].startswith("extractive: turns 3-3")
    assert receipt.folded > 0


async def test_where_the_retry_fails_what_was_good_is_kept(door):
    writer = Writer([right(1), wrong(3)], OSError("the line is dead"))
    sent, receipt, _ = await fold(door, writer)
    assert right(1).text in sent
    assert "Turn 3 asked of amber3 birch3" in sent
    assert [why.partition(":")[0] for why in receipt.degraded] == ["summary", "summary"]
    assert receipt.folded > 0


async def test_where_raising_is_wanted_what_is_refused_twice_raises(door):
    policy = replace(ROOMY, on_error="raise")
    with pytest.raises(TurnfoldError, match="turns 3-3 are quoted"):
        await fold(door, Writer([wrong(3)], [wrong(3)]), policy=policy)


async def test_a_prompt_that_is_too_long_is_folded_though_the_summarizer_fails(door):
    writer = Writer(*[OSError("the line is dead")] * 9)
    fake = stand_in(faults=[Fault("prompt_too_long", on="chat")])
    sent, receipt, nodes = await fold(door, writer, fake=fake)
    assert receipt.in_memory == 12
    assert "amber1 " in sent
    assert any("extractive" in why for why in receipt.degraded)
    assert {node["model"] for node in nodes} == {"extractive"}


async def test_a_summarizer_that_always_fails_folds_nothing_while_the_prompt_fits(door):
    sent, receipt, nodes = await fold(door, Writer(*[OSError("dead")] * 9))
    assert (sent, receipt.folded, nodes) == ("", 0, [])
    assert receipt.degraded == ("summary: dead",)


# --- what is left alone -----------------------------------------------------------------------


def folding_chat(policy, turns=30):
    """A chat in which each turn that folds is known: (request, receipt) of each."""
    fake, receipts = stand_in(), []
    with memory(policy=policy, summarizer=Writer(), on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"), history(6))
        for number in range(7, 7 + turns):
            chat.say(said(number))
    bodies = chats(fake)
    return [(body, one) for body, one in zip(bodies, receipts, strict=True) if one.folded]


def summary_blocks(body):
    return [text for _, _, text in injected(body)]


def test_as_long_as_all_fits_a_fold_adds_a_block_and_leaves_the_older_ones_as_they_were():
    folds = folding_chat(ROOMY)
    assert len(folds) >= 3
    for number, (body, _) in enumerate(folds, 1):
        blocks = summary_blocks(body)
        assert len(blocks) == number
        assert blocks[:-1] == summary_blocks(folds[number - 2][0]) or number == 1
    assert all(right(1).text in summary_blocks(body)[0] for body, _ in folds)


def test_the_breakpoint_at_the_end_of_the_summary_lets_the_next_epoch_read_it_back():
    folds = folding_chat(replace(ROOMY, cache="on"))
    body, _ = folds[2]
    content = body["messages"][0]["content"]
    marked = [n for n, block in enumerate(content) if "cache_control" in block]
    assert marked[0] == len(summary_blocks(body)) - 1


def test_past_its_budget_the_summary_is_one_block_again():
    folds = folding_chat(replace(ROOMY, summary_tokens=100), turns=60)
    counts = [len(summary_blocks(body)) for body, _ in folds]
    assert max(counts) > 1
    assert 1 in counts[2:]
    assert all(receipt.tokens.summary < 350 for _, receipt in folds), "notes and marks included"


def test_what_a_later_turn_supersedes_is_said_to_hold_no_longer_and_then_goes():
    def summarize(job):
        old = [item.id for item in job.known if "part a" in item.text]
        colour = "amber" if job.first == 1 else "birch"
        return SummaryDraft([Item("fact", f"The key of part a is {colour}.", (), tuple(old))])

    fake = stand_in()
    with memory(policy=ROOMY, summarizer=summarize) as remembering:
        chat = Chat(remembering.wrap(fake.client(), user_id="ada", conversation="c"), history(8))
        chat.go_on(14, first=9)
        [first, second, *_] = summary_blocks(chats(fake)[-1])
        assert "- The key of part a is amber." in first
        assert "is birch. (no longer: The key of part a is amber.)" in second
        held = [one for one in remembering.notes(user_id="ada", conversation="c") if one.holds]
        assert len(held) == 1
