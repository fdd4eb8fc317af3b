"""FakeClaude: the rules, the cache and the replies behind one door."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from turnfold_fake import wire
from turnfold_fake.answering import (
    complete,
    compose,
    message_of,
    room_for,
    usage_of,
    wants_schema,
)
from turnfold_fake.cache import PromptCache, Reading
from turnfold_fake.clock import Clock
from turnfold_fake.compaction import as_read, check_compaction, is_due
from turnfold_fake.diagnosis import Diagnoses
from turnfold_fake.errors import Refusal, failure
from turnfold_fake.faults import DROPPED, SPOILED, Fault, Faults, FaultSource, Kind
from turnfold_fake.models import Model, find_model, model_info
from turnfold_fake.policing import ThinkingMode, police
from turnfold_fake.prompt import Reader
from turnfold_fake.replies import Reply, ReplySource, default_reply, reply_function
from turnfold_fake.rules import MOST_BYTES, check_request
from turnfold_fake.server import serving
from turnfold_fake.thinking import Check, Signer
from turnfold_fake.thoughts import hide, thinks
from turnfold_fake.transports import Answer, AsyncTransport, SyncTransport

if TYPE_CHECKING:
    import anthropic

_Json: TypeAlias = dict[str, Any]
_LOG = logging.getLogger("turnfold_fake")
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request and what became of it. To be read, not changed: calls share their messages.

    Attributes:
        body: The request as it came.
        headers: Its headers, names in lower case.
        status: The HTTP status; 0 where no answer came.
        usage: Of the answer; None where there was none.
        response: The message that was sent, also where its stream was cut; else None.
        error_type: The error's `type`, or the kind of the fault that dropped or broke off the
            answer; None if all went well.
        kind: `summary` where structured output or a compaction was asked for.
        at: When, by the clock.
    """

    body: _Json
    headers: Mapping[str, str]
    status: int
    usage: _Json | None
    response: _Json | None
    error_type: str | None
    kind: Kind
    at: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it came."""

    body: _Json
    headers: Mapping[str, str]
    kind: Kind
    request_id: str


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A request that passed the rules."""

    model: Model
    check: Check
    dropped: list[_Json] | None
    reading: Reading
    prompt: int
    window: int


class FakeClaude:
    """A stand-in for the Claude API that enforces its rules and simulates its prompt cache.

    Args:
        reply: What it says: None for a short deterministic answer; a text; a list of texts,
            `Reply`s or lists of blocks, one after the other; or a function of the request. Where
            the function raises, the request is answered with a 500 that says what, and that the
            SDK does not try again; the traceback is logged.
        clock: What cache lifetimes are measured by.
        thinking: What becomes of thinking blocks that do not fit: `enforced`, a 400; `dropped`,
            left out silently; `unenforced`, nothing.
        faults: What goes wrong, in order; or a function of the request and its number.
        window: Context window in tokens, instead of the model's own.
        summary_window: The same for requests with an output format.
        seed: Ids and signatures follow from it; signatures hold between stand-ins that share it.
        latency: Seconds until an answer begins.
        summary: What requests with an output format are answered; None to fill their schema with
            the request's own sentences.
        compaction: What a compaction of a request says; None for how many messages there were.

    Raises:
        TypeError: `reply` or `summary` holds what is no answer.
    """

    def __init__(
        self,
        reply: ReplySource = None,
        *,
        clock: Clock | None = None,
        thinking: ThinkingMode = "enforced",
        faults: FaultSource = (),
        window: int | None = None,
        summary_window: int | None = None,
        seed: int = 0,
        latency: float = 0.0,
        summary: ReplySource = None,
        compaction: Callable[[_Json], str] | None = None,
    ) -> None:
        if thinking not in ("enforced", "dropped", "unenforced"):
            raise ValueError(f"thinking={thinking!r}: enforced, dropped or unenforced")
        self.clock = clock or Clock()
        self.calls: list[Call] = []
        self._reply = reply_function(reply)
        self._summary = reply_function(summary)
        self._compaction = compaction
        self._thinking: ThinkingMode = thinking
        self._faults = Faults(faults)
        self._window = window
        self._summary_window = summary_window
        self._seed = seed
        self._latency = latency
        self._lock = RLock()
        self._reader = Reader()
        self._cache = PromptCache()
        self._diagnoses = Diagnoses(self._reader)
        self._signer = Signer(f"turnfold_fake:{seed}", self._reader)
        # Tool calls that were given out together with thinking; a dict for its order.
        self._thoughtful: dict[str, None] = {}
        self._requests = 0
        self._attempts = 0
        self.transport = SyncTransport(self._respond, latency)
        self.async_transport = AsyncTransport(self._respond, latency)

    def asked(self, kind: Kind = "chat") -> list[Call]:
        """The calls of one kind, oldest first: those of the chat, not those in its background.

        Args:
            kind: `chat`, `summary` or `count_tokens`.
        """
        return [call for call in self.calls if call.kind == kind]

    def client(self, **options: Any) -> "anthropic.Anthropic":
        """A real client that talks to this stand-in.

        Args:
            **options: Passed to `anthropic.Anthropic`, over the defaults.
        """
        import anthropic

        http = anthropic.DefaultHttpxClient(transport=self.transport)
        return anthropic.Anthropic(**{"api_key": "fake", "http_client": http, **options})

    def async_client(self, **options: Any) -> "anthropic.AsyncAnthropic":
        """A real async client that talks to this stand-in.

        Args:
            **options: Passed to `anthropic.AsyncAnthropic`, over the defaults.
        """
        import anthropic

        http = anthropic.DefaultAsyncHttpxClient(transport=self.async_transport)
        return anthropic.AsyncAnthropic(**{"api_key": "fake", "http_client": http, **options})

    def serve(self) -> AbstractContextManager[str]:
        """Serve as a real HTTP server on a free port of 127.0.0.1 while the `with` block runs.

        There, faults without an answer (`timeout`, `connection`) close the connection.

        Returns:
            A context manager that yields the base URL.
        """
        return serving(self._respond, self._latency)

    def fail_next(self, fault: Fault) -> None:
        """Let a fault hit the next request it is meant for, before faults already waiting."""
        with self._lock:
            self._faults.add(fault)

    def count_tokens(self, body: Mapping[str, Any]) -> int:
        """The input tokens of a request, as its usage would say in all."""
        with self._lock:
            return sum(piece.tokens for piece in self._reader.pieces(dict(body)))

    def _respond(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Answer:
        """Answer one HTTP request."""
        with self._lock:
            self._requests += 1
            request_id = f"req_{self._token('request', self._requests)}"
        try:
            return self._route(method, path, headers, raw, request_id)
        except Refusal as refusal:
            return _refused(refusal, request_id)

    def _route(
        self, method: str, path: str, headers: dict[str, str], raw: bytes, request_id: str
    ) -> Answer:
        if method == "POST" and path in ("/v1/messages", "/v1/messages/count_tokens"):
            return self._messages(path.endswith("count_tokens"), headers, raw, request_id)
        if method == "GET" and path.startswith("/v1/models/"):
            name = path.removeprefix("/v1/models/")
            if (model := find_model(name)) is None:
                raise Refusal(f"model: {name}", "not_found_error")
            return _whole(200, model_info(name, model, self._window or model.window), request_id)
        raise Refusal("Not Found", "not_found_error")

    def _messages(
        self, counting: bool, headers: dict[str, str], raw: bytes, request_id: str
    ) -> Answer:
        body = _parse(raw)
        shaped = body if isinstance(body, dict) else {}
        sums_up = wants_schema(shaped) or shaped.get("compaction") is not None
        kind: Kind = "count_tokens" if counting else "summary" if sums_up else "chat"
        asked = _Asked(shaped, headers, kind, request_id)
        try:
            return self._carried_out(asked, body)
        except Refusal as refusal:
            self._record(asked, refusal.status, error=refusal.kind)
            raise
        except Exception as wrong:
            # The SDK would take it for a fault of the network, and try again.
            _LOG.exception("the stand-in could not answer")
            failed = failure(wrong)
            self._record(asked, failed.status, error=failed.kind)
            raise failed from wrong

    def _carried_out(self, asked: _Asked, body: Any) -> Answer:
        counting = asked.kind == "count_tokens"
        with self._lock:
            fault = None if counting else self._next_fault(asked)
            if fault is not None and fault.kind in DROPPED:
                self._record(asked, 0, error=fault.kind)
                return Answer(0, {}, [], dropped=fault.kind)
            if fault is not None and (refusal := fault.refusal()) is not None:
                raise refusal
            accepted = self._accept(body, asked.headers, counting=counting)
        if counting:
            self._record(asked, 200)
            return _whole(200, {"input_tokens": accepted.prompt}, asked.request_id)
        return self._answer(asked, accepted, fault)

    def _next_fault(self, asked: _Asked) -> Fault | None:
        self._attempts += 1
        return self._faults.take(asked.body, asked.kind, self._attempts)

    def _accept(self, body: Any, headers: Mapping[str, str], *, counting: bool) -> _Accepted:
        """Hold a request against all rules, and look it up in the cache."""
        betas = headers.get("anthropic-beta", "")
        read = as_read(body, betas)
        version = headers.get("anthropic-version", "")
        model = check_request(read, version, betas, counting=counting)
        check_compaction(body, betas)
        self._reader.share(body)
        policed = police(
            body,
            self._signer,
            self._thinking,
            self._thoughtful,
            betas,
            bound=model.preserved_thinking,
        )
        pieces = self._reader.pieces(as_read(policed.body, betas))
        prompt = sum(piece.tokens for piece in pieces)
        window = self._window or model.window
        if wants_schema(body):
            window = self._summary_window or window
        if prompt > window and not counting:
            raise Refusal(f"prompt is too long: {prompt} tokens > {window} maximum")
        reading = self._cache.look(body["model"], pieces, model.least_cacheable, self.clock())
        return _Accepted(model, policed.check, policed.dropped, reading, prompt, window)

    def _answer(self, asked: _Asked, accepted: _Accepted, fault: Fault | None) -> Answer:
        # Outside the lock: a reply function may take its time.
        body = asked.body
        reply = self._say(body, asked.kind)
        room = room_for(body["max_tokens"], accepted.prompt, accepted.window)
        due = is_due(body, accepted.prompt)
        wanted = self._compaction is not None and (due or body.get("compaction") is not None)
        compaction = self._compaction(body) if self._compaction is not None and wanted else ""
        on = thinks(body, accepted.model)
        content, stop = compose(
            body, reply, fault, room, thinks=on, compacts=due, compaction=compaction
        )
        unseen = hide(content, body, accepted.model)
        with self._lock:
            message_id = f"msg_{self._token('message', len(self.calls))}"
            complete(content, message_id, self._signer, accepted.check)
            usage = usage_of(accepted.reading, content, unseen)
            message = message_of(message_id, body["model"], content, stop, usage)
            message["diagnostics"] = self._diagnoses.diagnose(body, message_id)
            if accepted.dropped is not None:
                message["input_transformations"] = accepted.dropped
            self._remember_calls(content)
            answer = _sent(
                message,
                fault.kind if fault is not None else "",
                asked.request_id,
                began=lambda: self._began(accepted.reading),
                streamed=bool(body.get("stream")),
            )
            error = fault.kind if fault is not None and fault.kind not in SPOILED else None
            delivered = message if answer.status == 200 else None
            self._record(asked, answer.status, message=delivered, error=error)
        return answer

    def _say(self, body: _Json, kind: Kind) -> Reply | None:
        said = (self._summary if kind == "summary" else self._reply)(body)
        if said is None:
            return None if kind == "summary" else default_reply(body)
        return said if isinstance(said, Reply) else Reply(said)

    def _began(self, reading: Reading) -> None:
        with self._lock:
            self._cache.keep(reading, self.clock())

    def _remember_calls(self, content: list[_Json]) -> None:
        if not any(block["type"] in ("thinking", "redacted_thinking") for block in content):
            return
        for block in content:
            if block["type"] == "tool_use":
                self._thoughtful[block["id"]] = None
        while len(self._thoughtful) > _REMEMBERED:
            del self._thoughtful[next(iter(self._thoughtful))]

    def _record(
        self, asked: _Asked, status: int, *, message: _Json | None = None, error: str | None = None
    ) -> None:
        with self._lock:
            self.calls.append(
                Call(
                    body=asked.body,
                    headers=asked.headers,
                    status=status,
                    usage=message["usage"] if message else None,
                    response=message,
                    error_type=error,
                    kind=asked.kind,
                    at=self.clock(),
                )
            )

    def _token(self, what: Literal["request", "message"], number: int) -> str:
        return blake2b(f"{self._seed}:{what}:{number}".encode(), digest_size=12).hexdigest()


def _parse(raw: bytes) -> Any:
    if len(raw) > MOST_BYTES:
        raise Refusal("Request exceeds the maximum size", "request_too_large")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Refusal(f"The request body is not valid JSON: {error}") from error


def _sent(
    message: _Json, fault: str, request_id: str, *, began: Callable[[], None], streamed: bool
) -> Answer:
    """A message as an HTTP answer, cut or broken off where a fault says so."""
    broken = fault in ("cut_stream", "stream_error")
    if not streamed:
        if fault == "cut_stream":
            return Answer(0, {}, [], dropped="connection")
        if broken:
            return _refused(Refusal("Overloaded", "overloaded_error"), request_id)
        return replace(_whole(200, message, request_id), began=began)
    chunks = list(wire.stream(message))
    if broken:
        deltas = [n for n, c in enumerate(chunks) if c.startswith(b"event: content_block_delta")]
        chunks = chunks[: deltas[len(deltas) // 2] + 1 if deltas else 2]
    if fault == "stream_error":
        chunks.append(wire.error_event("overloaded_error", "Overloaded", request_id))
    headers = {"content-type": "text/event-stream; charset=utf-8", "request-id": request_id}
    return Answer(200, headers, chunks, cut=fault == "cut_stream", began=began)


def _whole(status: int, shape: _Json, request_id: str) -> Answer:
    headers = {"content-type": "application/json", "request-id": request_id}
    return Answer(status, headers, [json.dumps(shape).encode()])


def _refused(refusal: Refusal, request_id: str) -> Answer:
    shape = wire.error_body(refusal.kind, refusal.message, request_id)
    answer = _whole(refusal.status, shape, request_id)
    return replace(answer, headers={**answer.headers, **refusal.headers})
