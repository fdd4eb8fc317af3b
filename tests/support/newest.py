"""What is new in the environment that `make test-newest` makes, before its tests run.

Nothing fails by it: a version that is not the lock's is what that run is for, and a model that
will retire works until then.
"""

import importlib.metadata
import warnings
from collections.abc import Mapping
from pathlib import Path

from turnfold_fake import FakeClaude

from support.models import named

LOCK = Path(__file__).parents[2] / "constraints.txt"


def locked() -> dict[str, str]:
    """Version by package, as tested."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def differing(tested: Mapping[str, str]) -> list[str]:
    """A line for each installed package that has another version than was tested."""
    installed = {
        one.name.lower().replace("_", "-").replace(".", "-"): one.version.partition("+")[0]
        for one in importlib.metadata.distributions()
    }
    return [
        f"  {name} {installed[name]}, tested with {version}"
        for name, version in sorted(tested.items())
        if installed.get(name, version) != version
    ]


def words_about(model: str) -> list[str]:
    """What the SDK warns of when a model is asked, if anything: the first line of each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FakeClaude("Yes.").client().messages.create(
            model=model, max_tokens=9, messages=[{"role": "user", "content": "Still there?"}]
        )
    return [str(one.message).splitlines()[0] for one in caught]


def retiring() -> list[str]:
    """A line for each model of the table that will retire, and what tests use it for."""
    return [
        f"  {word} Here it is {', '.join(purposes)}."
        for model, purposes in named().items()
        for word in words_about(model)
    ]


if __name__ == "__main__":
    print("packages that are not the lock's:", *(differing(locked()) or ["  none"]), sep="\n")
    print("models of tests/support/models.py:", *(retiring() or ["  none retires"]), sep="\n")
