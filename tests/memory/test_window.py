"""When to fold: only where it pays, at the moment it pays best; and never beyond a limit."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chats import Chat, chats, history, memory, said, stand_in
from support.drawing import examples
from support.embedders import HashedWords
from support.models import DEFAULT, LEAST_BIG_WINDOW, SMALL_WINDOW
from turnfold import Memory, Policy
from turnfold.accounting.context_windows import context_window
from turnfold.accounting.prices import Price
from turnfold.errors import PolicyError
from turnfold.folding.rule import (
    LEAST_PROMPT,
    MOST_PROMPT,
    FoldForecast,
    PromptSizes,
    Rates,
    fold_until,
    folding_pays,
)

WARM = Rates(read=0.1, write=1.25, summary=0.05, notes=0.25)
HAIKU_4_5 = Rates(read=0.1, write=1.25, summary=0.5, notes=2.5)
UNCACHED = Rates(read=1.0, write=1.0, summary=0.05, notes=0.25)


def outlook(removed, **changes):
    usual = {
        "rewritten": 3_000,
        "context": 1_500,
        "notes": 500,
        "growth": 500,
        "requests": 1_000,
    }
    return FoldForecast(removed=removed, **{**usual, **changes})


def standing(exchanges, size=500, **changes):
    usual = {
        "sizes": [size] * exchanges + [100],
        "requests": [1] * (exchanges + 1),
        "window": 0,
        "first": 0,
        "fixed": 0,
        "summary": 0,
        "recalled": (),
        "ceiling": 1_000_000,
    }
    return PromptSizes(**{**usual, **changes})


def folds_first_at(rates, **changes):
    """How many requests' growth stands in the prompt when the rule first says so."""
    growth = changes.get("growth", 500)
    return next(k for k in range(1, 5_000) if folding_pays(outlook(k * growth, **changes), rates))


@examples(few=60, many=1_000)
@given(
    read=st.sampled_from([0.025, 0.05, 0.1, 0.25]),
    rewritten=st.integers(500, 20_000),
    growth=st.integers(100, 5_000),
    summary=st.sampled_from([0.0, 0.05, 0.5]),
    cold_share=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_a_fold_is_due_at_the_interval_that_costs_least(
    read, rewritten, growth, summary, cold_share
):
    """Against the cost of every interval, added up request by request."""
    rates = Rates(read, 1.25, summary, 0.0)
    changes = {"rewritten": rewritten, "growth": growth, "cold_share": cold_share}
    due = folds_first_at(rates, requests=10**9, **changes)
    held = read + cold_share * (1.25 - read)
    once = (1.25 - read) * rewritten + summary * 1_500

    def a_request(k):
        return (once + held * growth * sum(range(k))) / k

    best = min(range(1, 500), key=a_request)
    if due > max(3, 1_000 / growth + 1):  # else the least leaf, or one request more, decides
        assert a_request(due) <= 1.1 * a_request(best)


def test_a_conversation_that_may_soon_end_is_not_folded():
    assert not folding_pays(outlook(10_000, requests=2), WARM)
    assert folding_pays(outlook(10_000, requests=200), WARM)


def test_a_dear_summarizer_must_earn_more():
    requests = 8
    assert folding_pays(outlook(10_000, requests=requests), WARM)
    assert not folding_pays(outlook(10_000, requests=requests), HAIKU_4_5)


def test_cheaper_reads_make_longer_epochs():
    intervals = [folds_first_at(Rates(read=read), growth=500) for read in (0.2, 0.1, 0.05, 0.025)]
    assert intervals == sorted(intervals)
    assert intervals[-1] > 2 * intervals[0]


def test_what_is_held_costs_more_where_turns_are_often_cold():
    assert folds_first_at(WARM, cold_share=0.3) < folds_first_at(WARM)


def test_the_moment_the_cache_has_run_out_is_cheap():
    small = outlook(2_000, cold=True)
    assert folding_pays(small, WARM)
    assert not folding_pays(outlook(2_000), WARM)


def test_without_a_cache_only_the_summarizer_costs():
    assert folding_pays(outlook(2_000), UNCACHED)


def test_less_than_a_leaf_is_not_worth_a_summary():
    assert not folding_pays(outlook(900, cold=True), UNCACHED)


def test_in_a_hurry_it_need_only_pay():
    early = outlook(2_000)
    assert folding_pays(early, WARM, hurry=True)
    assert not folding_pays(outlook(2_000, requests=1), WARM, hurry=True)


def test_auto_leaves_a_small_prompt_alone_whatever_the_prices():
    policy = Policy()
    below = LEAST_PROMPT // 500 - 1
    assert fold_until(standing(below), policy, UNCACHED) == (0, "")
    until, why = fold_until(standing(below + 10), policy, UNCACHED)
    assert until > 0
    assert "pays" in why


def test_the_system_prompt_is_no_reason_to_fold():
    assert fold_until(standing(8, fixed=50_000), Policy(), UNCACHED) == (0, "")


def test_a_prompt_over_the_most_waits_for_no_better_moment():
    dear = Rates(read=0.001, write=1.25)
    exchanges = 2 * MOST_PROMPT // 500
    calm = standing(100)
    assert fold_until(calm, Policy(), dear)[0] == 0
    large = standing(exchanges, requests=[100] * (exchanges + 1))
    assert fold_until(large, Policy(), dear)[0] > 0


def test_what_may_not_be_is_folded_away_though_it_does_not_pay():
    free = Rates(read=0.0, write=1.25)
    assert fold_until(standing(100), Policy(), free)[0] == 0
    until, why = fold_until(standing(100, ceiling=40_000), Policy(), free)
    assert until == 95
    assert "40000" in why


def test_requests_count_not_turns():
    """A turn of thirty tool calls reads the prompt thirty times."""
    few = standing(24)
    many = standing(24, requests=[30] * 25)
    assert fold_until(few, Policy(), Rates(read=0.03))[0] == 0
    assert fold_until(many, Policy(), Rates(read=0.03))[0] > 0


def test_rates_follow_from_prices():
    chat, writer = Price.of(2, 10, read=0.2), Price.of(0.1, 0.5, read=0.01)
    assert Rates.of(chat, writer) == Rates(0.1, 1.25, 0.05, 0.25)
    assert Rates.of(chat, writer, an_hour=True).write == 2.0
    assert Rates.of(chat, writer, cached=False) == Rates(1.0, 1.0, 0.05, 0.25)
    assert Rates.of(None, None) == Rates()


TIERED = Price.of(1, 5, read=0.125).with_tiers([(100_000, Price.of(5, 25, read=0.625))])


def test_rates_of_a_long_prompt_are_those_of_its_tier():
    assert Rates.of(TIERED, TIERED, prompt=100_000) == Rates(0.125, 1.25, 1.0, 5.0)
    long = Rates.of(TIERED, TIERED, prompt=100_001)
    assert long == Rates(0.625, 6.25, 1.0, 5.0, above=100_000, read_below=0.125)
    assert Rates.of(TIERED, None, cached=False, prompt=100_001).read == 5.0


def test_a_fold_pays_that_brings_the_prompt_to_a_cheaper_tier():
    """What stays then costs a fifth, too: few requests will do."""
    prompt = standing(3, size=40_000, requests=[2, 2, 1, 1])
    rates = Rates.of(TIERED, TIERED, prompt=prompt.prompt)
    flat = Rates(rates.read, rates.write, rates.summary, rates.notes)
    assert fold_until(prompt, Policy(), flat)[0] == 0
    assert fold_until(prompt, Policy(), rates)[0] > 0


@pytest.mark.parametrize(
    ("model", "window"),
    [
        (DEFAULT, 1_000_000),
        (f"us.anthropic.{SMALL_WINDOW}-20251001-v1:0", 200_000),
        (LEAST_BIG_WINDOW, 1_000_000),
        (f"{SMALL_WINDOW}@20251101", 200_000),
        ("someone-elses", 200_000),
    ],
)
def test_the_window_of_a_model(model, window):
    assert context_window(model) == window


# --- in the middleware ------------------------------------------------------------------------


def folds_of(policy, turns=120, seconds=60, **fields):
    fake = stand_in()
    receipts = []
    policy = Policy(**{"clock": fake.clock, "recall_tokens": 0, **policy})
    with memory(policy=policy, on_receipt=receipts.append) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"), **fields)
        for number in range(turns):
            chat.say(said(number) * 3)
            fake.clock.advance(seconds)
    return receipts


def test_by_default_it_folds_when_it_pays_and_says_so():
    receipts = folds_of({})
    reasons = [one.fold_reason for one in receipts if one.folded]
    assert reasons
    assert all("it is due" in why for why in reasons)
    assert max(one.tokens.sent for one in receipts) < 20_000


def test_a_pause_is_taken_to_fold():
    receipts = folds_of({}, seconds=600)
    assert any("the cache has run out" in one.fold_reason for one in receipts)


def test_workers_that_share_a_store_decide_as_one_would(tmp_path):
    """Measured growth, cold turns and prices come from the ledger, not from a process."""

    def requests(stores, fake):
        policy = Policy(clock=fake.clock)
        workers = [memory(store, policy=policy) for store in stores]
        messages = []
        for number in range(100):
            client = workers[number % len(workers)].wrap(fake.client(), conversation="c")
            chat = Chat(client, messages)
            chat.say(said(number) * 3)
            messages = chat.messages
            fake.clock.advance(600 if number % 9 == 8 else 60)
        for one in workers:
            one.close()
        return chats(fake)

    alone = requests([f"sqlite:{tmp_path / 'a.db'}"], stand_in(seed=1))
    shared = requests([f"sqlite:{tmp_path / 'b.db'}"] * 3, stand_in(seed=1))
    assert alone == shared
    assert any("Notes on earlier turns" in json.dumps(body) for body in alone)


def test_your_own_prices_decide():
    free = {DEFAULT: Price.of(2, 10, read=0.0)}
    assert not any(one.folded for one in folds_of({"prices": free}))
    receipts = folds_of({"prices": {"claude-sonnet": Price.of(2, 10, read=2.0)}})
    assert any(one.folded for one in receipts)
    last = receipts[-1]
    assert last.cost is not None
    assert last.cost > 0


def test_no_prompt_passes_the_most_it_may_have():
    free = {DEFAULT: Price.of(2, 10, read=0.0)}
    receipts = folds_of({"prices": free, "max_prompt_tokens": 9_000})
    assert any("the most it may have, 9000" in one.fold_reason for one in receipts)
    assert max(one.usage.prompt_tokens for one in receipts) <= 9_000


def test_the_answer_needs_room_in_the_window_of_the_model():
    free = {SMALL_WINDOW: Price.of(2, 10, read=0.0)}
    fields = {"model": SMALL_WINDOW, "max_tokens": 9_000}
    big = [{"role": "user", "content": said(1) * 400}, {"role": "assistant", "content": "Yes."}]
    fake = stand_in()
    receipts = []
    with memory(policy=Policy(prices=free), on_receipt=receipts.append) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"), [*big * 6], **fields)
        chat.say("And?")
        assert not receipts[-1].folded
        chat = Chat(kept.wrap(fake.client(), conversation="d"), [*big * 9], **fields)
        chat.say("And?")
    assert "191000" in receipts[-1].fold_reason


# --- a budget ---------------------------------------------------------------------------------


def characters(text):
    return math.ceil(len(text) / 4)


def spent(body):
    """What stands in a request besides its newest text, at four characters a token."""
    *before, newest = body["messages"]
    content = newest["content"]
    ours = content if isinstance(content, str) else content[:-1]
    texts = [message["content"] for message in before] + ([] if ours == content else [ours])
    plain = [
        text if isinstance(text, str) else "".join(block.get("text", "") for block in text)
        for text in texts
    ]
    return characters("".join(plain))


turns = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 60)), min_size=1, max_size=30)


@examples(few=6, many=60)
@given(turns, st.sampled_from([500, 1_000, 2_000]), st.sampled_from(["before_window", "append"]))
def test_all_but_the_newest_message_fits_the_budget(sizes, budget, placement):
    messages = []
    for number, (asked, told) in enumerate(sizes):
        messages.append({"role": "user", "content": said(number, "asked") * asked})
        messages.append({"role": "assistant", "content": said(number, "told") * told})
    fake = stand_in()
    policy = Policy.for_budget(budget, count_tokens=characters, placement=placement)
    with Memory("memory:", policy=policy, embedder=HashedWords()) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"), messages)
        for number in range(9):
            chat.say(said(number) * 3)
    assert [spent(body) for body in chats(fake) if spent(body) > budget] == []


def test_a_budget_holds_where_what_is_recalled_stays():
    fake = stand_in()
    policy = Policy.for_budget(
        2_000, count_tokens=characters, placement="append", recall_floor=-1.0
    )
    with memory(policy=policy) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"), history(80))
        for number in range(9):
            chat.say(said(number) + said(number, "more") * 6)
    sizes = [spent(body) for body in chats(fake)]
    assert max(sizes) <= 2_000
    assert min(sizes) > 300, "something is recalled each time"


def test_a_budget_is_used_for_what_bears_on_the_message():
    fake = stand_in()
    policy = Policy.for_budget(1_500, count_tokens=characters, recall_floor=-1.0)
    receipts = []
    with memory(policy=policy, on_receipt=receipts.append) as kept:
        chat = Chat(kept.wrap(fake.client(), conversation="c"), history(200))
        chat.say(said(17))
    assert said(17) in json.dumps(chats(fake)[-1]["messages"][-1])
    assert 900 < spent(chats(fake)[-1]) <= 1_500
    assert 17 in {hit.turn for hit in receipts[-1].hits}


@pytest.mark.parametrize("tokens", [499, 0, -1, 2.5, True, None, "8k"])
def test_a_budget_must_hold_something(tokens):
    with pytest.raises(PolicyError, match="at least 500"):
        Policy.for_budget(tokens)


def test_a_budget_takes_other_settings():
    policy = Policy.for_budget(4_000, summary_tokens=600, scope="user")
    assert (policy.budget, policy.summary_tokens, policy.scope) == (4_000, 600, "user")
