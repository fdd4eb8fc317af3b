"""The words by which a text shows that it is not its sender's: in many languages, few of each.

They stand in `voice_marks.toml` and are matched against `plainly` written text. What stands
between marks is told without words (`voice.py`).
"""

from __future__ import annotations

import re

from turnfold_stores.cached_value import cached_property

from turnfold.instructions.phrases import any_of, words_of
from turnfold.language.tables import table

_ENDS_LINE = r"(?=\s*(?:[,!.，、]|$)|\s+\w+(?:\s\w+)?[.!]?$)"


class _Marks:
    """The words as patterns, read when first needed."""

    @cached_property
    def _words(self) -> dict[str, str]:
        return table("voice_marks.toml")

    @cached_property
    def address(self) -> re.Pattern[str]:
        """How a letter begins."""
        return any_of(self._words["address"])

    @cached_property
    def greeting(self) -> re.Pattern[str]:
        """How people greet, and thank."""
        return any_of(self._words["greeting"])

    @cached_property
    def close(self) -> re.Pattern[str]:
        """How a letter ends: alone on its line, or with a name."""
        return any_of(self._words["close"], after=_ENDS_LINE)

    @cached_property
    def own_matter(self) -> frozenset[str]:
        """What the user's own introductions speak of: rules, wishes."""
        return words_of(self._words["own_matter"])

    @cached_property
    def own_introduction(self) -> frozenset[str]:
        """All words that may stand in such an introduction."""
        return self.own_matter | words_of(self._words["own_introduction"])

    @cached_property
    def pointing(self) -> re.Pattern[str]:
        """What points to a text: this, the following."""
        return any_of(self._words["pointing"])

    @cached_property
    def task(self) -> re.Pattern[str]:
        """What is to be done with one: translate, what does it mean."""
        return any_of(self._words["task"])

    @cached_property
    def document(self) -> re.Pattern[str]:
        """What names one that was passed on: this mail."""
        return any_of(self._words["document"])

    @cached_property
    def presenting(self) -> re.Pattern[str]:
        """How one is presented, where its text is below: my landlord sent me."""
        return any_of(self._words["presenting"])

    @cached_property
    def goes_on(self) -> re.Pattern[str]:
        """What people begin with who have something to add: and, by the way."""
        return any_of(self._words["goes_on"])


MARKS = _Marks()
