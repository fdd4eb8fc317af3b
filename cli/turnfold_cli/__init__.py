"""The `turnfold` command."""

import sys


def main() -> None:
    """Run the command; where its libraries are missing, say which extra brings them."""
    try:
        from turnfold_cli.app import run
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in {"typer", "rich", "click"}:
            raise
        from turnfold.errors import MissingDependency

        told = MissingDependency(package, extra="cli", feature="The command `turnfold`")
        sys.stderr.write(f"turnfold: {told}\n")
        sys.exit(1)
    sys.exit(run())
