"""A sample leaves nothing out that it says it has."""

from collections import Counter
from itertools import product

import pytest
from support.drawing import sample

COLUMNS = {
    name: [(f"{name}{n}", n) for n in range(count)]
    for name, count in (("text", 40), ("way", 2), ("speaker", 5), ("place", 3))
}


def columns_of(rows):
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))


@pytest.mark.parametrize("every", [(), ("text", "way"), ("way", "speaker")])
def test_each_value_is_drawn_and_has_its_fair_share(every):
    rows = list(sample(COLUMNS, every))
    assert len(rows) == (80 if "text" in every else 40)
    for name, drawn in columns_of(rows).items():
        often = Counter(drawn)
        assert set(often) == set(COLUMNS[name])
        assert max(often.values()) - min(often.values()) <= 1
    together = {tuple(row[list(COLUMNS).index(name)] for name in every) for row in rows}
    assert together == set(product(*(COLUMNS[name] for name in every)))


def test_it_is_the_same_each_time_and_no_column_goes_in_step_with_another():
    rows = list(sample(COLUMNS, ("text", "way")))
    assert rows == list(sample(COLUMNS, ("text", "way")))
    drawn = columns_of(rows)
    assert len(set(zip(drawn["speaker"], drawn["place"], drawn["way"], strict=True))) >= 25
