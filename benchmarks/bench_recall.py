"""How much of what an answer needs stands in the prompt, by budget: evidence recall.

    python benchmarks/bench_recall.py --data FILE --budget 1000 2000 4000 8000

A conversation is sent whole, then each question after it, through the real SDK and the
middleware to a stand-in for the API; what arrived is looked through for the turns that hold the
answer (`turnfold_cli.evidence`). ER@B is the mean over questions of the share of those turns that
stand verbatim in a prompt of at most B tokens, at four characters a token, `system`, `tools` and
the question aside; a longer prompt scores 0. Intervals are of 95%, by resampling conversations.

Beside ours stand what others do with the same vectors and the same tokens: `chroma`, the nearest
turns, and `hybrid`, nearness and BM25 added up (`recall_baselines`). `--against` says by how much
ours is ahead of each, question by question, kind by kind; and for what ours lost, which step lost
it (`recall_losses`). On average over kinds of question ours has to find no less than the nearest
turns that fill four fifths of the budget; else the exit code is 1.

`--chosen-on` names the conversations that constants were chosen on: they and the others are told
apart, too. `--ordinary` sends the conversations turn by turn under the default policy instead,
and says what is recalled for turns that are no questions about the past.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recall_baselines import (
    CHARS_PER_TOKEN,
    Ask,
    dense,
    filled,
    hybrid,
    lexical,
    nearest_turns,
    nearness,
    texts_of,
)
from recall_figures import Score, above_floor, differences, losses_table, summary, table, versus
from recall_losses import Tracer
from turnfold import Embedder, Memory, Policy
from turnfold.request.least_thinking import with_least_thinking
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_cli.evidence import Prompt
from turnfold_cli.replay import SharedEmbedder, ready_embedder
from turnfold_cli.replay_results import MODEL
from turnfold_cli.transcripts import Conversation, Question, read_transcript
from turnfold_fake import FakeClaude, Reply

CHOSEN_ON = (
    *("conv-26", "conv-30", "conv-42"),
    *("beam100K-1", "beam100K-3", "beam100K-5", "beam100K-7", "beam100K-9"),
)
_PATIENCE = 3_600.0
_FLOOR = 0.8
_FAKE = "The stand-in answers."
_ASKING = with_least_thinking({"model": MODEL, "max_tokens": 64})


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversations = [one for path in arguments.data for one in read_transcript(path)]
    if arguments.only:
        conversations = [one for one in conversations if one.id in arguments.only]
    embedder: Embedder = ready_embedder()
    if arguments.vectors:
        embedder = KeptVectors(embedder, arguments.vectors)
    below: list[tuple[str, int]] = []
    if arguments.ordinary:
        ordinary(conversations, embedder)
    else:
        scores: list[Score] = []
        for number, one in enumerate(conversations, 1):
            print(f"{number} of {len(conversations)}: {one.id}", file=sys.stderr)
            scores += measure(one, arguments.budget, arguments.strategy, embedder)
            print(
                table(scores, arguments.strategy, arguments.budget, kinds=("all",)), file=sys.stderr
            )
        print(table(scores, arguments.strategy, arguments.budget))
        chosen = [one for one in scores if one.conversation in arguments.chosen_on]
        others = [one for one in scores if one.conversation not in arguments.chosen_on]
        if chosen and others:
            for title, some in ("The constants were chosen on", chosen), ("The others", others):
                print(f"\n{title}: {', '.join(sorted({one.conversation for one in some}))}\n")
                print(table(some, arguments.strategy, arguments.budget, kinds=("all",)))
        apart = told_apart(scores, arguments)
        if arguments.out:
            figures = {"figures": summary(scores), "differences": apart}
            arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
        below = [
            (name, budget)
            for name in THROUGH_MEMORY
            for budget, points in above_floor(scores, name).items()
            if points < 0
        ]
    if isinstance(embedder, KeptVectors):
        embedder.save()
    if below:
        print(f"below the nearest turns at four fifths of the budget: {below}", file=sys.stderr)
    return 1 if below else 0


# --- strategies -------------------------------------------------------------------------------


def measure(
    conversation: Conversation, budgets: Sequence[int], names: Sequence[str], embedder: Embedder
) -> Iterator[Score]:
    """Every scored question under every strategy and budget."""
    texts = texts_of(conversation)
    flat = [" ".join(text.split()) for text in texts]
    rank, tracer = nearness(conversation, embedder), Tracer()
    for name in names:
        ask = STRATEGIES[name](conversation, embedder)
        for budget in budgets:
            for question in conversation.questions:
                if not question.is_scored:
                    continue
                tracer.forget()
                with tracer.watching():
                    prompt = Prompt(ask(question, budget), question.text)
                fits = prompt.tokens <= budget
                nearest = {texts[at] for at in filled(texts, rank(question), budget)}
                fewer = {texts[at] for at in filled(texts, rank(question), int(_FLOOR * budget))}
                yield Score(
                    name,
                    budget,
                    conversation.id,
                    question.kind,
                    prompt.share_of(question.evidence) if fits else 0.0,
                    prompt.tokens,
                    question.id,
                    sum(text in prompt.flat for text in flat),
                    tuple(
                        tracer.step(turn, nearest)
                        for turn in question.evidence
                        if name in THROUGH_MEMORY and not (fits and prompt.has_turn(turn))
                    ),
                    sum(turn in fewer for turn in question.evidence) / len(question.evidence),
                )


def window(conversation: Conversation, _: Embedder) -> Ask:
    """The newest messages."""
    texts = texts_of(conversation)

    def ask(question: Question, budget: int) -> dict[str, Any]:
        left, first = budget * CHARS_PER_TOKEN, len(texts)
        while first and len(texts[first - 1]) + 1 <= left:
            first -= 1
            left -= len(texts[first]) + 1
        blocks = [{"type": "text", "text": text} for text in [*texts[first:], question.text]]
        return {"messages": [{"role": "user", "content": blocks}]}

    return ask


def through_memory(policy: Callable[[int], Policy], *, summarize: bool) -> Any:
    """What the middleware sends."""

    def strategy(conversation: Conversation, embedder: Embedder) -> Ask:
        kept: dict[int, tuple[FakeClaude, Any]] = {}

        def ask(question: Question, budget: int) -> dict[str, Any]:
            if budget not in kept:
                fake = FakeClaude(lambda body: None if _wants_json(body) else Reply(_FAKE))
                memory = Memory(
                    policy=policy(budget),
                    embedder=embedder,
                    summarizer=None if summarize else nothing_said,
                )
                client = memory.wrap(fake.client(max_retries=0), conversation=conversation.id)
                kept[budget] = fake, client
            fake, client = kept[budget]
            opening = {"role": "user", "content": question.text}
            client.messages.create(messages=[*conversation.messages, opening], **_ASKING)
            return _chat(fake)

        return ask

    return strategy


def nothing_said(job: SummaryJob) -> SummaryDraft:
    """As little as memory takes for a summary, so that only recall is left."""
    return SummaryDraft([Item("narrative", "-", (job.first,))])


def count(text: str) -> int:
    """Tokens of a text by the measure's rule, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def within(budget: int, **changes: Any) -> Policy:
    """The policy for a budget, with time for a slow machine."""
    return Policy.for_budget(budget, count_tokens=count, deadline=_PATIENCE, **changes)


def recall_alone(budget: int) -> Policy:
    """No window, and a summary that says nothing."""
    return within(budget, keep_tokens=0, summary_tokens=100)


STRATEGIES: dict[str, Callable[[Conversation, Embedder], Ask]] = {
    "window": window,
    "bm25": lexical,
    "chroma": nearest_turns,
    "hybrid": hybrid,
    "dense": dense,
    "recall": through_memory(recall_alone, summarize=False),
    "for_budget": through_memory(within, summarize=True),
}
THROUGH_MEMORY = ("recall", "for_budget")


def _chat(fake: FakeClaude) -> dict[str, Any]:
    """The chat's request that arrived; notes may have been asked for behind it."""
    body: dict[str, Any] = fake.asked()[-1].body
    fake.calls.clear()
    return body


def _wants_json(body: dict[str, Any]) -> bool:
    return bool(body.get("output_config") or body.get("tools"))


def told_apart(scores: Sequence[Score], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """By how much ours is ahead of the others, and what lost the rest, shown and as rows."""
    rows: list[dict[str, Any]] = []
    for ours in THROUGH_MEMORY:
        if ours not in arguments.strategy:
            continue
        for other in arguments.against:
            if other in arguments.strategy:
                some = differences(scores, ours, other)
                print(f"\n{ours} ahead of {other}, in points\n")
                print(versus(some, arguments.budget))
                rows += some
        above = {budget: f"{one:+.1f}" for budget, one in above_floor(scores, ours).items()}
        print(f"\n{ours} above the nearest turns at four fifths of the budget, by budget: {above}")
        print(f"\nTurns with answers that {ours} lost, by step\n")
        print(losses_table(scores, ours, arguments.budget))
    return rows


# --- ordinary turns ---------------------------------------------------------------------------


def ordinary(conversations: Sequence[Conversation], embedder: Embedder) -> None:
    """What is recalled for the turns of the conversations themselves."""
    everything: list[int] = []
    for one in conversations:
        fake = FakeClaude(lambda body: None if _wants_json(body) else Reply(_FAKE))
        with Memory(policy=Policy(deadline=_PATIENCE), embedder=embedder) as memory:
            client = memory.wrap(fake.client(max_retries=0), conversation=one.id)
            spent: list[int] = []
            history: list[Any] = []
            for turn in one.turns():
                history += turn.said
                client.messages.create(messages=history, **_ASKING)
                spent.append(_recalled_now(_chat(fake)))
                history += turn.answered
        everything += spent
        with_some = sum(map(bool, spent))
        print(f"{one.id}: {np.mean(spent):.0f} tokens a turn, {with_some} of {len(spent)} turns")
    print(f"all: {np.mean(everything):.0f} tokens a turn")


def _recalled_now(body: dict[str, Any]) -> int:
    content = body["messages"][-1]["content"]
    texts = [block["text"] for block in content if isinstance(block, dict)]
    return sum(count(text) for text in texts[:-1] if "Said earlier" in text[:80])


# --- what it is called with -------------------------------------------------------------------


class KeptVectors(SharedEmbedder):
    """Vectors of texts in a file, so that a second run embeds nothing anew."""

    def __init__(self, inner: Embedder, path: Path) -> None:
        super().__init__(inner)
        self._path = path
        if path.exists():
            with np.load(path, allow_pickle=True) as kept:
                self._known = dict(zip(kept["texts"], kept["vectors"], strict=True))
        self._read = len(self._known)

    def save(self) -> None:
        """Write what is new."""
        if len(self._known) > self._read:
            texts = np.array(list(self._known), dtype=object)
            np.savez(self._path, texts=texts, vectors=np.stack(list(self._known.values())))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="transcripts")
    parser.add_argument("--only", nargs="+", help="ids of the conversations to take")
    parser.add_argument("--budget", type=int, nargs="+", default=[1000, 2000, 4000, 8000, 16000])
    parser.add_argument("--strategy", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--against", nargs="+", default=["chroma", "hybrid"], help="see above")
    parser.add_argument("--vectors", type=Path, help="a file to keep vectors in between runs")
    parser.add_argument("--chosen-on", nargs="+", default=CHOSEN_ON, metavar="ID", help="see above")
    parser.add_argument("--ordinary", action="store_true", help="ordinary turns instead")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
