"""Structured output: a JSON schema filled with the request's own sentences, in order.

There is no ranking and no knowledge of what will be asked: what is written is what came first,
until the tokens are used up. Of a request that numbers its parts, only those are written.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from turnfold_fake.constraints import (
    constraints_of,
    fitting_number,
    fitting_text,
    formed,
    has_form,
)
from turnfold_fake.references import referred
from turnfold_fake.sentences import Sentence, read_sentences
from turnfold_fake.tokens import count_text

_FRAME = 2


def fill_schema(body: dict[str, Any], most: int) -> str:
    """JSON that fits the request's `output_config.format` schema.

    Args:
        body: A request with a JSON schema as output format.
        most: Largest number of tokens of the answer. What the schema wants at least is written
            even if it is more.

    Returns:
        The JSON text.

    Raises:
        UnfillableError: The schema asks for what no sentence is.
    """
    schema = body["output_config"]["format"].get("schema") or {}
    sentences = list(read_sentences(body))
    numbered = [one for one in sentences if one.mark]
    filling = _Filling(schema, iter(numbered or sentences))
    value = filling.value(schema, "$")
    text = _dump(value)
    used = count_text(text)
    growing = list(filling.arrays)
    while growing:
        array = growing.pop(0)
        item = filling.item(array)
        if item is None:
            continue
        cost = count_text(_dump(item)) + _FRAME
        if used + cost > most:
            break
        used += cost
        array.values.append(item)
        growing.append(array)
    return _dump(value)


@dataclass(frozen=True, slots=True)
class _Array:
    values: list[Any]
    items: dict[str, Any]
    path: str
    most: int


class _Filling:
    """One pass through the sentences."""

    def __init__(self, schema: dict[str, Any], sentences: Iterator[Sentence]) -> None:
        self._root = schema
        self._sentences = sentences
        self._mark = 0
        self._ended = False
        self._turns: Counter[str] = Counter()
        self.arrays: list[_Array] = []

    def item(self, array: _Array) -> Any:
        """One more item of an array; None where it is full or nothing is left to say."""
        if len(array.values) >= array.most or self._ended:
            return None
        if not self._speaks(array.items, 0):
            # Items without text would go on for ever.
            return self.value(array.items, array.path, nested=True) if not array.values else None
        item = self.value(array.items, array.path, nested=True)
        return None if self._ended else item

    def value(self, schema: dict[str, Any], path: str, *, nested: bool = False) -> Any:
        """The value for one schema."""
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            self._turns[path] += 1
            return schema["enum"][(self._turns[path] - 1) % len(schema["enum"])]
        kind = _kind(schema)
        if kind == "object":
            fields = schema.get("properties") or {}
            # Texts first: numbers name the sentence they stand with, whatever the order.
            order = sorted(fields, key=lambda name: not self._speaks(fields[name], 0))
            made = {
                name: self.value(fields[name], f"{path}.{name}", nested=nested) for name in order
            }
            # An empty list that nobody asked for is not written.
            wanted = schema.get("required", fields)
            return {name: made[name] for name in fields if name in wanted or made[name] != []}
        if kind == "array":
            return self._array(schema, path, nested=nested)
        if kind == "string":
            return self._text(schema, path)
        if kind in ("integer", "number"):
            return fitting_number(self._mark, schema, path, whole=kind == "integer")
        return {"boolean": False}.get(kind)

    def _array(self, schema: dict[str, Any], path: str, *, nested: bool) -> list[Any]:
        items = self._resolve(schema.get("items") or {})
        sizes = constraints_of(schema)
        least, most = int(sizes.get("minItems", 0)), int(sizes.get("maxItems", 1_000_000))
        if nested:
            wanted = max(least, min(most, 1 if _kind(items) == "integer" else 0))
            return [self.value(items, f"{path}[]", nested=True) for _ in range(wanted)]
        values = [self.value(items, f"{path}[]", nested=True) for _ in range(least)]
        self.arrays.append(_Array(values, items, f"{path}[]", most))
        return values

    def _text(self, schema: dict[str, Any], path: str) -> str:
        if has_form(schema):
            return formed(schema)
        sentence = next(self._sentences, None)
        if sentence is None:
            # An item that there is no sentence for is left out, whatever it would have said.
            self._ended = True
            return "" if "[]" in path else fitting_text("", schema, path)
        self._mark = sentence.mark
        return fitting_text(sentence.text, schema, path)

    def _speaks(self, schema: dict[str, Any], depth: int) -> bool:
        schema = self._resolve(schema)
        if "const" in schema or "enum" in schema or depth > 8:
            return False
        kind = _kind(schema)
        if kind == "object":
            fields = (schema.get("properties") or {}).values()
            return any(self._speaks(each, depth + 1) for each in fields)
        return kind == "string" and not has_form(schema)

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(32):
            if "$ref" in schema:
                schema = referred(self._root, schema["$ref"])
            elif choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                schema = next((each for each in choices if each.get("type") != "null"), choices[0])
            else:
                break
        return schema


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, list):
        return next((str(each) for each in kind if each != "null"), "null")
    return str(kind)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
