"""Caps: what memory may spend on summaries in a turn and a conversation, whoever writes them."""

from dataclasses import replace

import pytest
from support.chats import SMALL, ask, history, memory, stand_in
from support.models import DEAREST, LARGEST, SUMMARY
from turnfold import Cap
from turnfold.accounting.prices import Usage, cost, price_of
from turnfold.errors import PolicyError
from turnfold.policy import Spent
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Fault
from turnfold_stores import open_store

PAID = Usage(input_tokens=900, output_tokens=100)


class Paid:
    """A summarizer that costs a thousand tokens each time."""

    def __init__(self, model=SUMMARY, usage=PAID):
        self.calls = 0
        self.model = model
        self.usage = usage

    def __call__(self, job):
        self.calls += 1
        return SummaryDraft(
            [Item("fact", "So it was.", (job.first,))],
            self.usage,
            self.model,
        )


def talk(summarizer, turns, store="memory:", first=1, **changes):
    """The receipts of a chat that folds about every fifth turn."""
    receipts = []
    policy = replace(SMALL, **changes)
    with memory(store, policy=policy, summarizer=summarizer, on_receipt=receipts.append) as one:
        client = one.wrap(stand_in().client(), conversation="c")
        for exchanges in range(first, first + turns):
            client.messages.create(**ask(history(exchanges)))
    return receipts


def test_without_caps_every_fold_is_paid_for():
    summarizer = Paid()
    receipts = talk(summarizer, 40)
    assert summarizer.calls == sum(receipt.folded > 0 for receipt in receipts) >= 5


def test_past_the_cap_of_a_conversation_no_summary_is_paid_for():
    summarizer = Paid()
    receipts = talk(summarizer, 40, conversation_cap=Cap(tokens=2_500))
    assert summarizer.calls == 3
    spent = sum(receipt.summary_usage.prompt_tokens for receipt in receipts)
    assert spent == 3 * PAID.prompt_tokens
    without = [one for one in receipts if one.folded and not one.summary_usage.prompt_tokens]
    assert without, "it folds all the same, by sentences of the turns"
    assert {one.degraded for one in without} == {
        ("summary: extractive: the cap of this conversation, 2500 tokens, is reached",)
    }
    assert all(not one.degraded for one in receipts if one not in without)


def test_money_counts_by_the_price_of_the_model_that_answered():
    for model in (SUMMARY, LARGEST):
        summarizer = Paid(model)
        once = cost(PAID, price_of(model))
        talk(summarizer, 40, conversation_cap=Cap(dollars=1.5 * once))
        assert summarizer.calls == 2


def test_a_model_of_unknown_price_counts_as_the_dearest_so_that_the_cap_holds():
    summarizer = Paid("ours")
    talk(summarizer, 40, conversation_cap=Cap(dollars=1.5 * cost(PAID, price_of(DEAREST))))
    assert summarizer.calls <= 2


def test_another_worker_counts_what_the_first_has_spent(tmp_path):
    url = f"sqlite:{tmp_path / 's.db'}"
    cap = Cap(tokens=2_500)
    first, second = Paid(), Paid()
    talk(first, 11, url, conversation_cap=cap)
    talk(second, 40, url, first=12, conversation_cap=cap)
    assert 0 < first.calls < 3
    assert first.calls + second.calls == 3


def test_the_cap_of_a_turn_holds_for_each_turn_by_itself():
    fake, receipts, paid = stand_in(), [], []
    policy = replace(SMALL, leaf_tokens=1_000, turn_cap=Cap(tokens=4_000))
    with memory(policy=policy, on_receipt=receipts.append) as one:
        client = one.wrap(fake.client(), conversation="c")
        for exchanges in (40, 60, 80):
            client.messages.create(**ask(history(exchanges)))
            paid.append(len(fake.asked("summary")))
    assert 1 <= paid[0] <= 3, "six leaves were wanted"
    assert paid[0] < paid[1] < paid[2], "the next turn may spend again"
    assert "cap of a turn, 4000 tokens" in receipts[0].degraded[0]


def test_what_one_summary_is_likely_to_cost_counts_before_it_is_asked_for():
    fake, receipts = stand_in(), []
    policy = replace(SMALL, conversation_cap=Cap(tokens=900))
    with memory(policy=policy, on_receipt=receipts.append) as one:
        one.wrap(fake.client(), conversation="c").messages.create(**ask(history(12)))
    assert not fake.asked("summary")
    assert "cap" in receipts[0].degraded[0]


def test_a_prepared_fold_is_held_against_the_caps_too():
    summarizer = Paid()
    talk(summarizer, 60, background="on", conversation_cap=Cap(tokens=2_500))
    assert summarizer.calls <= 3


def test_conversations_and_users_have_caps_of_their_own():
    with open_store("memory:") as store:
        for user, conversation in (("ada", "c"), ("ada", "d"), ("bob", "c"), ("cy", None)):
            summarizer = Paid()
            policy = replace(SMALL, conversation_cap=Cap(tokens=500))
            with memory(store, policy=policy, summarizer=summarizer) as one:
                client = one.wrap(stand_in().client(), user_id=user, conversation=conversation)
                client.messages.create(**ask(history(12, mark=user)))
                client.messages.create(**ask(history(25, mark=user)))
            assert summarizer.calls == 1


def test_histories_without_a_name_have_caps_of_their_own():
    with open_store("memory:") as store:
        for mark in "xyz":
            summarizer = Paid()
            policy = replace(SMALL, conversation_cap=Cap(tokens=500))
            with memory(store, policy=policy, summarizer=summarizer) as one:
                one.wrap(stand_in().client()).messages.create(**ask(history(12, mark=mark)))
            assert summarizer.calls == 1


def test_a_cap_of_nothing_allows_nothing_and_no_cap_everything():
    assert Cap(tokens=0).refuses(Spent(), Spent())
    assert Cap(dollars=0.0).refuses(Spent(), Spent())
    assert not Cap().refuses(Spent(10**9, 1e9), Spent(10**9, 1e9))
    assert not Cap(tokens=10).refuses(Spent(5, 0.0), Spent(5, 1e9))
    assert Cap(tokens=10).refuses(Spent(5, 0.0), Spent(6, 0.0))
    assert Cap(tokens=10, dollars=1.0).refuses(Spent(0, 0.9), Spent(0, 0.2))


@pytest.mark.parametrize(
    "wrong", [{"tokens": -1}, {"dollars": -0.1}, {"dollars": float("nan")}, {"tokens": True}]
)
def test_what_is_no_cap_is_told(wrong):
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Cap(**wrong)


def test_a_number_is_no_cap():
    with pytest.raises(PolicyError, match="turn_cap=5"):
        replace(SMALL, turn_cap=5)


@pytest.mark.parametrize("kind", ["refused", "not_json", "empty"])
@pytest.mark.parametrize("store", ["memory:", "sqlite"])
def test_answers_that_cannot_be_used_are_paid_twice_and_told(kind, store, tmp_path):
    """Then the turns' own sentences are taken, though a new process begins each turn."""
    url = "memory:" if store == "memory:" else f"sqlite:{tmp_path / 'a.db'}"
    fake = stand_in(faults=[Fault(kind, times=1_000)])
    receipts = []
    with open_store(url) as opened:
        for exchanges in range(1, 24):
            with memory(opened, on_receipt=receipts.append) as one:
                client = one.wrap(fake.client(), conversation="c")
                client.messages.create(**ask(history(exchanges)))
    asked = fake.asked("summary")
    folds = [receipt for receipt in receipts if receipt.folded]
    assert folds
    assert len(asked) <= 2 * len(folds) + 2
    assert all("failed twice" in str(receipt.degraded) for receipt in folds)
    paid = sum(call.usage["input_tokens"] + call.usage["output_tokens"] for call in asked)
    told = [receipt.summary_usage for receipt in receipts]
    assert sum(one.prompt_tokens + one.output_tokens for one in told) == paid > 0


def test_nothing_is_paid_behind_turns_that_a_summarizer_fails_at():
    asked = []

    def summarize(job):
        asked.append(job.first)
        if job.first == 1:
            raise OSError("no answer about these")
        return SummaryDraft([Item("fact", "So it was.", (job.first,))])

    with memory(policy=replace(SMALL, leaf_tokens=1_000), summarizer=summarize) as one:
        client = one.wrap(stand_in().client(), conversation="c")
        for exchanges in range(40, 46):
            client.messages.create(**ask(history(exchanges)))
    behind = [first for first in asked if first != 1]
    assert asked.count(1) == 4, "then it is left alone for a while"
    assert len(behind) == len(set(behind)), "the first time, when nobody knew"
