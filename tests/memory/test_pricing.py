"""What a request costs at list price."""

import pytest
from support.models import DEFAULT, LARGEST, MAJOR, SMALL_WINDOW, UNKNOWN
from turnfold.accounting.prices import Price, Usage, cost, price_of


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        (LARGEST, LARGEST),
        (MAJOR, MAJOR),
        (f"{MAJOR}-20260101", MAJOR),
        (f"us.anthropic.{LARGEST}-20260901-v1:0", LARGEST),
        (f"anthropic.{DEFAULT}", DEFAULT),
        (f"{SMALL_WINDOW}@20251001", SMALL_WINDOW),
    ],
)
def test_a_clouds_prefix_and_a_date_do_not_matter(name, known_as):
    assert price_of(name) == price_of(known_as)
    assert price_of(name) is not None


def test_models_have_their_own_prices():
    assert price_of(LARGEST) != price_of(MAJOR)


@pytest.mark.parametrize("name", ["", "gpt", UNKNOWN, "my-model"])
def test_a_model_that_is_not_known_has_no_price(name):
    assert price_of(name) is None


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
