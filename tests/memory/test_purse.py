"""Recall lives on what folding saves, so that memory never costs much more than none."""

from types import SimpleNamespace

import pytest
from support.chats import Chat, memory, said, stand_in
from support.drawing import sampled, some
from support.models import DEFAULT
from turnfold import Policy
from turnfold.accounting.prices import Price, cost
from turnfold.folding.recall_budget import RecallBudget, most_recalled
from turnfold.folding.rule import Rates

RATES = Rates(read=0.1, write=1.25, summary=0.05)
POLICY = Policy(recall_tokens=1_000)


def purse(before=0.0, policy=POLICY, rates=RATES, cold_share=0.0, owed=0.0):
    most = policy.recall_tokens
    return RecallBudget(before, owed, policy, rates, most=most, cold_share=cold_share)


def test_an_opening_may_recall_more_where_each_leads_to_a_long_job():
    def most(*sizes, policy=POLICY):
        return most_recalled(policy, [SimpleNamespace(size=size) for size in (*sizes, 20)])

    assert most() == most(900, 1_100) == 1_000
    assert most(40_000) == 2_500
    assert most(40_000, 300, 300, 300) < 2_500
    assert most(900_000) == 4_000
    assert most(900_000, policy=Policy(recall_tokens=0)) == 0
    assert most(900_000, policy=Policy.for_budget(2_000)) == 2_000


def test_two_recalls_are_on_credit_for_who_surely_asks():
    new = purse()
    assert (new.allows, new.on_credit) == (0, 1_000)
    once = purse(new.spend(1_000))
    assert (once.allows, once.on_credit) == (0, 1_000)
    twice = purse(once.spend(1_000))
    assert (twice.allows, twice.on_credit) == (0, 0)


def test_what_a_turn_saves_can_be_recalled():
    poor = purse()
    poor.earn(10_000)
    assert poor.allows == int(0.65 * 0.1 * 10_000 / 1.25)


def test_savings_are_kept_for_a_turn_that_asks():
    rich = purse()
    for _ in range(40):
        rich.earn(10_000)
    rich = purse(rich.spend(1_000))
    assert (rich.allows, rich.on_credit) == (1_000, 0)


def test_a_fold_is_paid_whole_and_first():
    some = purse(2_000.0)
    some.pay_fold(400, 10_000)
    assert some.owed == 0
    assert some.spend(0) == 2_000 - 1.15 * 400 - 0.05 * 10_000
    lent = purse(-900.0)
    lent.pay_fold(400, 10_000)
    assert lent.owed == pytest.approx(1.15 * 400 + 0.05 * 10_000)
    assert lent.spend(0) == -900
    poor = purse(100.0)
    poor.pay_fold(4_000, 10_000)
    assert poor.owed == pytest.approx(1.15 * 4_000 + 0.05 * 10_000 - 100)
    poor.earn(10_000)
    assert poor.owed == pytest.approx(1.15 * 4_000 + 0.05 * 10_000 - 100 - 650)
    assert poor.spend(0) == 0


def test_what_folds_have_cost_keeps_no_question_from_its_answer():
    owing = purse(owed=1e9)
    assert (owing.allows, owing.on_credit) == (0, 1_000)
    owing.pay_fold(4_000, 10_000)
    assert (owing.allows, owing.on_credit) == (0, 1_000)


def test_cold_turns_save_more():
    cold, warm = purse(cold_share=0.3), purse()
    cold.earn(4_000)
    warm.earn(4_000)
    assert cold.allows > 2 * warm.allows


def test_who_sets_the_limits_has_decided_what_to_spend():
    for policy in (Policy(fold_at=9_000), Policy.for_budget(4_000)):
        assert purse(-1e9, policy).allows == policy.recall_tokens
        assert purse(-1e9, policy).on_credit == 0


def test_who_asks_just_after_a_fold_is_answered():
    receipts, fake = [], stand_in()
    policy = Policy(clock=fake.clock, prices={DEFAULT: Price.of(2, 10, read=0.05)})
    with memory(policy=policy, on_receipt=receipts.append) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"))
        number = 0
        while not (receipts and receipts[-1].folded):
            number += 1
            chat.say(f"The parcel of {number} weighs {37 * number} grams. " + said(number))
            fake.clock.advance(60)
        for asked in (3, 9):
            chat.say(f"What does the parcel of {asked} weigh?")
            fake.clock.advance(60)
            assert receipts[-1].hits
            assert f"weighs {37 * asked} grams" in str(fake.asked()[-1].body["messages"])


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


@sampled
@pytest.mark.parametrize("read", some([0.1, 0.05, 0.2], step=3))  # of 2 $
def test_a_chat_that_recalls_at_every_turn_costs_no_more_than_its_whole_history(read):
    price = Price.of(2, 10, read=read)
    fake = stand_in()
    receipts = held(True, price, fake)
    assert sum(bool(one.hits) for one in receipts) > 15
    bare = stand_in()
    held(False, price, bare)
    full = sum(
        cost(usage, price)
        for usage in (type(receipts[0].usage).from_api(call.usage) for call in bare.calls)
    )
    assert spent(receipts, price) < full
