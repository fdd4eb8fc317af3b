"""Commands about what is kept: look after a store, move it, forget what is in it."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Annotated

import typer
from anthropic import APIError
from turnfold import Policy, TurnfoldError
from turnfold.accounting.price_list import stale
from turnfold.errors import StoreError
from turnfold.files.stored_files import StoredFiles
from turnfold.forgetting.forget import Forgotten, forget, forget_again, forget_turns
from turnfold.language.days import iso_moment, seconds_of
from turnfold.upkeep.checkup import check
from turnfold_stores import Record, Store, open_store
from turnfold_stores.local_paths import local_path
from turnfold_stores.masking import without_secret
from turnfold_stores.upkeep.transfer import export_lines, import_lines

from turnfold_cli import account_check, rendering, reports
from turnfold_cli.chat import client_at, in_one_line, need_key
from turnfold_cli.exit_codes import FAILED, told
from turnfold_cli.replay_results import MODEL

app = typer.Typer()

_UNITS = {"h": 3_600.0, "d": 86_400.0, "w": 7 * 86_400.0}

UrlArgument = Annotated[
    str, typer.Argument(help="The store: a folder, sqlite:FILE, postgresql://…")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def doctor(  # noqa: PLR0917 - typer makes options of them
    url: Annotated[
        str | None, typer.Argument(help="The store: a folder, sqlite:FILE, postgresql://…")
    ] = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Put right what can be derived anew, such as the index.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Ask Claude: five small turns say whether caching, thinking and summaries work "
            "on this account. Asks before it spends.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --live: spend without asking.")] = False,
    model: Annotated[str, typer.Option(help="With --live: the model to talk with.")] = MODEL,
    summary_model: Annotated[
        str, typer.Option(help="With --live: the model that writes summaries.")
    ] = "auto",
    base_url: Annotated[
        str | None, typer.Option(help="With --live: another server than Claude's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the ledger of a store against its index. Exit code 1 where something is wrong."""
    if (url is None) != live:
        raise typer.BadParameter("give a store, or --live without one", param_hint="URL")
    if url is not None:
        sound = _check_store(url, mend=mend, as_json=as_json)
    else:
        sound = _check_account(model, summary_model, base_url, yes=yes, as_json=as_json)
    if not sound:
        raise typer.Exit(FAILED)


def _check_account(
    model: str, summary_model: str, base_url: str | None, *, yes: bool, as_json: bool
) -> bool:
    need_key(base_url)
    cost = f"about ${account_check.estimated_dollars(model):.2f}"
    question = f"Five small turns with {model} cost {cost} at list prices. Shall they be sent?"
    if not yes and not typer.confirm(question, err=True):
        raise typer.Exit(FAILED)
    with told(), client_at(base_url) as client:
        try:
            found = account_check.check_account(client, model, summary_model=summary_model)
        except APIError as wrong:
            rendering.complain(in_one_line(wrong))
            raise typer.Exit(FAILED) from None
    if as_json:
        rendering.print_json({"sound": found.sound, **asdict(found)})
    else:
        reports.print_account(rendering.console_for(sys.stdout), found)
    return found.sound


def _check_store(url: str, *, mend: bool, as_json: bool) -> bool:
    with told(), _opened(url) as store:
        found = check(store, mend=mend)
    old = stale(datetime.now(UTC).date())
    if as_json:
        rendering.print_json({"sound": found.sound, **asdict(found), "prices": old})
    else:
        reports.print_checkup(rendering.console_for(sys.stdout), without_secret(url), found)
        if old:
            rendering.remark(old)
    return found.sound


@app.command("export")
def export_command(
    url: UrlArgument,
    file: Annotated[Path, typer.Argument(help="A file to write; - for standard output.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file, if any.")] = False,
) -> None:
    """Write all that a store holds, vectors included, to a file that any store can import."""
    damaged: list[Record] = []
    records = 0
    with told(), _opened(url) as store:
        if str(file) == "-":
            for line in export_lines(store, on_damaged=damaged.append):
                sys.stdout.buffer.write(line.encode())
        else:
            records = _write(store, file, force=force, on_damaged=damaged.append)
    if damaged:
        rendering.remark(
            f"{len(damaged):,} records are damaged and were left out; `turnfold doctor URL --mend` "
            "has memory make again what can be"
        )
    if str(file) == "-":
        return
    rendering.remark(f"{records:,} records of {without_secret(url)} are in {file}")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="What was exported; - for standard input.")],
    url: UrlArgument,
) -> None:
    """Write what was exported into a store. What is there stays; run it again if it broke off."""
    with told(), _lines_of(file) as lines, open_store(url) as store:
        with rendering.progress(None) as step:
            done = import_lines(store, lines, on_batch=lambda count: step(f"{count} more"))
        buried = Forgotten()
        for user_id in done.users:
            StoredFiles(store, user_id).take_in()
            again = forget_again(store, Policy(), user_id)
            buried += again
            if again:
                store.purge(user_id)
    told_of = f"{done.records:,} records of {len(done.users):,} users read, {done.new:,} were new"
    if buried.exchanges:
        told_of += f"; {buried.exchanges:,} exchanges were forgotten here and stay so"
    rendering.remark(told_of)


@app.command("forget")
def forget_command(  # noqa: PLR0917 - typer makes options of them
    url: UrlArgument,
    user: Annotated[str | None, typer.Option(help="Whose.")] = None,
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Of everybody; with --before only.")
    ] = False,
    conversation: Annotated[str | None, typer.Option(help="Only in this conversation.")] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Only what is older: 30d, 12h, 2w, 2026-01-31, 2026-01-31T18:00."),
    ] = None,
    turn: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Only this turn of the conversation; may be given again."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a user, turns of one, or what is old: for good, also if it is sent again."""
    if (user is None) == (not all_users):
        raise typer.BadParameter("say whose: --user NAME, or --all-users", param_hint="--user")
    if all_users and (before is None or conversation is not None):
        raise typer.BadParameter(
            "everybody's memory is forgotten by age only: add --before, leave out --conversation",
            param_hint="--all-users",
        )
    if user == "" or conversation == "":
        raise typer.BadParameter("a name must not be empty")
    if turn and (user is None or conversation is None or before is not None):
        raise typer.BadParameter(
            "a turn is one of a conversation: add --user and --conversation, leave out --before",
            param_hint="--turn",
        )
    with told():
        moment = None if before is None else _moment(before)
        with _opened(url) as store:
            whom = sorted(store.users()) if user is None else [user]
            if not yes:
                _confirm(url, user, conversation, moment, turn)
            done = Forgotten()
            concerned = []
            for user_id in whom:
                age = math.inf if moment is None else moment
                if turn and conversation is not None:
                    one = forget_turns(
                        store, Policy(), user_id, conversation=conversation, turns=turn, purge=False
                    )
                else:
                    one = forget(
                        store, Policy(), user_id, conversation=conversation, before=age, purge=False
                    )
                done += one
                concerned += [user_id] if one else []
            done = replace(done, purged=store.purge(*concerned))
    if as_json:
        rendering.print_json(asdict(done))
    else:
        reports.print_forgotten(rendering.console_for(sys.stdout), done)


def _confirm(
    url: str,
    user: str | None,
    conversation: str | None,
    before: float | None,
    turns: list[int] | None,
) -> None:
    all_of = "all of"
    if turns:
        all_of = f"turn{'s' if len(turns) > 1 else ''} {', '.join(map(str, turns))} of"
    what = "everybody" if user is None else f"user {user!r}"
    what += "" if conversation is None else f" in conversation {conversation!r}"
    if before is not None:
        what += f" before {_dated(before):%Y-%m-%d %H:%M %Z}"
    typer.confirm(
        f"Forget {all_of} {what} in {without_secret(url)}? This cannot be undone.",
        abort=True,
        err=True,
    )


def _moment(text: str) -> float:
    """Seconds since the epoch of an age or of a date in local time."""
    age = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text.strip())
    if age is not None:
        ago = time.time() - float(age.group(1)) * _UNITS[age.group(2)]
        return seconds_of(ago, None, what=f"--before {text!r}")
    moment = iso_moment(text)
    if moment is None:
        raise TurnfoldError(
            f"--before {text!r} is neither an age (30d, 12h, 2w) nor a date (2026-01-31)"
        )
    return seconds_of(moment, None, what=f"--before {text!r}")


def _dated(moment: float) -> datetime:
    return datetime.fromtimestamp(moment).astimezone()


def check_is_there(url: str) -> None:
    """Refuse a local store that is not there; a name mistyped does not make a new one.

    Raises:
        StoreError: there is none.
    """
    if not url:
        return  # `open_store` says what is wrong with it
    scheme, colon, rest = url.partition(":")
    path = rest.removeprefix("//") if colon and scheme.lower() == "sqlite" else url
    is_local = not colon or path != url or len(scheme) == 1
    if is_local and not local_path(path).exists():
        raise StoreError(f"there is no store at {without_secret(url)!r}")


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    check_is_there(url)
    with open_store(url) as store:
        yield store


def _write(store: Store, file: Path, *, force: bool, on_damaged: Callable[[Record], None]) -> int:
    """Write the whole file, or none at all; only its owner may read it."""
    if os.path.lexists(file) and not (force and (file.is_symlink() or file.is_file())):
        what = "is there already" if not force or file.is_file() else "is there and is no file"
        raise StoreError(
            f"{str(file)!r} {what}: name another file{'' if force else ', or add --force'}"
        )
    records = -2  # the first line and the last one
    part = None
    try:
        # A name that nobody could foresee, so that nobody has laid a link there.
        descriptor, part = mkstemp(prefix=f"{file.name[:100]}.", suffix=".part", dir=file.parent)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as opened:  # noqa: PTH123
            for line in export_lines(store, on_damaged=on_damaged):
                opened.write(line)
                records += 1
            opened.flush()
            os.fsync(descriptor)
        Path(part).replace(file)
    except OSError as wrong:
        raise StoreError(f"cannot write {str(file)!r}: {wrong.strerror}") from wrong
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return records


@contextmanager
def _lines_of(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as wrong:
        raise StoreError(f"cannot read {str(file)!r}: {wrong.strerror}") from None
    with opened:
        yield opened
