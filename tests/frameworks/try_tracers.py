"""What traces an SDK client goes on last: it traces the client it was given, not its copies."""

import os
from unittest.mock import patch

from anthropic import Anthropic

from frameworks.shown import MODEL, shown

ASK = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}


def test_langsmith_traces_what_it_is_given_last():
    from langsmith import Client
    from langsmith.wrappers import wrap_anthropic

    class Kept(Client):
        def create_run(self, name, inputs, run_type, **more):
            runs.append(name)

        def update_run(self, run_id, **more):
            pass

    runs = []
    tracing = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "none"}
    with patch.dict(os.environ, tracing):
        kept = Kept(api_url="http://127.0.0.1:9", api_key="none", auto_batch_tracing=False)

        def traced(client):
            return wrap_anthropic(client, tracing_extra={"client": kept})

        with shown("langsmith", wrap_anthropic=traced) as page:
            page["client"].messages.create(**ASK)
            assert len(runs) == 1
            before = page["memory"].wrap(traced(Anthropic()), user_id="ada")
            before.messages.create(**ASK)
            assert len(runs) == 1, "the copy with memory is not traced"


def test_logfire_traces_what_it_is_given_last():
    import logfire
    from logfire.testing import TestExporter
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    spans = TestExporter()
    kept = [SimpleSpanProcessor(spans)]
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=kept)

    def traced():
        told = spans.exported_spans_as_dict()
        return sum(one["name"].startswith("Message with") for one in told)

    with shown("logfire") as page:
        page["client"].messages.create(**ASK)
        assert traced() == 1
        before = Anthropic()
        logfire.instrument_anthropic(before)
        page["memory"].wrap(before, user_id="ada").messages.create(**ASK)
        assert traced() == 1, "the copy with memory has the SDK's own span alone"


def test_braintrust_traces_what_it_is_given_last():
    from braintrust import logger, wrap_anthropic
    from braintrust.test_helpers import init_test_logger

    init_test_logger("tests")
    with logger._internal_with_memory_background_logger() as kept, shown("braintrust") as page:
        page["client"].messages.create(**ASK)
        assert len(kept.pop()) == 1
        before = page["memory"].wrap(wrap_anthropic(Anthropic()), user_id="ada")
        before.messages.create(**ASK)
        assert not kept.pop(), "the copy with memory is not traced"
