"""Schemas of any kind: what is filled passes the caller's own parser, or it is said why not."""

import datetime as dt
import ipaddress
import json
import uuid
from typing import Annotated, Literal

import anthropic
import pytest
from pydantic import BaseModel, Field
from support.models import DEFAULT
from turnfold_fake import FakeClaude

TEXT = "The invoice of Ada is due on 3 May. It has 5 lines. Pay it."


def asked(**more):
    return {
        "model": DEFAULT,
        "max_tokens": 2_000,
        "messages": [{"role": "user", "content": TEXT}],
        **more,
    }


def parsed(wanted):
    """What the SDK's own parser makes of the answer."""
    with FakeClaude().client(max_retries=0) as client:
        return client.messages.parse(**asked(output_format=wanted)).parsed_output


def raw(schema):
    """The answer to a schema that no SDK has been at."""
    wanted = {
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "additionalProperties": False,
    }
    config = {"format": {"type": "json_schema", "schema": wanted}}
    with FakeClaude().client(max_retries=0) as client:
        answer = client.messages.create(**asked(output_config=config))
    return json.loads(answer.content[-1].text)["it"]


@pytest.mark.parametrize(
    "kind",
    [
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        uuid.UUID,
        ipaddress.IPv4Address,
        ipaddress.IPv6Address,
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(le=-3)],
        Annotated[int, Field(gt=7, lt=9)],
        Annotated[int, Field(multiple_of=7, gt=3)],
        Annotated[float, Field(gt=0, lt=1)],
        Annotated[float, Field(gt=0)],
        Annotated[float, Field(lt=0, description="Below {nought}.")],
        Annotated[str, Field(min_length=99)],
        Annotated[str, Field(max_length=3)],
        Annotated[str, Field(pattern="^[A-Z][a-z]{1,9} [a-z]")],
        Annotated[list[str], Field(min_length=3)],
        Annotated[list[int], Field(max_length=1)],
        Literal["a", "b"],
        dt.date | None,
    ],
)
def test_what_the_sdk_is_asked_for_is_parsed(kind):
    class Wanted(BaseModel):
        title: str
        it: kind
        items: list[kind]

    assert isinstance(parsed(Wanted), Wanted)


def test_a_text_of_a_form_is_no_sentence():
    class Line(BaseModel):
        due: dt.date
        text: str

    class Wanted(BaseModel):
        lines: list[Line]
        dates: list[dt.date]

    answer = parsed(Wanted)
    assert [one.text for one in answer.lines] == TEXT.replace(". ", ".|").split("|")
    assert len(answer.dates) == 1, "there is no end to them"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "format": "email"}, "someone@example.com"),
        ({"type": "string", "format": "uri"}, "https://example.com/"),
        ({"type": "string", "format": "text"}, "The invoice of Ada is due on 3 May."),
        ({"type": "integer", "minimum": 4, "maximum": 5}, 4),
        ({"type": "integer", "exclusiveMaximum": 0, "multipleOf": 3}, -3),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "integer", "description": "Between {minimum: 2} and more."}, 0),
    ],
)
def test_keywords_hold_where_they_stand(schema, value):
    assert raw(schema) == value


@pytest.mark.parametrize(
    ("schema", "tells"),
    [
        ({"type": "string", "pattern": "^[a-z]+@x$"}, r"\$.it has to match the pattern '\^\[a-z\]"),
        ({"type": "string", "description": "{pattern: ^[0-9]{4}$}"}, "has to match the pattern"),
        ({"type": "string", "pattern": "("}, "has to match the pattern"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, r"\$.it has to be a number that is none"),
        ({"type": "integer", "minimum": 1, "maximum": 6, "multipleOf": 7}, "a number that is none"),
    ],
)
def test_what_cannot_be_made_up_is_said(schema, tells):
    with pytest.raises(anthropic.InternalServerError, match=tells):
        raw(schema)


def test_who_scripts_the_answer_may_ask_for_anything():
    class Wanted(BaseModel):
        email: str = Field(pattern="^[a-z]+@x$")

    with FakeClaude(summary='{"email": "ada@x"}').client() as client:
        answer = client.messages.parse(**asked(output_format=Wanted))
    assert answer.parsed_output == Wanted(email="ada@x")


class Node(BaseModel):
    name: str
    after: "Node | None" = None


def test_a_model_that_holds_itself():
    with pytest.raises(anthropic.BadRequestError, match="Recursive schemas are not supported"):
        parsed(Node)


@pytest.mark.parametrize(
    ("ref", "tells"),
    [
        ("#", "Recursive schemas are not supported: '#'"),
        ("#/properties/it", "Recursive schemas are not supported: '#/properties/it'"),
        ("#/properties/it/anyOf/0", "Recursive schemas are not supported"),
        ("#/$defs/nosuch", "'#/$defs/nosuch' refers to nothing in it"),
        ("#/properties/it/anyOf/7", "refers to nothing in it"),
        ("#/required", "refers to nothing in it"),
        ("https://example.com/schema.json", "refers to nothing in it"),
        (7, "7 refers to nothing in it"),
    ],
)
def test_references_that_lead_nowhere(ref, tells):
    with pytest.raises(anthropic.BadRequestError) as refused:
        raw({"anyOf": [{"$ref": ref}, {"type": "null"}]})
    assert tells in refused.value.body["error"]["message"]


def test_references_that_lead_somewhere():
    """Twice to the same, one by way of the other, and a property of that name."""
    named = {"type": "string", "maxLength": 11}
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/properties/it/$defs/x~1y"},
            "b": {"$ref": "#/properties/it/$defs/x~1y"},
            "$ref": {"type": "boolean"},
        },
        "$defs": {"x/y": {"$ref": "#/properties/it/$defs/named"}, "named": named},
        "additionalProperties": False,
    }
    assert raw(schema) == {"a": "The invoice", "b": "It has 5 li", "$ref": False}
