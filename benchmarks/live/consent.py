"""What a run would cost goes in; whether somebody wants it comes out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from live.measuring import Models
from live.paying import Account

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def has_key(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the SDK will find a key; what it is, nobody here asks."""
    return any(environment.get(name) for name in KEYS)


def offer(estimate: float, account: Account, models: Models, asked: int) -> str:
    """What is about to be spent, on what, and where that ends."""
    paid = f", of which up to ${account.spent:.2f} are paid already" if account.spent else ""
    ends = (
        f" It stops before ${account.most:.2f}, which may be before all is asked."
        if estimate > account.most
        else f" It stops before ${account.most:.2f} in any case."
    )
    return (
        f"{asked} questions to {models.answers}, summaries by {models.summaries}, verdicts by "
        f"{' and '.join(models.judges)}: about ${estimate:.2f} at list prices in all{paid}.{ends}"
    )


def agreed(told: str, ask: Callable[[str], str] | None = None) -> bool:
    """Whether somebody says yes; nobody does where there is no terminal.

    Args:
        told: what it costs.
        ask: shows a text and gives what was typed; None for the terminal.
    """
    print(told)
    if ask is None:
        if not sys.stdin.isatty():
            print("Nobody is here to say yes: nothing was spent. --yes says it.")
            return False
        ask = input
    try:
        said = ask("Spend it? [y/N] ")
    except EOFError:
        said = ""
    return said.strip().lower() in ("y", "yes")
