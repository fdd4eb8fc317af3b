"""The commands: arguments become library calls, results go to `rendering`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import httpx2
import typer
from anthropic import Anthropic, APIError
from turnfold import Conversation, Embedder, Memory, Policy, TurnfoldError
from turnfold.embedders import chosen_embedder, default_embedder
from turnfold.upkeep.reindex import reindex
from turnfold_fake import FakeClaude
from turnfold_stores import open_store

from turnfold_cli import live, rendering, serving, store_commands
from turnfold_cli.agents.provider import AGENT_STRATEGIES
from turnfold_cli.agents.trajectories import asked_about
from turnfold_cli.chat import Chat, client_at, in_one_line, need_key, policy_of
from turnfold_cli.demo import ask_claude, run_demo
from turnfold_cli.embedder_options import EmbedderOption, ServiceOption
from turnfold_cli.exit_codes import told
from turnfold_cli.imports.reading import read_any
from turnfold_cli.replay import AT_WORK, ready_embedder, replay, steps_of
from turnfold_cli.replay_results import MODEL, Result
from turnfold_cli.strategies import STRATEGIES, Strategy, strategies_named
from turnfold_cli.transcripts import Conversation as Transcript
from turnfold_cli.transcripts import packaged_demo, packaged_job
from turnfold_cli.verdict import judged

if TYPE_CHECKING:
    from rich.console import Console

_DEFAULT = Policy()

app = typer.Typer(
    help="Memory for chat loops on Claude: see it at work, talk with it, measure it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(store_commands.app)
app.add_typer(serving.app)


@app.callback()
def _options() -> None:
    """Memory for chat loops on Claude: see it at work, talk with it, measure it."""


def run() -> int:
    """Run the command of this process.

    Returns:
        The exit code: 0, 1 where something is missing or failed, 2 for bad input.
    """
    _be_quiet()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # what cannot be shown or read becomes a question mark
            reconfigure(errors="replace")
    app()
    return 0


def _be_quiet() -> None:
    """What fails is told by tables and messages; libraries keep their remarks to themselves."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("turnfold").addHandler(logging.NullHandler())


def _strategies(names: Sequence[str]) -> Sequence[Strategy]:
    try:
        return strategies_named(names)
    except KeyError as unknown:
        known = ", ".join(one.name for one in STRATEGIES)
        raise typer.BadParameter(
            f"{unknown.args[0]!r} is no strategy; known are {known}", param_hint="--strategy"
        ) from None


def _number_or_word(text: str) -> int | str:
    with suppress(ValueError):
        return int(text)
    return text


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command("replay")
def replay_command(  # noqa: PLR0917 - typer makes options of them
    file: Annotated[
        Path,
        typer.Argument(
            help="A transcript, log or data export: a file, a folder or a zip; see the README."
        ),
    ],
    questions: Annotated[
        bool,
        typer.Option(help="Ask questions at the end: the file's own, or about results of tools."),
    ] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only so many conversations.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where turnfold remembers, e.g. ./folder; a replay can go on there."),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this one; repeatable. {', '.join(s.name for s in STRATEGIES)}"),
    ] = None,
    fold_at: Annotated[
        str, typer.Option(help="Policy.fold_at: auto, or a number of tokens.")
    ] = str(_DEFAULT.fold_at),
    keep_tokens: Annotated[
        int, typer.Option(help="Policy.keep_tokens, in tokens.")
    ] = _DEFAULT.keep_tokens,
    recall_tokens: Annotated[
        int, typer.Option(help="Policy.recall_tokens; 0 turns recall off.")
    ] = _DEFAULT.recall_tokens,
    summary_tokens: Annotated[
        int, typer.Option(help="Policy.summary_tokens, in tokens.")
    ] = _DEFAULT.summary_tokens,
    placement: Annotated[
        str, typer.Option(help="Policy.placement: auto, append or before_window.")
    ] = _DEFAULT.placement,
    as_json: JsonOption = False,
) -> None:
    """Hold the conversations of a transcript again under every strategy, and compare."""
    chosen = _strategies(strategy or ())
    with told():
        policy = Policy(
            fold_at=_number_or_word(fold_at),  # type: ignore[arg-type]  # likewise
            keep_tokens=keep_tokens,
            recall_tokens=recall_tokens,
            summary_tokens=summary_tokens,
            placement=placement,  # type: ignore[arg-type]  # Policy says what is wrong with it
        )
        imported = read_any(file)
        conversations = [
            one if one.questions or not questions else asked_about(one)
            for one in imported.conversations[:limit]
        ]
        opened = None if store is None else open_store(store)
        try:
            recalls = any(one.memory and one.memory.policy(policy).recall_tokens for one in chosen)
            steps = sum(steps_of(one, questions=questions) for one in conversations)
            embedder = ready_embedder() if recalls else None
            with rendering.progress(steps * len(chosen)) as step:
                results = replay(
                    conversations,
                    chosen,
                    policy=policy,
                    embedder=embedder,
                    store=opened,
                    questions=questions,
                    on_step=step,
                )
        finally:
            if opened is not None:
                opened.close()
    verdict = judged(conversations, results)
    if as_json:
        told_of = {"left_out": dict(imported.left), "verdict": verdict.as_json()}
        rendering.print_json(rendering.replay_as_json(file.name, results) | told_of)
        return
    console = rendering.console_for(sys.stdout)
    rendering.print_replay(console, file.name, results)
    for line in filter(None, (imported.told(), *verdict.lines())):
        console.print(line)


@app.command("demo")
def demo_command(  # noqa: PLR0917 - typer makes options of them
    plain: Annotated[bool, typer.Option("--plain", help="Plain text, line by line.")] = False,
    as_json: JsonOption = False,
    turns: Annotated[
        int | None, typer.Option(min=1, help="Only so many turns of the conversation.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Where turnfold remembers; by default a folder soon gone.")
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="Put some questions to Claude, too. This costs money.")
    ] = False,
    agent: Annotated[
        bool, typer.Option("--agent", help="An agent's long job instead of a conversation.")
    ] = False,
) -> None:
    """Show memory at work on a long conversation, or job. Needs no key and no network."""
    if real:
        need_key()
    console = rendering.console_for(sys.stdout, plain=plain)
    conversation = packaged_job() if agent else packaged_demo()
    if turns is not None:
        conversation = conversation.first(turns)
    with told(), ExitStack() as opened:
        if store is None:
            store = opened.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
        kept = opened.enter_context(open_store(store))
        if not as_json:
            live.print_opening(console, conversation)
        embedder = ready_embedder()
        with live.shown(console, quiet=as_json) as show:
            results = run_demo(
                conversation,
                embedder=embedder,
                store=kept,
                on_frame=show,
                strategies=AGENT_STRATEGIES if agent else STRATEGIES,
                conditions=AT_WORK if agent else None,
            )
        if as_json:
            rendering.print_json(rendering.replay_as_json(conversation.title, results))
            return
        live.print_questions(console, results)
        live.print_bill(console, results)
        mine = next(one for one in results if one.strategy == "turnfold")
        if real:
            console.print(live.offer(conversation, mine))
        if real or _offered(console, conversation, mine):
            _ask_claude(console, conversation, embedder)


def _offered(console: Console, conversation: Transcript, mine: Result) -> bool:
    """Whether someone sits there who has a key, and wants to spend something on it."""
    if not (console.is_terminal and sys.stdin.isatty() and os.environ.get("ANTHROPIC_API_KEY")):
        return False
    return typer.confirm(
        f"There is a key for Claude. {live.offer(conversation, mine)} Shall it be asked?"
    )


def _ask_claude(console: Console, conversation: Transcript, embedder: Embedder) -> None:
    try:
        with Anthropic() as client:
            for one in ask_claude(conversation, client, embedder=embedder):
                live.print_answer(console, one)
    except APIError as wrong:
        rendering.complain(in_one_line(wrong))
        raise typer.Exit(1) from None


@app.command("reindex")
def reindex_command(
    store: Annotated[str, typer.Argument(help="The store: ./folder, sqlite:file, a URL.")],
    model: Annotated[
        str,
        typer.Option(
            help="The new model: fast, sentence-transformers, a model's name or folder; with "
            "--service, its name there."
        ),
    ] = "sentence-transformers",
    service: Annotated[
        str | None,
        typer.Option(
            help="URL of an embedding service that speaks the OpenAI API, e.g. "
            "https://api.openai.com/v1; the key is read from OPENAI_API_KEY."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Embed all that a store holds with another model. The old one serves until all is done.

    It can be stopped and run again: it goes on where it was.
    """
    with told(), ExitStack() as opened:
        embedder = chosen_embedder(model, service)
        assert embedder is not None  # it has a name
        kept = opened.enter_context(open_store(store))
        with rendering.counting("passages embedded") as count:
            done = reindex(kept, embedder, on_progress=count)
    if as_json:
        rendering.print_json(asdict(done))
    else:
        rendering.console_for(sys.stdout).print(
            f"{done.passages:,} passages have vectors of {done.model} ({done.dimension} numbers "
            f"each); {done.embedded:,} were embedded now."
        )


@app.command("chat")
def chat_command(  # noqa: PLR0917 - typer makes options of them
    model: Annotated[str, typer.Option(help="The model to talk with.")] = MODEL,
    system: Annotated[str | None, typer.Option(help="A system prompt.")] = None,
    store: Annotated[str, typer.Option(help="Where the chat is remembered.")] = "./chat-memory",
    conversation: Annotated[
        str, typer.Option(help="Which conversation; a known one is resumed.")
    ] = "chat",
    user: Annotated[str | None, typer.Option(help="Whose; users never see each other's.")] = None,
    summary_model: Annotated[
        str,
        typer.Option(
            help="The model that writes summaries; auto: claude-haiku-5-5, or the chat's own "
            "where the server does not have that."
        ),
    ] = "auto",
    fold_at: Annotated[
        str,
        typer.Option(help="Fold when the prompt has so many tokens; auto: when it pays."),
    ] = "auto",
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Another server that speaks the Messages API; else ANTHROPIC_BASE_URL, or "
            "Claude's own. Few of them want a key."
        ),
    ] = None,
    embedder: EmbedderOption = None,
    embedding_service: ServiceOption = None,
    fake: Annotated[
        bool, typer.Option("--fake", help="Talk with a stand-in: no key, no network, no wit.")
    ] = False,
) -> None:
    """Talk with Claude; it remembers, also the next time."""
    if not fake:
        need_key(base_url)
    with told(), ExitStack() as opened:
        policy = policy_of(summary_model, fold_at)
        client = opened.enter_context(FakeClaude().client() if fake else client_at(base_url))
        named = chosen_embedder(embedder, embedding_service) or default_embedder()
        memory = opened.enter_context(Memory(store, policy=policy, embedder=named))
        talk = Conversation(
            system and _as_text(system),
            _as_text(model),
            client=client,
            memory=memory,
            user_id=user,
            id=conversation,
        )
        _chat(Chat(talk, _shown_at_once))


def _as_text(argument: str) -> str:
    """An argument that is sent: bytes of another encoding become question marks, as when typed."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _chat(chat: Chat) -> None:
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        with suppress(ImportError):
            import readline  # noqa: F401 - so that lines can be edited and recalled
        chat.greet()
    going = True
    while going:
        try:
            line = input("> " if at_terminal else "")
        except EOFError:
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")  # a line half typed is dropped
            continue
        try:
            going = chat.take(line)
        except APIError as wrong:
            rendering.complain(in_one_line(wrong))
        except httpx2.HTTPError as wrong:
            rendering.complain(f"the answer broke off: {wrong}")
        except TurnfoldError as wrong:
            rendering.complain(str(wrong))


def _shown_at_once(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
