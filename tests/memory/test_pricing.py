"""What a request costs at list price."""

import logging
from datetime import timedelta
from typing import get_args

import pytest
from anthropic.types.model import Model
from genai_prices import Usage as ListUsage
from genai_prices import calc_price
from support.chats import ask, history, memory, stand_in
from support.models import (
    DEAREST,
    DEFAULT,
    LARGEST,
    LIST_PRICES,
    MAJOR,
    PRICED_AS_ANOTHER,
    SMALL_WINDOW,
    TIERED,
    UNKNOWN,
    UNPRICED,
)
from turnfold.accounting.account import Account
from turnfold.accounting.price_list import looked_up, stale
from turnfold.accounting.prices import NEUTRAL, Price, Usage, cost, price_of
from turnfold.accounting.receipt import Tokens

NAMED_BY_THE_SDK = [name for part in get_args(Model) for name in get_args(part)]


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        (LARGEST, LARGEST),
        (MAJOR, MAJOR),
        (f"{MAJOR}-20260101", MAJOR),
        (f"us.anthropic.{LARGEST}-20260901-v1:0", LARGEST),
        (f"anthropic.{DEFAULT}", DEFAULT),
        (f"{SMALL_WINDOW}@20251001", SMALL_WINDOW),
        (f"global.anthropic.{DEFAULT}-20260901-v1:0", DEFAULT),
        (f"anthropic/{DEFAULT}", DEFAULT),
        (f"vertex_ai/{TIERED}@20261001", TIERED),
        (f"{LARGEST}-v1:0", LARGEST),
        ("anthropic/" + LARGEST.replace("5-5", "5.5"), LARGEST),
        (PRICED_AS_ANOTHER, DEAREST),
    ],
)
def test_a_clouds_prefix_and_a_date_do_not_matter(name, known_as):
    assert price_of(name) == price_of(known_as)
    assert price_of(name) is not None


def test_models_have_their_own_prices():
    assert price_of(LARGEST) != price_of(MAJOR)


@pytest.mark.parametrize(
    "name", ["", "gpt", UNKNOWN, UNPRICED, f"{MAJOR}-7", f"{MAJOR}1", "my-model", "qwen2.5-coder"]
)
def test_a_model_that_is_not_known_has_no_price(name):
    """Neither has one whose name only begins like that of a model with a price."""
    assert price_of(name) is None


@pytest.mark.parametrize("name", LIST_PRICES)
def test_list_prices_are_those_of_the_provider(name):
    price = price_of(name)
    assert (price.input, price.output, price.write_5m, price.write_1h, price.read) == (
        LIST_PRICES[name]
    )


@pytest.mark.parametrize("prompt", [10_000, 100_000, 100_001, 400_000])
@pytest.mark.parametrize("name", sorted({*NAMED_BY_THE_SDK, *LIST_PRICES}))
def test_every_model_the_sdk_names_costs_what_the_list_says(name, prompt):
    used = Usage(prompt // 4, prompt // 4, prompt // 4, prompt - 3 * (prompt // 4), 1_000)
    try:
        listed = calc_price(
            ListUsage(
                input_tokens=used.prompt_tokens,
                cache_read_tokens=used.cache_read,
                cache_write_tokens=used.cache_write_5m + used.cache_write_1h,
                cache_write_1h_tokens=used.cache_write_1h,
                output_tokens=used.output_tokens,
            ),
            name,
            provider_id="anthropic",
        )
    except LookupError:
        assert name == PRICED_AS_ANOTHER or price_of(name) is None
    else:
        assert cost(used, price_of(name)) == pytest.approx(float(listed.total_price))


def test_prices_of_ones_own_go_before_the_list_by_the_longest_beginning():
    own = {"claude-": Price.of(1, 1, 1), LARGEST: Price.of(2, 2, 2), "us.": Price.of(3, 3, 3)}
    assert price_of(DEFAULT, own).input == 1
    assert price_of(f"anthropic.{LARGEST}-v1:0", own).input == 2
    assert price_of("us.nobody", own).input == 3
    assert price_of(SMALL_WINDOW, {"gpt": NEUTRAL}) == price_of(SMALL_WINDOW)


def test_past_a_tier_every_token_of_the_request_costs_more():
    price = price_of(TIERED)
    short, long = Usage(90_000, cache_read=10_000), Usage(90_000, cache_read=10_001)
    assert cost(short, price) == pytest.approx((90_000 * 0.10 + 10_000 * 0.01) / 1e6)
    assert cost(long, price) == pytest.approx((90_000 * 0.50 + 10_001 * 0.05) / 1e6)
    assert [tier.above for tier in price.tiers] == [100_000]
    assert price.with_read(0.2).at(200_000).read == pytest.approx(0.2 * 0.50)


def receipt_of(account, usage, model, *, full=0):
    return account.receipt(
        model=model,
        user_id="ada",
        conversation="c",
        turn=1,
        in_memory=0,
        tokens=Tokens(window=usage.prompt_tokens, full=full or usage.prompt_tokens),
        usage=usage,
        hits=(),
    )


def test_a_receipt_tells_each_request_by_its_own_tier():
    account = Account()
    for _ in range(2):
        account.spent_on_summary(TIERED, Usage(60_000))
    receipt = receipt_of(account, Usage(100_000), TIERED, full=200_000)
    assert receipt.cost == pytest.approx((2 * 60_000 + 100_000) * 0.10 / 1e6)
    assert receipt.full_cost == pytest.approx(200_000 * 0.50 / 1e6)
    assert receipt.unpriced == ()


def test_a_receipt_names_every_model_whose_price_is_unknown():
    account, later = Account(), Account()
    account.spent_on_summary("my-writer", Usage(10))
    later.take_over(account)
    receipt = receipt_of(later, Usage(10), UNKNOWN)
    assert receipt.cost is receipt.full_cost is receipt.saved is None
    assert receipt.unpriced == (UNKNOWN, "my-writer")
    assert receipt_of(Account(), Usage(10), DEFAULT).unpriced == ()


def test_an_unknown_price_is_told_in_the_log_once(caplog):
    receipts = []
    with memory(on_receipt=receipts.append) as one, caplog.at_level(logging.WARNING, "turnfold"):
        client = one.wrap(stand_in().client(), conversation="c")
        for exchanges in range(3):
            client.messages.create(**{**ask(history(exchanges)), "model": UNPRICED})
    assert [one.unpriced for one in receipts] == [(UNPRICED,)] * 3
    assert [line for line in caplog.messages if "price" in line and UNPRICED in line] == [
        caplog.messages[0]
    ]


def test_the_list_says_how_old_it_is():
    newest = looked_up()
    assert stale(newest + timedelta(days=60)) == ""
    assert "61 days old" in stale(newest + timedelta(days=61))


def test_cost_is_the_sum_of_its_parts():
    price = Price(input=1, output=10, write_5m=100, write_1h=1_000, read=10_000)
    usage = Usage(input_tokens=5, output_tokens=4, cache_write_5m=3, cache_write_1h=2, cache_read=1)
    assert cost(usage, price) == pytest.approx((5 + 40 + 300 + 2_000 + 10_000) / 1e6)
    assert cost(Usage(), price) == 0


def test_writing_costs_a_quarter_more_than_reading_nothing_and_twice_for_an_hour():
    price = Price.of(4, 20, 0.4)
    assert (price.write_5m, price.write_1h) == (5, 8)


def test_usage_is_read_as_the_api_tells_it():
    told = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 10},
    }
    usage = Usage.from_api(told)
    assert usage == Usage(10, 30, 40, 10, 20)
    assert usage.prompt_tokens == 90
    assert usage + usage == Usage(20, 60, 80, 20, 40)


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"input_tokens": None, "cache_creation": None, "cache_read_input_tokens": None},
    ],
)
def test_what_the_api_does_not_tell_counts_nothing(told):
    assert Usage.from_api(told) == Usage()


def test_a_write_without_detail_is_one_of_five_minutes():
    assert Usage.from_api({"cache_creation_input_tokens": 7}) == Usage(cache_write_5m=7)
