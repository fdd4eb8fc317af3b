"""How much of what an answer needs stands in the prompt, by budget: evidence recall.

    python benchmarks/bench_recall.py --data FILE --budget 1000 2000 4000 8000

A conversation is sent whole, then each question after it, through the real SDK and the
middleware to a stand-in for the API; what arrived is looked through for the turns that hold the
answer (`turnfold_cli.evidence`). ER@B is the mean over questions of the share of those turns that
stand verbatim in a prompt of at most B tokens, at four characters a token, `system`, `tools` and
the question aside; a longer prompt scores 0. Intervals are of 95%, by resampling conversations.

`--chosen-on` names the conversations that constants were chosen on: they and the others are told
apart, too. `--ordinary` sends the conversations turn by turn under the default policy instead,
and says what is recalled for turns that are no questions about the past.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from turnfold import Embedder, Memory, Policy
from turnfold.archive.passages import split
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_cli.evidence import Prompt
from turnfold_cli.replay import SharedEmbedder, ready_embedder
from turnfold_cli.replay_results import MODEL
from turnfold_cli.transcripts import Conversation, Question, read_transcript
from turnfold_fake import FakeClaude, Reply
from turnfold_stores.search.bm25 import Bm25

CHOSEN_ON = (
    *("conv-26", "conv-30", "conv-42"),
    *("beam100K-1", "beam100K-3", "beam100K-5", "beam100K-7", "beam100K-9"),
)
_CHARS_PER_TOKEN = 4
_RESAMPLES = 2_000
_PATIENCE = 3_600.0
_FAKE = "The stand-in answers."

Ask = Callable[[Question, int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Score:
    """What one question got under one strategy and budget."""

    strategy: str
    budget: int
    conversation: str
    kind: str
    share: float
    tokens: int


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversations = [one for path in arguments.data for one in read_transcript(path)]
    if arguments.only:
        conversations = [one for one in conversations if one.id in arguments.only]
    embedder: Embedder = ready_embedder()
    if arguments.vectors:
        embedder = KeptVectors(embedder, arguments.vectors)
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
        if arguments.out:
            arguments.out.write_text(json.dumps(summary(scores), indent=2) + "\n")
    if isinstance(embedder, KeptVectors):
        embedder.save()
    return 0


# --- strategies -------------------------------------------------------------------------------


def measure(
    conversation: Conversation, budgets: Sequence[int], names: Sequence[str], embedder: Embedder
) -> Iterator[Score]:
    """Every scored question under every strategy and budget."""
    for name in names:
        ask = STRATEGIES[name](conversation, embedder)
        for budget in budgets:
            for question in conversation.questions:
                if not question.is_scored:
                    continue
                prompt = Prompt(ask(question, budget), question.text)
                share = prompt.share_of(question.evidence) if prompt.tokens <= budget else 0.0
                yield Score(name, budget, conversation.id, question.kind, share, prompt.tokens)


def by_ranking(rank: Callable[[Question], Sequence[int]], conversation: Conversation) -> Ask:
    """Whole messages in the order of a ranking, as many as fit."""
    texts = _texts(conversation)

    def ask(question: Question, budget: int) -> dict[str, Any]:
        left = budget * _CHARS_PER_TOKEN
        taken: list[int] = []
        for index in rank(question):
            if len(texts[index]) + 1 <= left:
                left -= len(texts[index]) + 1
                taken.append(index)
        content = [texts[index] for index in sorted(taken)]
        blocks = [{"type": "text", "text": text} for text in [*content, question.text]]
        return {"messages": [{"role": "user", "content": blocks}]}

    return ask


def window(conversation: Conversation, _: Embedder) -> Ask:
    """The newest messages."""
    texts = _texts(conversation)

    def ask(question: Question, budget: int) -> dict[str, Any]:
        left, first = budget * _CHARS_PER_TOKEN, len(texts)
        while first and len(texts[first - 1]) + 1 <= left:
            first -= 1
            left -= len(texts[first]) + 1
        blocks = [{"type": "text", "text": text} for text in [*texts[first:], question.text]]
        return {"messages": [{"role": "user", "content": blocks}]}

    return ask


def lexical(conversation: Conversation, _: Embedder) -> Ask:
    """BM25 over messages."""
    words = Bm25()
    for index, text in enumerate(_texts(conversation)):
        words.add(str(index), "", text)
    return by_ranking(
        lambda question: [int(hit.id) for hit in words.match(question.text)], conversation
    )


def dense(conversation: Conversation, embedder: Embedder) -> Ask:
    """Messages by their nearest passage."""
    pieces = [(n, piece) for n, text in enumerate(_texts(conversation)) for piece in split(text)]
    vectors = embedder.embed([piece for _, piece in pieces])

    def rank(question: Question) -> list[int]:
        near = vectors @ embedder.embed([question.text])[0]
        return list(dict.fromkeys(pieces[at][0] for at in np.argsort(-near, kind="stable")))

    return by_ranking(rank, conversation)


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
            client.messages.create(
                model=MODEL,
                max_tokens=64,
                messages=[*conversation.messages, opening],
                thinking={"type": "disabled"},
            )
            body: dict[str, Any] = fake.calls[-1].body
            fake.calls.clear()
            return body

        return ask

    return strategy


def nothing_said(job: SummaryJob) -> SummaryDraft:
    """As little as memory takes for a summary, so that only recall is left."""
    return SummaryDraft([Item("narrative", "-", (job.first,))])


def count(text: str) -> int:
    """Tokens of a text by the measure's rule, rounded up."""
    return -(-len(text) // _CHARS_PER_TOKEN)


def within(budget: int, **changes: Any) -> Policy:
    """The policy for a budget, with time for a slow machine."""
    return Policy.for_budget(budget, count_tokens=count, deadline=_PATIENCE, **changes)


def recall_alone(budget: int) -> Policy:
    """No window, and a summary that says nothing."""
    return within(budget, keep_tokens=0, summary_tokens=100)


STRATEGIES: dict[str, Callable[[Conversation, Embedder], Ask]] = {
    "window": window,
    "bm25": lexical,
    "dense": dense,
    "recall": through_memory(recall_alone, summarize=False),
    "for_budget": through_memory(within, summarize=True),
}


def _wants_json(body: dict[str, Any]) -> bool:
    return bool(body.get("output_config") or body.get("tools"))


def _texts(conversation: Conversation) -> list[str]:
    return [str(message["content"]) for message in conversation.messages]


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
                client.messages.create(
                    model=MODEL, max_tokens=64, messages=history, thinking={"type": "disabled"}
                )
                spent.append(_recalled_now(fake.calls[-1].body))
                fake.calls.clear()
                history += turn.answered
        everything += spent
        with_some = sum(map(bool, spent))
        print(f"{one.id}: {np.mean(spent):.0f} tokens a turn, {with_some} of {len(spent)} turns")
    print(f"all: {np.mean(everything):.0f} tokens a turn")


def _recalled_now(body: dict[str, Any]) -> int:
    content = body["messages"][-1]["content"]
    texts = [block["text"] for block in content if isinstance(block, dict)]
    return sum(count(text) for text in texts[:-1] if "Said earlier" in text[:80])


# --- figures ----------------------------------------------------------------------------------


def summary(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Means with their intervals, overall and by kind of question."""
    rows = []
    groups: dict[tuple[str, int, str], list[Score]] = defaultdict(list)
    for one in scores:
        groups[one.strategy, one.budget, "all"].append(one)
        groups[one.strategy, one.budget, one.kind].append(one)
    for (strategy, budget, kind), group in groups.items():
        low, high = interval(group)
        mean = 100 * float(np.mean([one.share for one in group]))
        tokens = float(np.mean([one.tokens for one in group]))
        row: dict[str, Any] = {"strategy": strategy, "budget": budget, "kind": kind}
        row |= {"questions": len(group), "recall": round(mean, 1)}
        row |= {"low": round(low, 1), "high": round(high, 1), "tokens": round(tokens)}
        rows.append(row)
    return rows


def interval(scores: Sequence[Score]) -> tuple[float, float]:
    """The middle 95% of the mean, in percent, were other conversations of the kind drawn."""
    by_conversation: dict[str, list[float]] = defaultdict(list)
    for one in scores:
        by_conversation[one.conversation].append(one.share)
    sums = np.array([sum(some) for some in by_conversation.values()])
    sizes = np.array([len(some) for some in by_conversation.values()])
    drawn = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = 100 * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(
    scores: Sequence[Score],
    names: Sequence[str],
    budgets: Sequence[int],
    kinds: Sequence[str] = (),
) -> str:
    """ER by strategy and kind of question, all for none, as Markdown."""
    rows = {(row["strategy"], row["budget"], row["kind"]): row for row in summary(scores)}
    kinds = kinds or ["all", *sorted({one.kind for one in scores})]
    lines = ["| | " + " | ".join(map(str, budgets)) + " |", "|---" * (len(budgets) + 1) + "|"]
    for name in names:
        for kind in kinds:
            cells = [rows[name, budget, kind] for budget in budgets]
            title = f"**{name}**" if kind == "all" else f"{kind} ({cells[0]['questions']})"
            shown = [f"{c['recall']} [{c['low']}, {c['high']}]" for c in cells]
            lines.append("| " + " | ".join([title, *shown]) + " |")
    return "\n".join(lines)


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
    parser.add_argument("--budget", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    parser.add_argument("--strategy", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--vectors", type=Path, help="a file to keep vectors in between runs")
    parser.add_argument("--chosen-on", nargs="+", default=CHOSEN_ON, metavar="ID", help="see above")
    parser.add_argument("--ordinary", action="store_true", help="ordinary turns instead")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
