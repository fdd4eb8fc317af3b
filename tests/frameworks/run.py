"""Try memory with the frameworks of docs/frameworks.md: `make frameworks`, or name some of them.

Each has an environment of its own under build/frameworks, with the newest release of it that can
stand beside an SDK which turnfold supports, and with this turnfold. What was installed and how it
went is printed; ends with 1 where something failed.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
# What is installed for each; the first is the framework. Where one is held at a release, pip would
# else take a very old one, or one that was withdrawn.
FRAMEWORKS = {
    "pydantic_ai": ["pydantic-ai-slim[anthropic]"],
    "agno": ["agno"],
    "adk": ["google-adk"],
    "instructor": ["instructor>=1.10"],
    "haystack": ["anthropic-haystack"],
    "agent_framework": ["agent-framework-anthropic>=1.0.0b261022"],
    "strands": ["strands-agents>=1"],
    "chatlas": ["chatlas[anthropic]"],
    "langchain": ["langchain-anthropic", "langchain"],
    "litellm": ["litellm"],
    "openai_agents": ["openai-agents[litellm]"],
    "dspy": ["dspy"],
    "smolagents": ["smolagents[litellm]"],
    "clouds": ["anthropic[bedrock,vertex]"],
    "tracers": ["langsmith", "logfire", "braintrust"],
}
NEEDS = ["pytest", "pytest-asyncio"]
# Nothing is told or asked of anybody elsewhere.
QUIET = {"DO_NOT_TRACK": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
_WITHIN = 900  # seconds for one framework's tests


def python_of(name: str, folder: Path) -> Path:
    """An interpreter that has the framework and this turnfold."""
    there = folder / name
    python = there / "bin" / "python"
    installed = there / "installed"
    if not installed.exists():
        venv.create(there, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-e", f"{ROOT}[serve]", *NEEDS, *FRAMEWORKS[name]], check=True)
        installed.touch()
    return python


def versions(python: Path, name: str) -> str:
    """The releases that are installed: of the SDK and of the framework."""
    wanted = ["anthropic", *(spec.partition("[")[0].partition(">")[0] for spec in FRAMEWORKS[name])]
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
    )
    have = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    return ", ".join(f"{one} {have.get(one, '?')}" for one in wanted)


def tried(python: Path, name: str) -> bool:
    """Whether all tests of a framework pass; what they print is shown."""
    options = ["-q", "--noconftest", "-p", "no:cacheprovider", "--tb=short"]
    # Warnings of a framework are its own business.
    options += ["-o", "addopts=", "-o", "filterwarnings=default", "-o", "asyncio_mode=auto"]
    done = subprocess.run(
        [str(python), "-m", "pytest", *options, str(HERE / f"try_{name}.py")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), **QUIET},
        timeout=_WITHIN,
        check=False,
    )
    return done.returncode == 0


def main() -> int:
    """Try them, one after the other."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", help="which; all, if none is given")
    options.add_argument("--folder", type=Path, default=ROOT / "build" / "frameworks")
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in asked.names or FRAMEWORKS:
        python = python_of(name, asked.folder)
        print(f"{name}: {versions(python, name)}", flush=True)
        if not tried(python, name):
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all frameworks: passed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
