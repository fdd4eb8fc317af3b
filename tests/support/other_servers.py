"""Servers of other kinds that speak the Messages API, played by a stand-in behind a mask."""

import json
from dataclasses import dataclass, field

import anthropic
import httpx2
from turnfold_fake import FakeClaude, Reply

from support.models import DEFAULT

NOTE = {"kind": "narrative", "text": "They spoke of this and that.", "turns": [1]}
_CACHE_FIELDS = ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")

_UNKNOWN_FIELDS = frozenset({"output_config", "thinking"})


def is_summary(body):
    """Whether a request asks for notes."""
    return "Answer with JSON alone" in str(body["messages"][-1]["content"])


def says(body):
    """What a small model says: notes in a fence, behind a thought."""
    if is_summary(body):
        notes = json.dumps({"items": [NOTE]})
        return Reply(f"<think>What is asked?</think>\n```json\n{notes}\n```", thinking=False)
    return Reply("All right.", thinking=False)


@dataclass
class OtherServer:
    """A server with models of its own, which knows nothing of schemas, thinking and caches.

    Attributes:
        models: that it has; any name where there are none.
        window: tokens of a prompt and its answer.
        overflow: status and error of a prompt that is more, of `n` tokens and the window.
        unknown: status and error where there is no such model.
        answers_as: the model that answers say they are by; "" for the one that was asked.
        counts: whether answers say what was used.
        asked: the bodies that arrived, each with the status of its answer.
    """

    models: tuple[str, ...] = ("qwen2.5-1.5b",)
    window: int = 1_000_000
    overflow: tuple[int, str] = (400, "prompt is too long: {n} tokens > {window} maximum")
    unknown: tuple[int, str] = (404, "model '{model}' not found")
    answers_as: str = ""
    counts: bool = True
    fake: FakeClaude = field(default_factory=lambda: FakeClaude(says))
    asked: list = field(default_factory=list)
    transport: None = None  # it has clients alone
    async_transport: None = None

    def client(self, **options):
        http = anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(self.answer))
        return anthropic.Anthropic(http_client=http, **self._settings(options))

    def async_client(self, **options):
        http = anthropic.DefaultAsyncHttpxClient(transport=httpx2.MockTransport(self.answer))
        return anthropic.AsyncAnthropic(http_client=http, **self._settings(options))

    @staticmethod
    def _settings(options):
        return {"api_key": "x", "base_url": "http://127.0.0.1:8080", "max_retries": 0, **options}

    def answer(self, request):
        body = json.loads(request.content)
        refused = self._refused(body)
        if refused is None:
            response = self._answered(body)
        else:
            status, words = refused
            response = httpx2.Response(status, json=_error(words))
        self.asked.append((response.status_code, body))
        return response

    def _refused(self, body):
        """The status and the words in which a request is refused; None where it is not."""
        if self.models and body["model"] not in self.models:
            return self.unknown[0], self.unknown[1].format(model=body["model"])
        tokens = self.fake.count_tokens(self.passed(body)) + body["max_tokens"]
        if tokens <= self.window:
            return None
        status, words = self.overflow
        return status, words.replace("{n}", str(tokens)).replace("{window}", str(self.window))

    def _answered(self, body):
        raw = self.fake._respond(
            *("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}),
            json.dumps(self.passed(body)).encode(),
        )
        content = b"".join(raw.chunks)
        if body.get("stream") or raw.status != 200:
            return httpx2.Response(raw.status, headers=raw.headers, content=content)
        answer = json.loads(content)
        usage = answer.pop("usage")
        usage["input_tokens"] += sum(usage.get(name) or 0 for name in _CACHE_FIELDS[:2])
        if self.counts:
            answer["usage"] = {k: v for k, v in usage.items() if k not in _CACHE_FIELDS}
        return httpx2.Response(200, json={**answer, "model": self.answers_as or body["model"]})

    def passed(self, body):
        """What such a server makes of a request."""
        kept = {name: one for name, one in body.items() if name not in _UNKNOWN_FIELDS}
        return {**kept, "model": DEFAULT}

    def chats(self, status=200):
        """The chat requests that were answered with a status."""
        return [body for told, body in self.asked if told == status and not is_summary(body)]

    def summaries(self):
        """The requests for notes that arrived, each with the status of its answer."""
        return [(status, body) for status, body in self.asked if is_summary(body)]


def _error(words):
    """An error: words, or JSON where they are that."""
    try:
        return json.loads(words)
    except ValueError:
        return {"error": {"type": "invalid_request_error", "message": words}}
