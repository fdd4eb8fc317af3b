"""A job and the request that went out last go in; a draft that the provider wrote comes out.

On-demand compaction has the API read a conversation as it stands, by the chat's own model and
from the prompt cache, and answer with nothing but a summary. It is told what notes are and
answers with them, so that they pass the gate and can be forgotten one by one, as anyone's.

What cannot be had that way is asked of the same model in the usual way: turns that the request
does not hold as they were said, steps, notes to be written again, and all of it where the server
knows no compaction. Decision 0046 tells what of a compaction is not made use of, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic, APIStatusError, AsyncAnthropic, RequestOptions

from turnfold.errors import SummaryError, TranscriptError
from turnfold.history.exchanges import Message, blocks_of, is_thinking
from turnfold.history.reader import read
from turnfold.request.cache_breakpoints import has_marks
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summarizers.claude import (
    AsyncClaudeSummarizer,
    ClaudeSummarizer,
    compaction_instructions,
    read_draft,
)
from turnfold.summarizers.optional_fields import Refused
from turnfold.summarizers.reconciling import Supersessions

PROVIDER = "provider"
"""`Memory(summarizer="provider")`."""
BETA = "compact-2026-09-04"
_FIELD = "compaction"
_PATH = "/v1/messages?beta=true"
# What only shapes an answer is refused beside a compaction, and what asks for something else.
_SHAPES_ANSWERS = frozenset(
    {"stream", "stop_sequences", "output_format", "context_management", "fallbacks", "diagnostics"}
)
# A server that says so knows no compaction, or has it not for us, whatever is to be summarized.
_REFUSING = frozenset({400, 403, 404, 422})
_MOST_MARKS = 4


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A request as it was sent.

    Attributes:
        body: memory and all.
        turns: number of the exchange it asks for an answer in.
        betas: the header `anthropic-beta`, as the caller set it.
    """

    body: Mapping[str, Any]
    turns: int
    betas: str = ""


def compaction_request(job: SummaryJob, sent: OnItsWay) -> dict[str, Any] | None:
    """The request that has the turns of a job summarized where they stand.

    Args:
        job: on exchanges.
        sent: what goes on from them.

    Returns:
        None where they do not stand there, or no more than them is wanted.
    """
    if job.of_steps or job.complaints:
        return None
    messages = _until(sent, job.first, job.last)
    if messages is None:
        return None
    body = {name: value for name, value in sent.body.items() if name not in _SHAPES_ANSWERS}
    if body.get("tool_choice") and body["tool_choice"].get("type") in {"any", "tool"}:
        del body["tool_choice"]  # no tool is called
    if isinstance(config := body.get("output_config"), Mapping):
        body["output_config"] = {name: one for name, one in config.items() if name != "format"}
    asked = {**body, "messages": messages}
    if has_marks(asked) and not asked.get("cache_control"):
        asked["messages"] = _marked(asked)
    instructions = compaction_instructions(job)
    most = body.get("max_tokens")
    asked["max_tokens"] = max(job.max_tokens, most if isinstance(most, int) else 0)
    asked[_FIELD] = {"type": "summarize", "instructions": instructions}
    return asked


def _until(sent: OnItsWay, first: int, last: int) -> list[Message] | None:
    """The messages up to the end of a turn; None where turns up to it are not there verbatim."""
    try:
        transcript = read(sent.body["messages"], seed="")
    except TranscriptError:
        return None
    exchanges = transcript.exchanges
    until = len(exchanges) - (sent.turns - last)
    if not last - first < until < len(exchanges) or any(one.joins for one in exchanges):
        return None
    messages = list(transcript.messages[: transcript.starts[until]])
    return messages if messages and messages[-1]["role"] == "assistant" else None


def _marked(body: Mapping[str, Any]) -> list[Message]:
    """The messages, to be read from the cache up to their end."""
    messages = list(body["messages"])
    *rest, end = blocks_of(messages[-1])
    of_system = blocks_of({"content": body.get("system") or []})
    marked = [one for part in (*messages, {"content": of_system}) for one in blocks_of(part)]
    marks = sum(1 for one in (*marked, *(body.get("tools") or ())) if one.get("cache_control"))
    fits = not is_thinking(end) and not end.get("cache_control") and end.get("text") != ""
    if marks < _MOST_MARKS and fits:
        end = {**end, "cache_control": {"type": "ephemeral"}}
        messages[-1] = {**messages[-1], "content": [*rest, end]}
    return messages


def read_compaction(answer: Mapping[str, Any], job: SummaryJob, model: str) -> SummaryDraft:
    """The draft in the answer to a request for a compaction.

    Raises:
        SummaryError: it failed, or holds no notes.
    """
    blocks = [one for one in answer.get("content") or () if one.get("type") == "compaction"]
    text = str(blocks[0].get("content") or "") if blocks else ""
    said = {**answer, "model": model, "usage": _usage(answer.get("usage") or {})}
    if not text:
        raise SummaryError.about(said, f"the compaction by {model} came to nothing")
    said |= {"stop_reason": "end_turn", "content": [{"type": "text", "text": text}]}
    draft = read_draft(said, ())
    whole = tuple(range(job.first, job.last + 1))
    items = [Item(one.kind, one.text, one.turns or whole) for one in draft.items]
    return SummaryDraft(items, draft.usage, model)


def _usage(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was billed: of a compaction in the list of iterations, where the whole has nothing."""
    counts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    if any(usage.get(name) for name in counts):
        return usage
    parts = [one for one in usage.get("iterations") or () if one.get("type") == "compaction"]
    return {name: sum(one.get(name) or 0 for one in parts) for name in (*counts, "output_tokens")}


class _Terms:
    """What both kinds have in common.

    Attributes:
        sent: the request that holds the turns; None for none.
    """

    def __init__(self, model: str, refused: Refused, sent: OnItsWay | None) -> None:
        self.model = model
        self.sent = sent
        self._refused = set() if refused is None else refused

    def request(self, job: SummaryJob) -> dict[str, Any] | None:
        if self.sent is None or _FIELD in self._refused:
            return None
        return compaction_request(job, self.sent)

    @property
    def options(self) -> RequestOptions:
        betas = [one.strip() for one in (self.sent.betas if self.sent else "").split(",")]
        return {
            "headers": {"anthropic-beta": ",".join(dict.fromkeys([*filter(None, betas), BETA]))}
        }

    def gives_up(self, wrong: APIStatusError) -> bool:
        """Whether the same is asked in the usual way; of a server that has none it always is."""
        if wrong.status_code not in _REFUSING:
            return False
        said = str(wrong)
        if wrong.status_code != 400 or "Extra inputs" in said or BETA in said:
            self._refused.add(_FIELD)
        return True


class ProviderSummarizer:
    """Has the API compact the turns where they stand."""

    def __init__(
        self,
        client: Anthropic,
        model: str,
        usual: ClaudeSummarizer,
        refused: Refused = None,
        sent: OnItsWay | None = None,
    ) -> None:
        """Args:
        client: without memory.
        model: of the chat.
        usual: asked in the usual way, where there is no other.
        refused: what the server is known not to take; more is added.
        sent: the request that holds the turns; None for none.
        """
        self._client = client
        self._usual = usual
        self._terms = _Terms(model, refused, sent)

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job; the client's own retries apply."""
        terms = self._terms
        if (body := terms.request(job)) is None:
            return self._usual(job)
        try:
            answer = self._client.post(_PATH, cast_to=object, body=body, options=terms.options)
        except APIStatusError as wrong:
            if not terms.gives_up(wrong):
                raise
            return self._usual(job)
        return read_compaction(_plain(answer), job, terms.model)

    def reconcile(self, items: Sequence[Item]) -> Supersessions:
        """Say which items no longer hold; asked in the usual way."""
        return self._usual.reconcile(items)


class AsyncProviderSummarizer:
    """The same over an async client."""

    def __init__(
        self,
        client: AsyncAnthropic,
        model: str,
        usual: AsyncClaudeSummarizer,
        refused: Refused = None,
        sent: OnItsWay | None = None,
    ) -> None:
        """See `ProviderSummarizer`."""
        self._client = client
        self._usual = usual
        self._terms = _Terms(model, refused, sent)

    async def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job; the client's own retries apply."""
        terms = self._terms
        if (body := terms.request(job)) is None:
            return await self._usual(job)
        try:
            answer = await self._client.post(
                _PATH, cast_to=object, body=body, options=terms.options
            )
        except APIStatusError as wrong:
            if not terms.gives_up(wrong):
                raise
            return await self._usual(job)
        return read_compaction(_plain(answer), job, terms.model)

    async def reconcile(self, items: Sequence[Item]) -> Supersessions:
        """See `ProviderSummarizer.reconcile`."""
        return await self._usual.reconcile(items)


def _plain(answer: object) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}
