"""Conversations go in; tokens, cost and evidence of every strategy come out, as plain JSON."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from turnfold import Embedder
from turnfold.archive.passages import split
from turnfold.history.utterances import utterances
from turnfold_cli.agents.trajectories import asked_about, trajectories_in
from turnfold_cli.imports.reading import read_any
from turnfold_cli.replay import AT_WORK, Conditions, Replay
from turnfold_cli.replay_results import Result
from turnfold_cli.transcripts import Conversation, packaged_demo, packaged_job

from proof.embedding import fast_embedder
from proof.strategies import (
    BUDGETS,
    READS,
    Contender,
    contenders,
    listed_read,
    policy_at,
    within,
)

CHAT, JOB = "The packaged chat", "The packaged agent job"
_QUESTIONS = 20
"""Made of an agent's results where its file has none."""

Chosen = tuple[str, Conversation]
"""The group whose figures a conversation is added to, and the conversation."""


def chosen(
    files: Sequence[Path], only: Sequence[str] = (), limit: int | None = None
) -> list[Chosen]:
    """What comes with turnfold, and the conversations of files.

    Args:
        files: whatever `turnfold replay` reads (transcripts, logs, data exports, folders and
            zips of them), or trajectories of agents.
        only: ids of the conversations to take of them; all for none.
        limit: so many of each file.
    """
    found = [(CHAT, packaged_demo()), (JOB, packaged_job())]
    for file in files:
        read = [one for one in _read(file) if not only or one.id in only]
        found += [(file.stem, _asked(one)) for one in read[:limit]]
    return found


def _read(file: Path) -> Sequence[Conversation]:
    """The conversations of a file, a folder or a zip; what is left out of them is told."""
    if (found := trajectories_in(file)) is not None:
        return found
    imported = read_any(file)
    if told := imported.told():
        print(f"{file.name}: {told}", file=sys.stderr, flush=True)
    return imported.conversations


def _asked(one: Conversation) -> Conversation:
    """With questions, where its tools have results that can be asked for."""
    return one if one.questions else asked_about(one, _QUESTIONS)


def measured(conversations: Sequence[Chosen], *, jobs: int) -> Iterator[list[dict[str, Any]]]:
    """One run for each conversation: all there are so far, in the order given, after each.

    Args:
        conversations: what is held again.
        jobs: processes, each with one conversation at a time.
    """
    found: dict[int, dict[str, Any]] = {}
    for number, one in _runs(conversations, jobs):
        found[number] = one
        yield [found[n] for n in sorted(found)]


def _runs(conversations: Sequence[Chosen], jobs: int) -> Iterator[tuple[int, dict[str, Any]]]:
    if jobs <= 1:
        embedder = fast_embedder()
        yield from ((n, run(one, embedder)) for n, one in enumerate(conversations))
        return
    # The longest first, so that none is left over at the end.
    order = sorted(range(len(conversations)), key=lambda n: -len(str(conversations[n][1])))
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        asked = {pool.submit(run, conversations[n]): n for n in order}
        yield from ((asked[done], done.result()) for done in as_completed(asked))


def run(
    one: Chosen,
    embedder: Embedder | None = None,
    *,
    reads: Sequence[float] = READS,
    budgets: Sequence[int] = BUDGETS,
) -> dict[str, Any]:
    """All figures of one conversation.

    Args:
        one: its group, and the conversation.
        embedder: None for the default.
        reads: prices of a cached token beside the listed one.
        budgets: what prompts are held to, where it is no agent's job.
    """
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    group, conversation = one
    embedder = embedder or fast_embedder()
    # In one go, which keeps all cores busy; strategies then ask for what is known.
    said = (piece for one in utterances(conversation.messages) for piece in split(one.text))
    embedder.embed(list(dict.fromkeys(said)))
    rows = list(_rows(conversation, embedder, reads, budgets))
    return {
        "group": group,
        "conversation": conversation.id,
        "kind": "agent" if conversation.is_agent else "chat",
        "turns": sum(1 for _ in conversation.turns()),
        "questions": sum(one.is_scored for one in conversation.questions),
        "rows": rows,
    }


def _rows(
    conversation: Conversation,
    embedder: Embedder,
    reads: Sequence[float],
    budgets: Sequence[int],
) -> Iterator[dict[str, Any]]:
    agent = conversation.is_agent
    asked = any(one.is_scored for one in conversation.questions)
    listed = listed_read()
    for contender in contenders(embedder, agent=agent):
        result = played(contender, conversation, embedder, listed)
        yield row_of(contender, result, listed, by_turn=True)
        for read in reads:
            if read != listed:
                if contender.knows_prices:
                    result = played(contender, conversation, embedder, read)
                yield row_of(contender, result, read)
    for budget in budgets if asked and not agent else ():
        for contender in within(budget, embedder):
            result = played(contender, conversation, embedder, listed)
            yield row_of(contender, result, listed, budget=budget)


def played(
    contender: Contender, conversation: Conversation, embedder: Embedder, read: float
) -> Result:
    """A conversation held under a strategy, and its questions asked."""
    conditions = AT_WORK if conversation.is_agent else Conditions()
    started = time.perf_counter()
    with Replay(
        contender.strategy,
        conversation,
        policy=policy_at(read),
        embedder=embedder,
        conditions=conditions,
    ) as one:
        for _ in one.play():
            pass
        for _ in one.ask():
            pass
        result = one.result()
    seconds = time.perf_counter() - started
    title = f"{conversation.id}: {contender.strategy.title}, reads at {read:g}: {seconds:.0f} s"
    print(title, file=sys.stderr, flush=True)
    return result


def row_of(
    contender: Contender,
    result: Result,
    read: float,
    *,
    budget: int | None = None,
    by_turn: bool = False,
) -> dict[str, Any]:
    """The figures of one replay. Evidence in a prompt over its budget does not count."""
    asked = [
        replace(one, share=0.0) if budget and one.prompt_tokens > budget else one
        for one in result.asked
    ]
    scored = replace(result, asked=asked)
    row: dict[str, Any] = {
        "strategy": contender.strategy.name,
        "title": contender.strategy.title,
        "limit": contender.limit,
        "ours": contender.ours,
        "budget": budget,
        "read": read,
        "input_tokens": result.input_tokens,
        "summary_tokens": result.summary_tokens,
        "largest": max(turn.usage.prompt_tokens for turn in result.turns),
        "spend": round(result.spend(read=read), 6),
        "spend_uncached": round(result.spend(cached=False), 6),
        "evidence": scored.evidence,
        "evidence_with_tool": scored.evidence_with_tool if contender.ours else None,
        "prompt_tokens": result.evidence_tokens,
        "over_budget": sum(bool(budget and one.prompt_tokens > budget) for one in result.asked),
        # Whoever wrote them: compaction is done by the chat's own model.
        "summaries": result.requests - len(result.turns) - len(result.asked),
        "refused": result.refused,
        "refusals": list(result.refusals),
        "degraded": list(result.degraded),
    }
    if by_turn:
        row["tokens_by_turn"] = [turn.input_tokens for turn in result.turns]
        row["spend_by_turn"] = [round(turn.spend(read=read), 6) for turn in result.turns]
    return row
