"""A text goes in; out come its figures with the units and currencies that stand beside them.

"85 °F" is not what was said where it was "85 °C". Units are of some kinds, temperatures, measures,
signs of money and codes of three capitals, and only compared within one, beside the same figure:
another figure may be converted, and another kind may be the same in other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from turnfold_stores.search.scanning import stretches

from turnfold.language.numerals import Number, readings
from turnfold.language.words import plain

UNIT = r"°\s?[CF]|[ckm]?m[23²³]|(?:[KMGTP]i|[kMGTm])?(?:Wh?|V|A|Hz|B|bit|J|Pa|L|cal)"
"""What an amount is measured in, where its letters are a unit and nothing else."""
_SIGNS = "".join(
    chr(code) for code in range(0x24, 0x20D0) if unicodedata.category(chr(code)) == "Sc"
)
_MEASURED = re.compile(
    rf"(?:(?<![^\W_])(?P<code>[A-Z]{{3}})\s?|(?P<sign>[{_SIGNS}])\s?|(?<![\w.,:]))"
    r"(?P<figure>\d(?:[\d.,:]{0,30}\d)?)(?!\d)"
    rf"(?:\s?(?:(?P<unit>{UNIT}|[ckm]?m|[km]?g)|(?P<code_behind>[A-Z]{{3}}))(?!\w)"
    rf"|\s?(?P<sign_behind>[{_SIGNS}]))?"
)
Units: TypeAlias = dict[str, set[str]]
_BINARY = re.compile(r"^([KMGTP])i(?=[A-Z])")


class Measure(NamedTuple):
    """A figure and what stands beside it.

    Attributes:
        shown: as it is written.
        values: what the figure may mean.
        units: by kind.
    """

    shown: str
    values: frozenset[Number]
    units: Units


def measures(text: str) -> Iterator[Measure]:
    """The figures of a text, in order; it need not be `plain`."""
    for stretch in stretches(text):
        for found in _MEASURED.finditer(plain(stretch)):
            figure = found["figure"]
            values = readings(figure) or {figure.lstrip("0")}
            units: Units = {}
            for place, unit in found.groupdict().items():
                if unit and place != "figure":
                    units.setdefault(_kind_of(place, unit), set()).add(_bare(unit))
            yield Measure(found.group().strip(), frozenset(values), units)


def _kind_of(place: str, unit: str) -> str:
    if place == "unit":
        return "degrees" if unit.startswith("°") else "measure"
    return place.removesuffix("_behind")


def _bare(unit: str) -> str:
    """A unit without a blank; few tell 1,024 from 1,000, "MiB" from "MB"."""
    return _BINARY.sub(r"\1", unit.replace(" ", "")).replace("KB", "kB")


def always_measured(text: str) -> dict[Number, list[Units]]:
    """The figures that never stand in a text without a unit, with the different ones."""
    told: dict[Number, list[Units]] = {}
    alone: set[Number] = set()
    for one in measures(text):
        if not one.units:
            alone |= one.values
            continue
        for value in one.values:
            if one.units not in (there := told.setdefault(value, [])):
                there.append(one.units)
    return {value: units for value, units in told.items() if value not in alone}


def is_changed(kind: str, unit: str, told: Sequence[Units]) -> bool:
    """Whether a figure always had a unit of this kind, and always another one."""
    theirs = [units.get(kind) for units in told]
    return bool(theirs) and all(units and unit not in units for units in theirs)
