"""A text goes in; out come its figures with the units and currencies that stand beside them.

"85 °F" is not what was said where it was "85 °C". Units are of some kinds, temperatures, measures,
signs of money and codes of three capitals, and only compared within one, beside the same figure:
another figure may be converted, and another kind may be the same in other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from turnfold_stores.search.scanning import stretches

from turnfold.language.numerals import Number, readings
from turnfold.language.words import plain

UNIT = r"°\s?[CF]|[ckm]?m[23²³]|(?:[KMGTP]i|[kMGTm])?(?:Wh?|V|A|Hz|B|bit|J|Pa|L|cal)"
"""What an amount is measured in, where its letters are a unit and nothing else."""
UNITS_BEGIN = "°cmkKMGTPWVAHBbJL"
"""What these begin with."""
_SIGNS = "".join(
    chr(code) for code in range(0x24, 0x20D0) if unicodedata.category(chr(code)) == "Sc"
)
_MEASURED = re.compile(
    rf"(?:(?<![^\W_])(?P<code>[A-Z]{{3}})\s?|(?P<sign>[{_SIGNS}])\s?|(?<![\w.,:]))"
    r"(?P<figure>\d(?:[\d.,:]{0,30}\d)?)(?!\d)"
    rf"(?:\s?(?:(?P<unit>{UNIT}|[ckm]?m|[km]?g)|(?P<code_behind>[A-Z]{{3}}))(?!\w)"
    rf"|\s?(?P<sign_behind>[{_SIGNS}]))?"
)
# What stands in every text in which `_MEASURED` finds a unit, on either side of a figure.
_UNIT_BEHIND = re.compile(
    rf"\d\s?+(?=[{UNITS_BEGIN}A-Zg{_SIGNS}])(?:(?:{UNIT}|[ckm]?m|[km]?g|[A-Z]{{3}})(?!\w)|[{_SIGNS}])"
)
_UNIT_BEFORE = re.compile(rf"[A-Z{_SIGNS}](?:(?<=[A-Z])[A-Z]{{2}}|(?<=[{_SIGNS}]))\s?\d")
Units: TypeAlias = dict[str, set[str]]
_FIGURE = _MEASURED.groupindex["figure"] - 1
_PLACES = {place: at for place, at in _MEASURED.groupindex.items() if place != "figure"}
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
            yield Measure(found.group().strip(), _values(found["figure"]), _units(found.groups("")))


def _values(figure: str) -> frozenset[Number]:
    """What a figure may mean."""
    return frozenset(readings(figure) or {figure.lstrip("0")})


def _units(groups: Sequence[str]) -> Units:
    """The units in what the groups of `_MEASURED` found; "" where they found nothing."""
    units: Units = {}
    for place, at in _PLACES.items():
        if unit := groups[at - 1]:
            units.setdefault(_kind_of(place, unit), set()).add(_bare(unit))
    return units


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
    without: list[str] = []
    alone: set[str] = set()
    for stretch in stretches(text):
        shown = plain(stretch)
        if not _UNIT_BEHIND.search(shown) and not _UNIT_BEFORE.search(shown):
            without.append(stretch)
            continue
        # Of figures with the same beside them one is looked at, in each stretch.
        for groups in dict.fromkeys(_MEASURED.findall(shown)):
            if not (units := _units(groups)):
                alone.add(groups[_FIGURE])
                continue
            for value in _values(groups[_FIGURE]):
                if units not in (there := told.setdefault(value, [])):
                    there.append(units)
    if told:
        for stretch in without:
            alone.update(groups[_FIGURE] for groups in _MEASURED.findall(plain(stretch)))
        for value in chain.from_iterable(map(_values, alone)):
            told.pop(value, None)
    return told


def is_changed(kind: str, unit: str, told: Sequence[Units]) -> bool:
    """Whether a figure always had a unit of this kind, and always another one."""
    theirs = [units.get(kind) for units in told]
    return bool(theirs) and all(units and unit not in units for units in theirs)
