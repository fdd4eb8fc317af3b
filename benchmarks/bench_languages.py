"""What memory does in other languages than English, one row a language.

    python benchmarks/bench_languages.py [--only de ja] [--columns notes recall] [--show]

Each concern has its cases in `languages/`. *notes*, *instructions* and *fold* are those of
`notes_in_languages.py`: of true notes the gate should refuse few, of wrong ones nearly all; the
instructions a summarizer cites are to be kept as such; to check a fold's notes should take no
longer than in English. *recall*: a conversation of 20 facts among
280 turns of everyday talk, and of each a question in other words: how many of the 20 stand word
for word in the prompt, with all-MiniLM-L6-v2, which knows English, and by words alone; how many
of six pieces of small talk recall anything; how many of two follow-ups that name nothing find
what they follow up on.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from notes_in_languages import fold_time, instructions, notes
from turnfold import Embedder, Memory, Policy
from turnfold.embedders import FastEmbedder
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_cli.replay_results import MODEL
from turnfold_fake import FakeClaude, Reply

DATA = Path(__file__).parent / "languages"
Row = Mapping[str, str]
_EXCHANGES = 300
# Where the first fact stands, and how far apart they are: all of them are folded.
_FIRST = 8
_APART = 13
_TOLD = 20
_POLICY = Policy(fold_at=4_000, keep_tokens=300, background="off", summary_tokens=100)


class WordsAlone:
    """An embedder that is down: recall goes on by words."""

    model = "down"
    dimension = 384

    def embed(self, _texts: Sequence[str]) -> NoReturn:
        """Fail."""
        raise RuntimeError("down")


# --- recall -----------------------------------------------------------------------------------


class Talk:
    """One language's conversation, in a memory of its own."""

    def __init__(self, case: Mapping[str, Any], embedder: Embedder) -> None:
        self._case = case
        self._memory = Memory(
            "memory:", embedder=embedder, policy=_POLICY, summarizer=_says_nothing
        )
        if isinstance(embedder, FastEmbedder):
            self._memory.load()
        told = [case["follow_up"]["told"], *(fact["told"] for fact in case["facts"])]
        places = {_FIRST + _APART * number: text for number, text in enumerate(told)}
        self._history: list[dict[str, str]] = []
        for number in range(_EXCHANGES):
            around = case["around"][number % len(case["around"])].format(i=number + 2)
            self._history += _exchange(places.get(number, around), "OK.")

    def answers(self) -> list[tuple[str, bool]]:
        """Each question, and whether what it asks for stands in the prompt."""
        return [
            (fact["asked"], fact["told"] in self._prompt([], fact["asked"]))
            for fact in self._case["facts"]
        ]

    def small_talk(self) -> list[tuple[str, bool]]:
        """Each piece of small talk, and whether it recalled nothing."""
        return [(text, not self._recalled([], text)) for text in self._case["small_talk"]]

    def follow_ups(self) -> list[tuple[str, bool]]:
        """Each follow-up, and whether what it follows up on stands in the prompt."""
        case = self._case["follow_up"]
        before = _exchange(case["asked"], "OK.")
        return [(text, case["told"] in self._prompt(before, text)) for text in case["openings"]]

    def _prompt(self, before: Sequence[dict[str, str]], text: str) -> str:
        body, _ = self._send(before, text)
        return json.dumps(body["messages"], ensure_ascii=False)

    def _recalled(self, before: Sequence[dict[str, str]], text: str) -> int:
        _, receipts = self._send(before, text)
        return len(receipts[-1].hits)

    def _send(self, before: Sequence[dict[str, str]], text: str) -> tuple[Any, list[Any]]:
        fake = FakeClaude(lambda _body: Reply("OK.", thinking=False))
        receipts: list[Any] = []
        client = self._memory.wrap(
            fake.client(), user_id="u", conversation="c", on_receipt=receipts.append
        )
        messages = [*self._history, *before, {"role": "user", "content": text}]
        client.messages.create(model=MODEL, max_tokens=50, messages=messages)
        return fake.asked()[-1].body, receipts


def _exchange(asked: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _says_nothing(job: SummaryJob) -> SummaryDraft:
    return SummaryDraft([Item("narrative", "-", (job.first,))])


def recall(language: str, *, show: bool) -> Row:
    """The columns of recall for one language."""
    (case,) = [one for one in cases("recall") if one["language"] == language]
    row = {}
    for name, embedder in (("with the model", FastEmbedder()), ("words alone", WordsAlone())):
        talk = Talk(case, embedder)
        row[f"recalled, {name}"] = _share(talk.answers(), name, show=show)
        row[f"small talk kept out, {name}"] = _share(talk.small_talk(), name, show=show)
        row[f"follow-ups, {name}"] = _share(talk.follow_ups(), name, show=show)
    return row


def _share(tried: Sequence[tuple[str, bool]], name: str, *, show: bool) -> str:
    for text, well in tried:
        if show and not well:
            print(f"    {name}: {text}")
    return f"{sum(well for _, well in tried)}/{len(tried)}"


# --- the table --------------------------------------------------------------------------------

COLUMNS: Mapping[str, Callable[..., Row]] = {
    "notes": notes,
    "instructions": instructions,
    "fold": fold_time,
    "recall": recall,
}


def cases(concern: str) -> list[Any]:
    """The cases of a concern, one language each."""
    lines = (DATA / f"{concern}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="LANGUAGE", default=[])
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=[*COLUMNS])
    parser.add_argument("--show", action="store_true", help="what went wrong")
    arguments = parser.parse_args()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    languages = [one["language"] for one in cases("recall")]
    head: list[str] = []
    for language in languages:
        if arguments.only and language not in arguments.only:
            continue
        row: dict[str, str] = {}
        for column in arguments.columns:
            row |= COLUMNS[column](language, show=arguments.show)
        if not head:
            head = [*row]
            print(f"| | {' | '.join(head)} |\n|{'---|' * (len(head) + 1)}")
        print(f"| {language} | {' | '.join(row[one] for one in head)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
