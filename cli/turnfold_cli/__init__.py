"""The `turnfold` command."""

import sys

# Commands that need more than those libraries: an extra of their name brings all of it.
_OF_THEIR_OWN = frozenset({"serve", "mcp"})


def main() -> None:
    """Run the command; where its libraries are missing, say which extra brings them."""
    try:
        from turnfold_cli.app import run
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in {"typer", "rich", "click"}:
            raise
        from turnfold.errors import MissingDependency

        extra = next(iter(_OF_THEIR_OWN.intersection(sys.argv[1:2])), "cli")
        told = MissingDependency(package, extra=extra, feature="The command `turnfold`")
        sys.stderr.write(f"turnfold: {told}\n")
        sys.exit(1)
    sys.exit(run())
