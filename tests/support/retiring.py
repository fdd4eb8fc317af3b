"""Which models of the table the installed SDK calls deprecated: `make test-newest` says it.

It asks the SDK as a user does: by a call, and what it warns of. Nothing fails by it, since a model
that will retire works until then.
"""

import importlib.metadata
import warnings

from turnfold_fake import FakeClaude

from support.models import named


def words_about(model: str) -> list[str]:
    """What the SDK warns of when a model is asked, if anything: the first line of each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FakeClaude("Yes.").client().messages.create(
            model=model, max_tokens=9, messages=[{"role": "user", "content": "Still there?"}]
        )
    return [str(one.message).splitlines()[0] for one in caught]


def report() -> str:
    """A line for each model that will retire, and what tests use it for."""
    lines = [
        f"  {word} Here it is {', '.join(purposes)}."
        for model, purposes in named().items()
        for word in words_about(model)
    ]
    version = importlib.metadata.version("anthropic")
    return "\n".join(
        [f"anthropic {version}, models of tests/support/models.py:", *(lines or ["  none retires"])]
    )


if __name__ == "__main__":
    print(report())
