"""The `turnfold` command."""

import sys

# What a command needs beside those libraries comes with an extra that brings them, too.
_EXTRAS = {"serve": "serve", "mcp": "mcp"}


def main() -> None:
    """Run the command; where its libraries are missing, say which extra brings them."""
    try:
        from turnfold_cli.app import run
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in {"typer", "rich", "click"}:
            raise
        from turnfold.errors import MissingDependency

        extra = _EXTRAS.get(sys.argv[1] if len(sys.argv) > 1 else "", "cli")
        told = MissingDependency(package, extra=extra, feature="The command `turnfold`")
        sys.stderr.write(f"turnfold: {told}\n")
        sys.exit(1)
    sys.exit(run())
