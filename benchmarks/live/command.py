"""Arguments of the command go in; what was found comes out, or why nothing was spent."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from proof.replays import Chosen
from turnfold import Embedder

from live.asking import LiveError
from live.consent import KEYS, agreed, has_key, offer
from live.measuring import (
    JUDGES,
    QUESTIONS,
    Interview,
    Models,
    as_json,
    compared,
    door_to,
    estimated,
    some_of,
)
from live.paying import Account

MOST = 5.0
PAID = "live-paid.jsonl"
"""Beside the result files: every answer that was paid for."""


def add_arguments(parser: ArgumentParser) -> None:
    """What `--live` takes."""
    models = Models()
    live = parser.add_argument_group("with --live, the same questions to the real API")
    live.add_argument("--live", action="store_true", help="asks before it spends")
    live.add_argument("--max-usd", type=float, default=MOST, help="for all runs together")
    live.add_argument("--yes", action="store_true", help="say yes to the estimate beforehand")
    live.add_argument("--questions", type=int, default=QUESTIONS, help="of each conversation")
    live.add_argument("--model", default=models.answers)
    live.add_argument("--summary-model", default=models.summaries)
    live.add_argument("--judges", nargs=2, default=JUDGES, metavar="MODEL")
    live.add_argument("--base-url", help="of another server that speaks the Messages API")


def run(
    arguments: Namespace,
    conversations: list[Chosen],
    embedder: Embedder,
    *,
    ask: Callable[[str], str] | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> dict[str, Any] | None:
    """Ask what was agreed to.

    Args:
        arguments: of the command.
        conversations: groups and conversations.
        embedder: for recall.
        ask: see `agreed`.
        environment: where a key is looked for; None for the process's own.
        **options: of the HTTP client.

    Returns:
        What the page shows; None where nothing was to be spent.
    """
    if not (has_key() if environment is None else has_key(environment)):
        print(f"No key: set {KEYS[0]}, and nothing else needs to be changed.")
        return None
    models = Models(arguments.model, arguments.summary_model, tuple(arguments.judges))
    account = Account(arguments.out / PAID, arguments.max_usd)
    titles = {
        one.strategy.name: one.strategy.title
        for _, conversation in conversations
        for one in compared(embedder, conversation)
    }
    asked = sum(len(some_of(one, arguments.questions)) for _, one in conversations) * len(titles)
    print("What it would cost is reckoned with the stand-in first.", file=sys.stderr, flush=True)
    estimate = estimated(conversations, models, embedder, arguments.questions)
    told = offer(estimate, account, models, asked)
    if arguments.yes:
        print(told)
    elif not agreed(told, ask):
        return None
    door = door_to(account, models, base_url=arguments.base_url, **options)

    def step(what: str) -> None:
        print(f"${account.spent:.3f}  {what}", file=sys.stderr, flush=True)

    try:
        interview = Interview(models, door, embedder, questions=arguments.questions, on_step=step)
        found = interview.hold(conversations)
    except LiveError as wrong:
        print(f"The API refuses to be asked at all: {wrong}")
        return None
    print(f"${account.spent:.4f} spent in all. {found.stopped or 'All was asked.'}")
    if found.stopped or found.missed:
        print("Another run goes on from here; what was answered is not paid again.")
    return as_json(found, account, models, titles)
