"""Several workers of one proxy on one PostgreSQL, as `turnfold serve --workers` starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest
from support.chats import ask, chats, injected, said, stand_in, summaries
from support.services import EmbeddingService
from support.serving import TOKEN
from turnfold import open_store

TALKS, TURNS = 4, 60
STARTED = 600  # seconds; each loads an embedding model


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def workers(store, upstream, *options, count):
    """The URL of a proxy of several processes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["serve", store, "--upstream", upstream, "--port", str(port), "--fold-at", "4000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "turnfold_cli", *command, *options, "--workers", str(count)],
        env={**os.environ, "TURNFOLD_TOKEN": TOKEN, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + STARTED
        while not is_there(url):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None


def is_there(url):
    try:
        return httpx2.get(f"{url}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def hold(url, number, turns=TURNS):
    """A conversation, each turn over a connection of its own, so that any worker may get it."""
    messages = []
    for turn in range(1, turns + 1):
        body = ask(messages, said(turn, mark=f"t{number}"))
        headers = {
            "x-api-key": "sk-tests",
            "x-turnfold-token": TOKEN,
            "x-turnfold-user": "ada",
            "x-turnfold-conversation": f"talk-{number}",
        }
        answer = httpx2.post(f"{url}/v1/messages", json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        words = [{"type": "text", "text": answer.json()["content"][-1]["text"]}]
        messages = [*body["messages"], {"role": "assistant", "content": words}]
    return answer.headers


def test_an_embedding_service_serves_every_worker(tmp_path):
    store = f"sqlite:{tmp_path / 'memory.db'}"
    with stand_in().serve() as upstream, EmbeddingService(dimension=16) as service:
        named = ("--embedder", "tiny", "--embedding-service", service.url)
        with workers(store, upstream, *named, count=2) as url:
            hold(url, 0, turns=25)
    assert {body["model"] for body in service.bodies} == {"tiny"}
    with open_store(store) as kept:
        assert kept.model == "tiny"


@pytest.mark.soak
def test_workers_share_what_they_know_and_pay_once(postgres_url):
    fake = stand_in()
    with fake.serve() as upstream, workers(postgres_url, upstream, count=2) as url:
        with ThreadPoolExecutor(TALKS) as pool:
            told = list(pool.map(lambda number: hold(url, number), range(TALKS)))
        assert all(int(headers["x-turnfold-saved-tokens"]) > 0 for headers in told)
        last = [body for body in chats(fake) if len(body["messages"]) > 1][-TALKS:]
        assert all(injected(body) for body in last)
        paid = [json.dumps(body["messages"], sort_keys=True) for body in summaries(fake)]
        assert len(paid) == len(set(paid)), "no two workers paid for the same summary"
        for number in range(TALKS):
            query = {"q": f"amber1t{number}", "user": "ada", "conversation": f"talk-{number}"}
            shown = {"authorization": f"Bearer {TOKEN}"}
            found = httpx2.get(f"{url}/turnfold/search", params=query, headers=shown, timeout=60)
            assert f"amber1t{number} " in found.json()["hits"][0]["text"]
