"""Other memory libraries, the real ones, beside turnfold on the page of `make bench`.

    python benchmarks/bench_peers.py [LIBRARY ...] [--data FILE]... [--only ID ...] [--limit N]
        [--untimed] [--environments DIR] [--out DIR] [--page DIR]

`make bench-peers` runs it. Each library is installed, pinned, in an environment of its own, and
used through its own public interface; what it would send goes through the same stand-in of the API
and the same scoring as all else, with the same vectors, the same summaries' sentences, and prompts
of 2,000, 4,000 and 8,000 tokens. Where one cannot be installed or fails, the page says so. Each
library's figures are written as soon as it is done.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from bench_proof import write_page, write_result
from peers.catalogue import HERE, libraries, pins
from peers.measuring import Measured, joined, measured, ours
from proof.embedding import fast_embedder
from proof.provenance import provenance
from proof.replays import JOB, chosen

ROOT = Path(__file__).parents[1]


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversations = [
        one
        for one in chosen(arguments.data, arguments.only, arguments.limit)
        if one[0] != JOB and not one[1].is_agent
    ]
    embedder, about = fast_embedder(), provenance()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "peers.json"
    itself = Measured([], [ours(embedder)])
    write_result(file, {"about": about, **joined(_before(file), itself, "turnfold")})
    for library in arguments.library or libraries():
        print(library, file=sys.stderr, flush=True)
        environment = arguments.environments / library
        why = _installed(library, environment)
        found = (
            Measured([], [{"way": library, "library": library.replace("_", " "), "cannot": why}])
            if why
            else measured(
                library, environment, conversations, embedder, timed=not arguments.untimed
            )
        )
        write_result(file, {"about": about, **joined(_before(file), found, library)})
    write_page(arguments.out, arguments.page)
    return 0


def _before(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def _installed(library: str, environment: Path) -> str:
    """Set an environment up, unless it has what is pinned; why it cannot be, or nothing."""
    python, marker = environment / "bin" / "python", environment / "installed"
    wanted = "\n".join(pins(library))
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        return ""
    venv.create(environment, with_pip=True, clear=True)
    # Torch is 2 GB, and no library here needs it where vectors are given to it.
    command = [
        *(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"),
        *("-c", str(HERE / "requirements" / "constraints"), *pins(library)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return said[-1] if said else "pip failed"
    marker.write_text(wanted, encoding="utf-8")
    return ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", nargs="*", choices=[[], *libraries()], help="all for none")
    parser.add_argument("--data", type=Path, action="append", default=[], help="transcripts")
    parser.add_argument("--only", nargs="*", default=[], help="ids of the conversations to take")
    parser.add_argument("--limit", type=int, default=3, help="so many conversations of each file")
    parser.add_argument("--untimed", action="store_true", help="where others use the machine")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--page", type=Path, default=ROOT / "benchmarks", help="where it goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
