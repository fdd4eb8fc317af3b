"""Print the newest of everything that `make` installs, as a pip constraints file: `make lock`.

Run it by the oldest Python that turnfold supports, whose wheels newer ones find as well. Versions
are exact; no address and no hash is written, since torch comes from wherever pip is told to look.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# What torch brings along where pip finds only its build for GPUs, in versions that it names itself.
OF_TORCH = ("cuda-", "nvidia-", "triton")


def main(wanted: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    if oldest != f"{sys.version_info.major}.{sys.version_info.minor}":
        print(
            f"lock with the oldest Python there is: make lock PYTHON=python{oldest}",
            file=sys.stderr,
        )
        return 1
    # Each is an environment of its own: pip's, the one that builds turnfold, the one it runs in.
    parts = (["pip"], project["build-system"]["requires"], wanted)
    found = {name: version for part in parts for name, version in resolved(part)}
    print("# Written by `make lock`: what `make demo`, `make test` and CI install.")
    print("# The ranges for users are in pyproject.toml.")
    for name in sorted(found):
        print(f"{name}=={found[name]}")
    return 0


def resolved(wanted: list[str]) -> Iterator[tuple[str, str]]:
    """Name and version of all that pip would install."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    asked = [*pip, "--dry-run", "--ignore-installed", "--report", "-", *wanted]
    report: dict[str, Any] = json.loads(subprocess.check_output(asked, cwd=ROOT))
    for one in report["install"]:
        name = one["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
        # `2.13.0+cpu` is 2.13.0 of one index; others have it by another name.
        version = one["metadata"]["version"].partition("+")[0]
        if name != "turnfold" and not name.startswith(OF_TORCH):
            yield name, version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
