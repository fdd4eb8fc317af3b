"""What would be too many to try each time: a sample of it, and in the soak run all."""

import os
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings

SOAK = bool(os.environ.get("TURNFOLD_SOAK"))
Named = tuple[str, Any]
One = TypeVar("One")


def drawn(*, every: Collection[str] = (), **columns: Collection[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by a sample of the combinations of values; in the soak run by all.

    Args:
        every: names of columns each combination of which is drawn.
        **columns: values by the name of the test's argument; of a mapping the keys are for show.
    """
    named = {name: _named(values) for name, values in columns.items()}
    rows = product(*named.values()) if SOAK else sample(named, every)
    marks = [pytest.mark.soak] if SOAK else []
    return pytest.mark.parametrize(
        list(named),
        [
            pytest.param(*[value for _, value in row], id="-".join(shown), marks=marks)
            for row in rows
            if (shown := [name for name, _ in row])
        ],
    )


def examples(few: int, many: int) -> Callable[[Any], Any]:
    """Try a property with few examples; in the soak run, which it becomes a part of, with many.

    Where one fails, one is shown.
    """
    tried = settings(
        max_examples=many if SOAK else few,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        phases=set(Phase) - {Phase.explain},
    )
    return lambda test: sampled(tried(test))


def sampled(test: One) -> One:
    """Mark a test that tries `some` of what there is, so that the soak run has it try all."""
    return pytest.mark.soak(test) if SOAK else test


def some(values: Sequence[One], step: int, first: int = 0) -> Sequence[One]:
    """One of so many values, in the soak run all; for a test that is `sampled`."""
    return values if SOAK else values[first::step]


def sample(columns: Mapping[str, list[Named]], every: Collection[str]) -> Iterator[list[Named]]:
    """As few combinations as have each value of each column, and each of the columns of `every`.

    The same each time: which values meet is chance, and each has its fair share of the others.
    """
    chance = random.Random(1)
    whole = [dict(zip(every, row, strict=True)) for row in product(*(columns[n] for n in every))]
    length = max(len(whole), *map(len, columns.values()))
    rest = {name: _dealt(columns[name], length, chance) for name in columns if name not in every}
    for number in range(length):
        row = {name: dealt[number] for name, dealt in rest.items()} | whole[number % len(whole)]
        yield [row[name] for name in columns]


def _dealt(values: list[Named], length: int, chance: random.Random) -> list[Named]:
    """So many of the values, each as often as the others but one, shuffled round by round."""
    rounds = -(-length // len(values))
    return [one for _ in range(rounds) for one in chance.sample(values, len(values))][:length]


def _named(values: Collection[Any]) -> list[Named]:
    return list(values.items()) if isinstance(values, Mapping) else [(str(v), v) for v in values]
