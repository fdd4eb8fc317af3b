"""The SDK's own tests, run with clients that have memory: `python tests/support/sdk_tests.py`.

Whoever gives a client memory expects everything else about it to stay as it was. The sdist of the
SDK holds the tests that say how it was. They are run three times: with bare clients, with clients
that have a middleware which does nothing, and with clients that have memory. What fails only with
memory is a fault of ours, and ends this with 1.

Tests that need the mock server of the SDK's makers fail in every run, and count in none. Those of
tool runners that want the API to keep their history as a thread fail, as they have to: on a client
with memory a runner sends its history (docs/decisions/0033). They are told apart.

Those of its memory tool for local files are run once more with ours in its place.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ("bare", "empty", "wrapped")
# What the SDK's tests import, less what only checks types and style.
NEEDS = (
    "boto3",
    "dirty-equals>=0.6",
    "griffe>=1",
    "http-snapshot[httpx]==0.1.9",
    "importlib-metadata",
    "inline-snapshot>=0.28",
    "opentelemetry-sdk",
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "respx",
    "rich",
    "time-machine",
)
EXTRAS = "aiohttp,bedrock,mcp,vertex,webhooks"
# Of its memory tool for local files.
FILES = "tests/lib/tools/memory_tools/test_filesystem.py"
# Folders of tests that only ask the mock server.
ASKS_SERVER = ("tests/api_resources",)
# In the ids of tests that look at how a tool runner keeps a thread.
WANTS_THREAD = (
    "tests/lib/threads/",
    "::TestToolRunnerSpans::",
    "::test_a_runner_made_from_params_sends_their_tool_definitions_and_runs_its_tools",
    "tests/lib/tools/toolsets/test_browser_runner.py::",
)
_WITHIN = 3_600  # seconds one run may take

Outcomes = dict[str, str]


def unpacked(folder: Path, release: str) -> Path:
    """The SDK's sdist, tests and all."""
    there = folder / f"anthropic-{release}"
    if not there.is_dir():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            "anthropic",
        ]
        run([*pip, "-d", str(folder), f"anthropic=={release}"])
        with tarfile.open(folder / f"anthropic-{release}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return there


def interpreter(folder: Path, release: str) -> Path:
    """One that has this turnfold, this release of the SDK, and what its tests import."""
    python = folder / "venv" / "bin" / "python"
    installed = folder / f"installed-{release}"
    if not installed.exists():
        venv.create(folder / "venv", with_pip=True)
        sdk = f"anthropic[{EXTRAS}]=={release}"
        run([str(python), "-m", "pip", "install", "-q", "-e", str(ROOT), sdk, *NEEDS])
        installed.touch()
    return python


def outcomes_of(
    python: Path, sdk: Path, clients: str, tests: Sequence[str], plugins: Sequence[str] = ()
) -> Outcomes:
    """How each test ended with such clients, by its id."""
    told = sdk.parent / f"{clients}.json"
    told.unlink(missing_ok=True)
    loaded = ("tests._alias_httpx", "sdk_plugin", *plugins)
    asked = [part for one in loaded for part in ("-p", one)]
    options = ["-o", "addopts=", "-q", "--tb=short", "-n", "2", "--dist", "worksteal"]
    with (sdk.parent / f"{clients}.log").open("w") as log:
        subprocess.run(
            [str(python), "-m", "pytest", *asked, *options, *tests],
            cwd=sdk,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parent),
                "SDK_CLIENTS": clients,
                "SDK_OUTCOMES": str(told),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=_WITHIN,
            check=False,
        )
    return dict(json.loads(told.read_text("utf-8")))


def compare(python: Path, sdk: Path, tests: Sequence[str]) -> dict[str, Outcomes]:
    """How each test ended, with each kind of clients."""
    return {clients: outcomes_of(python, sdk, clients, tests) for clients in CLIENTS}


def differing(found: dict[str, Outcomes]) -> list[str]:
    """The tests that pass with bare clients and fail with others."""
    return sorted(
        test
        for test, outcome in found["bare"].items()
        if outcome == "passed"
        and any(found[clients].get(test) != "passed" for clients in CLIENTS[1:])
    )


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def main() -> int:
    """Run them, and say what memory breaks."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "tests", nargs="*", help="which; all that need no server, if none is given"
    )
    options.add_argument("--folder", type=Path, default=ROOT / "build" / "sdk")
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    release = version("anthropic")
    sdk = unpacked(asked.folder, release)
    python = interpreter(asked.folder, release)
    tests = asked.tests or ["tests", *(f"--ignore={one}" for one in ASKS_SERVER)]
    found = compare(python, sdk, tests)
    for clients, outcomes in found.items():
        failed = sum(outcome == "failed" for outcome in outcomes.values())
        passed = sum(outcome == "passed" for outcome in outcomes.values())
        print(f"{clients}: {passed:,} passed, {failed:,} failed")
    suspects = differing(found)
    if suspects:  # once more, by themselves: some depend on the clock, or on each other
        found = compare(python, sdk, suspects)
        suspects = differing(found)
    only = [test for test in suspects if found["empty"].get(test) == "passed"]
    ours = [test for test in only if not any(part in test for part in WANTS_THREAD)]
    print(
        f"{len(suspects):,} pass bare and fail with a middleware, {len(only):,} only with memory, "
        f"{len(only) - len(ours):,} of these since they want a thread"
    )
    for test in suspects:
        if test not in only or test in ours:
            print(f"  {'memory' if test in ours else 'any middleware'}: {test}")
    files = outcomes_of(python, sdk, "bare", [FILES], ["sdk_files_plugin"])
    failing = sorted(test for test, outcome in files.items() if outcome == "failed")
    passed = sum(outcome == "passed" for outcome in files.values())
    skipped = len(files) - passed - len(failing)
    print(
        f"memory tool: {passed:,} passed, {len(failing):,} failed, {skipped:,} about disks left out"
    )
    for test in failing:
        print(f"  memory tool: {test}")
    return int(bool(ours or failing))


if __name__ == "__main__":
    sys.exit(main())
