"""Every model that tests and benchmarks name, by what it is for.

Models come and go: what a test needs of one is said here, and held against what turnfold and its
stand-in know by `tests/fake/test_models.py`. When a model retires, or no longer has what it is
here for, the line that names it is the only one to change. `make test-newest` asks the newest
SDK which of these will.
"""

DEFAULT = "claude-sonnet-5-5"
"""Chats are held with it. A million tokens; it thinks by default."""

BOUND_THINKING = DEFAULT
"""Binds its thinking to what came before it."""

FREE_THINKING = "claude-opus-4-8"
"""Thinks when asked, and binds it to nothing."""

ALWAYS_THINKS = ("claude-opus-5-5", "claude-fable-5-1")
"""Think whatever they are told."""

NO_THINKING = {"type": "between_tools"}
"""Keeps `DEFAULT` from thinking, but between calls of tools."""

SHOWN_THINKING = {"type": "adaptive", "display": "summarized"}
"""Has `DEFAULT` tell what it thought."""

SUMMARY = "claude-haiku-5-5"
"""Writes summaries where nothing else is asked for."""

OTHER_SUMMARY = "claude-haiku-4-5"
"""Writes summaries where it is asked for by name; dearer."""

PREFILL = "claude-haiku-4-5"
"""Goes on with an assistant message that stands last; thinks by a budget of tokens."""

NO_PREFILL = "claude-opus-4-6"
"""The oldest that no longer does."""

SMALL_WINDOW = "claude-haiku-4-5"
"""200,000 tokens, and 100 images a request."""

LEAST_BIG_WINDOW = "claude-sonnet-4-6"
"""The oldest that has a million."""

LARGEST = "claude-opus-5-5"
"""Its price is neither `DEFAULT`'s nor `SUMMARY`'s. The name begins with `MAJOR`'s."""

MAJOR = "claude-opus-5"
"""Its name is the beginning of another model's, and its price another."""

DEAREST = "claude-fable-5-1"
"""Of the models that are served, by the price of a token."""

TIERED = SUMMARY
"""Costs five times as much in a request of more than 100,000 tokens."""

PRICED_AS_ANOTHER = "claude-mythos-5-1"
"""The list of prices lacks it and says which model it is priced as: `DEAREST`."""

UNPRICED = "claude-mythos-5"
"""The SDK knows it by name, and no list has its price."""

UNKNOWN = "claude-opus-9"
"""Named like one of Anthropic's, and nobody's."""

LIST_PRICES = {
    "claude-sonnet-5-5": (2, 10, 2.5, 4, 0.10),
    "claude-opus-5-5": (4, 20, 5, 8, 0.20),
    "claude-haiku-5-5": (0.10, 0.50, 0.125, 0.20, 0.01),
    "claude-fable-5-2": (8, 40, 10, 16, 0.20),
    "claude-fable-5-1": (10, 50, 12.5, 20, 0.25),
    "claude-opus-5": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-8": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-7": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-6": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-5": (5, 25, 6.25, 10, 0.50),
    "claude-sonnet-5": (2, 10, 2.5, 4, 0.20),
    "claude-sonnet-4-6": (3, 15, 3.75, 6, 0.30),
    "claude-haiku-4-5": (1, 5, 1.25, 2, 0.10),
}
"""Dollars per million tokens: input, output, written for 5 minutes and for an hour, read. Read in
the provider's documentation on 2026-11-27."""

LEAST_CACHEABLE = {
    "claude-opus-5": 512,
    "claude-sonnet-5": 1_024,
    "claude-opus-4-8": 1_024,
    "claude-opus-4-7": 2_048,
    "claude-haiku-4-5": 4_096,
}
"""Tokens below which a prefix is not cached."""


def named() -> dict[str, list[str]]:
    """Each model of this table, with what it is for."""
    purposes: dict[str, list[str]] = {}
    for purpose, value in globals().items():
        if purpose.isupper() and value not in (UNKNOWN, LIST_PRICES, NO_THINKING, SHOWN_THINKING):
            for model in [value] if isinstance(value, str) else value:
                purposes.setdefault(model, []).append(purpose)
    return purposes
