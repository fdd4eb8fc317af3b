"""Recall lives on what folding saves, so that memory never costs much more than none."""

from types import SimpleNamespace

import pytest
from support.chats import Chat, memory, said, stand_in
from support.models import DEFAULT
from turnfold import Policy
from turnfold.accounting.prices import Price, cost
from turnfold.folding.recall_budget import RecallBudget, most_recalled
from turnfold.folding.rule import Rates

RATES = Rates(read=0.1, write=1.25, summary=0.05)
POLICY = Policy(recall_tokens=1_000)


def purse(before=0.0, policy=POLICY, rates=RATES, cold_share=0.0):
    return RecallBudget(before, policy, rates, most=policy.recall_tokens, cold_share=cold_share)


def test_an_opening_may_recall_more_where_each_leads_to_a_long_job():
    def most(*sizes, policy=POLICY):
        return most_recalled(policy, [SimpleNamespace(size=size) for size in (*sizes, 20)])

    assert most() == most(900, 1_100) == 1_000
    assert most(40_000) == 2_500
    assert most(40_000, 300, 300, 300) < 2_500
    assert most(900_000) == 4_000
    assert most(900_000, policy=Policy(recall_tokens=0)) == 0
    assert most(900_000, policy=Policy.for_budget(2_000)) == 2_000


def test_one_recall_is_on_credit():
    new = purse()
    assert new.allows == 1_000
    assert purse(new.spend(1_000)).allows == 0


def test_what_a_turn_saves_can_be_recalled():
    poor = purse(purse().spend(1_000))
    poor.earn(10_000)
    assert poor.allows == int(0.7 * 0.1 * 10_000 / 1.25)


def test_savings_are_kept_for_a_turn_that_asks():
    rich = purse()
    for _ in range(10):
        rich.earn(10_000)
    rich = purse(rich.spend(1_000))
    assert rich.allows == 1_000


def test_a_fold_is_paid_whole():
    some = purse(1_000.0)
    some.pay_fold(400, 10_000)
    assert some.spend(0) == 1_000 - 1.15 * 400 - 0.05 * 10_000
    poor = purse(100.0)
    poor.pay_fold(4_000, 10_000)
    assert poor.allows == 0
    owing = purse(-900.0)
    owing.pay_fold(400, 10_000)
    assert owing.spend(0) == -900 - 1.15 * 400 - 0.05 * 10_000


def test_cold_turns_save_more():
    cold, warm = purse(-1_250.0, cold_share=0.3), purse(-1_250.0)
    cold.earn(4_000)
    warm.earn(4_000)
    assert cold.allows > 2 * warm.allows


def test_who_sets_the_limits_has_decided_what_to_spend():
    for policy in (Policy(fold_at=9_000), Policy.for_budget(4_000)):
        assert purse(-1e9, policy).allows == policy.recall_tokens


def spent(receipts, price):
    return sum(cost(one.usage, price) for one in receipts)


def held(wrap, price, fake):
    """A chat of short questions, each of which has much to be recalled."""
    receipts = []
    policy = Policy(clock=fake.clock, recall_floor=-1.0, prices={DEFAULT: price})
    with memory(policy=policy, on_receipt=receipts.append) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c") if wrap else fake.client())
        chat.fields = {} if wrap else {"cache_control": {"type": "ephemeral"}}
        for number in range(200):
            chat.say(f"What was it that you told of amber{number // 2}? {said(number)}")
            fake.clock.advance(60)
    return receipts


@pytest.mark.parametrize("read", [0.05, 0.1, 0.2])  # of 2 $
def test_a_chat_that_recalls_at_every_turn_costs_no_more_than_its_whole_history(read):
    price = Price.of(2, 10, read=read)
    fake = stand_in()
    receipts = held(True, price, fake)
    assert sum(bool(one.hits) for one in receipts) > 20
    bare = stand_in()
    held(False, price, bare)
    full = sum(
        cost(usage, price)
        for usage in (type(receipts[0].usage).from_api(call.usage) for call in bare.calls)
    )
    assert spent(receipts, price) < full
