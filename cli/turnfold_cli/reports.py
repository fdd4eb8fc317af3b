"""What was found in a store, and what was forgotten, as text. No command knows rich."""

from __future__ import annotations

from rich.console import Console
from turnfold.forgetting.forget import Forgotten
from turnfold.upkeep.checkup import Checkup, Finding

from turnfold_cli.account_check import AccountCheck
from turnfold_cli.rendering import plain_table

_WHAT_TO_DO = {
    "broken file": "restore the file from a backup, or export what can be read",
    "lost": "what was said there is lost; memory goes on without it",
    "damaged": "--mend deletes what memory makes again, and writes anew what is told elsewhere",
    "missing vectors": "--mend writes them into the index again",
    "orphaned vectors": "--mend deletes them from the index",
    "stray vectors": "--mend deletes them",
    "unpaid": "--mend notes them; they are made when the conversation next folds or recalls",
    "dangling": "what is named is lost; memory goes on without it",
}


def print_checkup(console: Console, url: str, found: Checkup) -> None:
    """What a store holds, and what is not as it should be."""
    console.print(f"{url}: {_count(found.users, 'user')}")
    table = plain_table(console, "", "kept", "records")
    for kind, count in sorted(found.records.items()):
        table.add_row(kind, f"{count:,}")
    if table.row_count:
        console.print(table)
    if found.owed:
        console.print(
            f"{_count(found.owed, 'passage')} waiting for a vector: made when the conversation "
            "next folds or recalls"
        )
    for one in found.findings:
        console.print(_finding(one), soft_wrap=True)
    if not found.findings:
        console.print("All is as it should be.")
    elif found.sound:
        console.print("All of it was mended.")


def print_account(console: Console, found: AccountCheck) -> None:
    """Whether caching, thinking and summaries work, and how it showed."""
    words = {True: "works", False: "does not work", None: "not seen"}
    for one in found.verdicts:
        console.print(f"{one.name}: {words[one.works]}: {one.told}", soft_wrap=True)
    console.print(f"{found.model} said: {found.answer}", soft_wrap=True)
    for remark in found.remarks:
        console.print(remark, soft_wrap=True)
    spent = "an unknown price" if found.cost is None else f"${found.cost:.4f} at list prices"
    console.print(f"That was {spent}.")


def _finding(one: Finding) -> str:
    whose = f" of {one.user_id!r}" if one.user_id else ""
    done = "mended" if one.mended else _WHAT_TO_DO["lost" if one.lost else one.kind]
    return f"{one.kind}{whose}: {one.count:,} ({one.detail}): {done}"


def print_forgotten(console: Console, done: Forgotten) -> None:
    """What a forgetting did."""
    if not done:
        console.print("There was nothing to forget.")
        return
    parts = [
        _count(done.exchanges, "exchange"),
        _count(done.passages, "passage"),
        _count(done.vectors, "vector"),
        _count(done.plans, "plan"),
        _count(done.receipts, "receipt"),
        _count(done.files, "file"),
        _count(done.others, "other record"),
    ]
    console.print(f"Forgotten: {', '.join(parts)}.", soft_wrap=True)
    if done.summaries or done.rebuilt:
        console.print(
            f"Summaries: {done.summaries:,} records deleted, {done.rebuilt:,} rebuilt from what "
            "remains.",
            soft_wrap=True,
        )
    console.print(
        "The files were purged."
        if done.purged
        else "The store keeps no files here: its server clears them in its own time.",
        soft_wrap=True,
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
