"""Each rule the API keeps: what it refuses, and what it accepts close by."""

import anthropic
import pytest
from support.models import (
    ALWAYS_THINKS,
    DEFAULT,
    LARGEST,
    NO_PREFILL,
    PREFILL,
    PRICED_AS_ANOTHER,
    SMALL_WINDOW,
    UNPRICED,
)
from turnfold_fake.fields import BETA_FIELDS, FIELDS

HI = {"role": "user", "content": "Hi."}
YES = {"role": "assistant", "content": "Yes."}
OLD = PREFILL
BUDGET = {"type": "enabled", "budget_tokens": 1_024}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def tool(name, schema=None):
    return {"name": name, "input_schema": {"type": "object"} if schema is None else schema}


def system(text="Be brief."):
    return {"role": "system", "content": text}


def text(words, **more):
    return {"type": "text", "text": words, **more}


def call(name, kind="tool_use"):
    return {"type": kind, "id": name, "name": "find", "input": {}}


def result(name, kind="tool_result"):
    return {"type": kind, "tool_use_id": name, "content": "found"}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
PAPER = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
SEARCH = call("srv_1", "server_tool_use")
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
COMPACTION = {"type": "compaction", "content": "Much was said."}

REFUSED = {
    "no messages": ([], "at least one message"),
    "assistant first": ([YES, HI], 'first message must use the "user" role'),
    "unknown role": ([HI, {"role": "tool", "content": "x"}], "messages.1.role"),
    "empty content": ([HI, {"role": "assistant", "content": []}, HI], "non-empty content"),
    "empty string": ([{"role": "user", "content": ""}], "non-empty content"),
    "no content": ([{"role": "user"}], "messages.0.content: Field required"),
    "empty text block": ([user(text(""))], "text content blocks must be non-empty"),
    "nonsense block": ([user({"type": "poem"})], "Input tag 'poem'"),
    "message that is none": ([HI, "x"], "messages.1: Input should be an object"),
    "content that is none": ([{"role": "user", "content": 7}], "valid string or list"),
    "block that is none": ([user("x")], "messages.0.content.0: Input should be an object"),
    "document of no text": ([user({**PAPER, "source": {"data": 1}})], "source.data"),
    "block without type": ([user({"text": "x"})], "messages.0.content.0.type"),
    "thinking by the user": (
        [user({"type": "thinking", "thinking": "", "signature": ""})],
        "Input tag 'thinking'",
    ),
    "prefill": ([HI, YES], "does not support assistant message prefill"),
    "empty prefill": ([HI, {"role": "assistant", "content": []}], "prefill"),
    "document by the assistant": ([HI, assistant(PAPER), HI], "`document` blocks are not allowed"),
    "citations by the user": ([user(text("x", citations=[{"a": 1}]))], "citations"),
    "system first": ([system(), HI], "may not be the first"),
    "system after the assistant": ([HI, YES, system(), HI], "must follow a user message"),
    "call without result": (
        [HI, assistant(call("a")), HI],
        "`tool_use` ids were found without `tool_result` blocks immediately after: a",
    ),
    "call at the end": ([HI, assistant(call("a"))], "`tool_use` ids were found without"),
    "one of two calls unanswered": (
        [HI, assistant(call("a"), call("b")), user(result("a"))],
        "immediately after: b",
    ),
    "result one message late": (
        [HI, assistant(call("a")), HI, YES, user(result("a"))],
        "`tool_use` ids were found without",
    ),
    "orphan result": ([user(result("a"))], "unexpected `tool_use_id` found in `tool_result`"),
    "result twice": (
        [HI, assistant(call("a")), user(result("a"), result("a"))],
        "each tool_use must have a single result",
    ),
    "result after text": (
        [HI, assistant(call("a")), user(text("x"), result("a"))],
        "must come first",
    ),
    "id used twice": (
        [HI, assistant(call("a")), user(result("a")), assistant(call("a")), user(result("a"))],
        "ids must be unique",
    ),
    "system between call and result": (
        [HI, assistant(call("a")), system(), user(result("a"))],
        "must follow a user message",
    ),
    "text after an open server call": ([HI, assistant(SEARCH), HI], "unresolved: srv_1"),
    "orphan server result": ([HI, assistant(FOUND), HI], "unexpected `tool_use_id`"),
    "compaction late": ([HI, assistant(COMPACTION), HI], "`compaction` block must come first"),
    "compaction twice": ([user(COMPACTION, COMPACTION, text("x"))], "only one `compaction`"),
    "thinking without signature": (
        [HI, assistant({"type": "thinking", "thinking": "x"}), HI],
        "thinking.signature: Field required",
    ),
    "empty text in a result": (
        [HI, assistant(call("a")), user({**result("a"), "content": [text("")]})],
        "non-empty",
    ),
    "clear_at by the user": ([{**HI, "clear_at": "never"}], "only permitted on system messages"),
}

ACCEPTED = {
    "one user message": [HI],
    "consecutive messages of one role": [HI, HI, YES, YES, HI],
    "blocks": [user(text("x"), IMAGE, PAPER)],
    "call and result": [HI, assistant(text("x"), call("a")), user(result("a"), text("and?"))],
    "two calls": [HI, assistant(call("a"), call("b")), user(result("b"), result("a"))],
    "results in two messages, merged": [
        HI,
        assistant(call("a"), call("b")),
        user(result("a")),
        user(result("b")),
    ],
    "calls in two messages, merged": [
        HI,
        assistant(call("a")),
        assistant(call("b")),
        user(result("a"), result("b")),
    ],
    "empty result": [HI, assistant(call("a")), user({**result("a"), "content": []})],
    "system after the user": [HI, system(), YES, HI, system()],
    "system after a result": [HI, assistant(call("a")), user(result("a")), system()],
    "system after a server result": [HI, assistant(SEARCH, FOUND), system(), HI],
    "paused turn sent back": [HI, assistant(text("Let me look."), SEARCH)],
    "paused turn that ends in a result": [HI, assistant(SEARCH, FOUND)],
    "server call resolved after results": [
        HI,
        assistant(SEARCH, call("a")),
        user(result("a")),
        assistant(FOUND, text("Done.")),
        HI,
    ],
    "server call resolved": [HI, assistant(SEARCH, FOUND, text("x")), HI],
    "compaction first": [user(COMPACTION), YES, HI],
    "empty citations": [user(text("x", citations=[]))],
    "document in a result": [HI, assistant(call("a")), user({**result("a"), "content": [PAPER]})],
    "odd characters": [user(text("\u0000 é 漢字 \U0001f600 \u202e"))],
    "effort set by a system message": [HI, {"role": "system", "output_config": {"effort": "low"}}],
}


def _format(schema):
    return {"type": "json_schema", "schema": schema}


@pytest.mark.parametrize("rule", REFUSED)
def test_refused(door, rule):
    messages, why = REFUSED[rule]
    assert why in door.refusal(messages)


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(door, case):
    assert door.accepted(ACCEPTED[case])["type"] == "message"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 1.5}, "valid integer"),
        ({"max_tokens": -1}, "greater than or equal to 0"),
        ({"max_tokens": 200_000}, "200000 > 128000, which is the maximum"),
        ({"system": [text("")]}, "text content blocks must be non-empty"),
        ({"system": [IMAGE]}, "system.0.type"),
        ({"tools": [{"name": "a"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [tool("a")] * 2}, "must be unique"),
        ({"tools": [tool(["a"])]}, "tools.0.name"),
        ({"tools": [tool("a b")]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [tool("a\n")]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [tool("a" * 129)]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [tool("a", [])]}, "tools.0.custom.input_schema: Input should be an object"),
        ({"tools": [tool("a", {})]}, "tools.0.custom.input_schema.type"),
        ({"tools": [tool("a", {"type": "string"})]}, "tools.0.custom.input_schema.type"),
        ({"tool_choice": "any"}, "tool_choice: Input should be an object"),
        ({"tool_choice": {"type": "junk"}}, "tool_choice: Input tag 'junk'"),
        ({"tool_choice": {}}, "tool_choice: Input tag None"),
        ({"tool_choice": {"type": "any"}}, "only be specified while providing tools"),
        ({"tool_choice": {"type": "any"}, "tools": []}, "only be specified while providing tools"),
        ({"tool_choice": {"type": "tool"}, "tools": [tool("a")]}, "tool_choice.tool.name"),
        (
            {"tool_choice": {"type": "tool", "name": "b"}, "tools": [tool("a")]},
            "Tool 'b' not found in provided tools",
        ),
        (
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
            "tool_choice.auto.disable_parallel_tool_use",
        ),
        (
            {"tool_choice": {"type": "any"}, "tools": [tool("a")], "model": LARGEST},
            "'any' is not supported for this model",
        ),
        (
            {
                "tool_choice": {"type": "tool", "name": "a"},
                "tools": [tool("a")],
                "model": OLD,
                "max_tokens": 2_000,
                "thinking": {"type": "enabled", "budget_tokens": 1_024},
            },
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        ({"tools": {}}, "tools: Input should be a valid list"),
        ({"tools": ["a"]}, "tools.0: Input should be an object"),
        ({"system": 1}, "system: Input should be"),
        ({"max_token": 5}, "max_token: Extra inputs are not permitted"),
        ({"thread": None}, "thread: Extra inputs are not permitted"),
        ({"service_tier": "gold"}, "service_tier: Input should be 'auto', 'standard_only'"),
        ({"output_config": {"effort": "ultra"}}, "output_config.effort: Input should be 'low'"),
        ({"output_config": {"effort": ["low"]}}, "output_config.effort: Input should be 'low'"),
        ({"system": [{"type": "text"}]}, "system.0.text"),
        ({"model": 1}, "model: Input should be a valid string"),
        ({"output_config": {"format": _format([])}}, "schema: Field required"),
        ({"output_config": {"format": _format({"anyOf": 1})}}, "Invalid schema: anyOf"),
        ({"output_config": {"format": _format({"items": 1})}}, "Invalid schema: expected"),
        ({"thinking": "on"}, "thinking: Input should be an object"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        (
            {"model": OLD, "thinking": BUDGET | {"budget_tokens": 9}},
            "greater than or equal to 1024",
        ),
        ({"model": OLD, "thinking": BUDGET}, "must be greater than"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"stream": "yes"}, "stream"),
        ({"output_config": {"format": {"type": "xml"}}}, "json_schema"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "schema: Field required"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "'additionalProperties' must be explicitly set to false",
        ),
    ],
)
def test_fields_refused(door, fields, why):
    assert why in door.refusal([HI], **fields)


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "auto"},
        {"type": "none"},
        {"type": "any", "disable_parallel_tool_use": True},
        {"type": "tool", "name": "find"},
        {"type": "tool", "name": "web_search"},
    ],
)
def test_a_choice_of_tools_that_fits(door, choice):
    """Of any kind that there is; a model that only thinks by default may be forced."""
    tools = [tool("find"), {"type": "web_search_20250305", "name": "web_search"}]
    assert door.accepted([HI], tools=tools, tool_choice=choice)
    assert door.accepted([HI], tools=tools, tool_choice=choice, thinking={"type": "between_tools"})


@pytest.mark.parametrize("model", [*ALWAYS_THINKS, UNPRICED, PRICED_AS_ANOTHER])
def test_no_model_that_always_thinks_is_forced(door, model):
    """Whether it binds its thinking or not."""
    for choice in ({"type": "any"}, {"type": "tool", "name": "a"}):
        refusal = door.refusal([HI], model=model, tools=[tool("a")], tool_choice=choice)
        assert refusal == f"tool_choice: '{choice['type']}' is not supported for this model"


def test_no_tool_need_be_forced(door):
    for choice in ({"type": "auto"}, {"type": "none"}):
        assert door.accepted([HI], tool_choice=choice, model=LARGEST)


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max", None])
def test_words_that_settings_take(door, effort):
    assert door.accepted([HI], output_config={"effort": effort}, service_tier="standard_only")


def test_a_beta_brings_fields_of_its_own(door):
    body = {"model": DEFAULT, "max_tokens": 9, "messages": [HI], "thread": None}
    assert door.post(body).status_code == 400
    assert door.post(body, headers={"anthropic-beta": "threads-2026-11-02"}).status_code == 200
    refused = door.post({**body, "thred": 1}, headers={"anthropic-beta": "threads-2026-11-02"})
    assert "thred: Extra inputs" in refused.json()["error"]["message"]


def test_the_fields_are_those_of_the_sdk():
    """All but what it sends as headers; a field that is new there is new here."""
    for params, known in (
        (anthropic.types.message_create_params, FIELDS),
        (anthropic.types.beta.message_create_params, FIELDS | BETA_FIELDS),
    ):
        named = params.MessageCreateParamsStreaming
        fields = named.__required_keys__ | named.__optional_keys__
        assert fields - {"betas", "workspace_id"} <= known


def test_an_unknown_model_is_not_found(door):
    answer = door.chat([HI], model="gpt-x")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("name", [f"us.anthropic.{DEFAULT}-v1:0", f"{SMALL_WINDOW}@20251001"])
def test_clouds_names_are_known(door, name):
    assert door.accepted([HI], model=name)["model"] == name


def test_models_before_4_6_take_prefill(door):
    assert door.accepted([HI, YES], model=OLD)
    assert door.accepted([HI, {"role": "assistant", "content": []}], model=OLD)
    assert "prefill" in door.refusal([HI, YES], model=NO_PREFILL)


def test_the_count_of_images_depends_on_the_model(door):
    many = [user(*[IMAGE] * 101)]
    assert door.accepted(many)
    assert "Too many images" in door.refusal(many, model=OLD)
    assert "601 > 600" in door.refusal([user(*[IMAGE] * 601)])
    inside = [HI, assistant(call("a")), user({**result("a"), "content": [IMAGE] * 101})]
    assert "Too many images" in door.refusal(inside, model=OLD)


def test_at_most_100_000_messages(door):
    assert door.accepted([HI] * 100_000)
    assert "at most 100000" in door.refusal([HI] * 100_001)


def test_at_most_32_megabytes(door):
    answer = door.chat([user(text("x" * (32 * 1024 * 1024)))])
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")


def test_sampling_parameters_are_refused_since_their_version(door):
    body = {"model": OLD, "max_tokens": 9, "messages": [HI], "temperature": 0.5}
    assert door.post(body, headers={"anthropic-version": "2023-06-01"}).status_code == 200
    refused = door.post(body, headers={"anthropic-version": "2026-10-21"})
    assert "temperature" in refused.json()["error"]["message"]


def test_what_does_not_fit_the_window_is_refused(fake, door_to):
    small = door_to(type(fake)(window=50))
    message = small.refusal([{"role": "user", "content": "word " * 100}])
    assert message == "prompt is too long: 103 tokens > 50 maximum"
    assert small.accepted([{"role": "user", "content": "word " * 40}], max_tokens=5)


def test_an_answer_ends_where_the_window_does(fake, door_to):
    small = door_to(type(fake)("many words " * 100, window=90))
    answer = small.accepted([{"role": "user", "content": "word " * 40}])
    assert answer["stop_reason"] == "model_context_window_exceeded"
    assert answer["usage"]["output_tokens"] <= 90 - 43


def test_a_body_that_is_not_json_is_refused(fake):
    answer = fake._respond("POST", "/v1/messages", {}, b"{")
    assert answer.status == 400
    assert fake._respond("POST", "/v1/messages", {}, b"[1]").status == 400


def test_counting_holds_to_the_same_rules(door):
    body = {"model": OLD, "messages": [YES]}
    assert door.post(body, path="/v1/messages/count_tokens").status_code == 400
    body = {"model": OLD, "messages": [HI]}
    assert door.post(body, path="/v1/messages/count_tokens").json() == {"input_tokens": 5}
