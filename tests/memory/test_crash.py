"""Kill -9 in the middle of a conversation, start again: the same plans, nothing paid twice."""

import random
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.programs import started
from turnfold_stores import open_store
from turnfold_stores.chroma.folder import LEDGER
from turnfold_stores.sqlite.ledger import SqliteLedger

# Plays a long conversation from its beginning and logs every request as it arrives. A request
# for a summary that is in the ledger already is logged as paid again.
PLAYER = """
import hashlib, json, re, sys
from importlib.resources import files
from support.embedders import HashedWords
from support.models import DEFAULT, NO_THINKING
from turnfold_fake import FakeClaude, replies_from
from turnfold import Memory, Policy
from turnfold_stores import open_store

folder, log, turns = sys.argv[1], open(sys.argv[2], "a"), int(sys.argv[3])
told = json.loads((files("turnfold_cli") / "demo_conversation.json").read_text())["turns"]
told = [{"role": turn["role"], "content": turn["text"]} for turn in told[:turns]]
store = open_store(folder)

def tell(*what):
    print(*what, file=log, flush=True)

def summary(body):
    asked = body["messages"][0]["content"]
    first, last = map(int, re.search(r"for turns (\\d+) to (\\d+)", asked).groups())
    nodes = [record.body for record in store.ledger.scan("ada", kind="node")]
    leaves = [node for node in nodes if not node["children"]]
    again = any((node["first"], node["last"]) == (first, last) for node in leaves)
    tell("paid", "again" if again else "once", first, last)

reply = replies_from(told)

def chat(body):
    sent = json.dumps(body, sort_keys=True).encode()
    tell("sent", len(told), hashlib.blake2b(sent, digest_size=16).hexdigest())
    return reply(body)

fake = FakeClaude(chat, summary=summary)
policy = Policy(
    fold_at=3_000, keep_tokens=800, leaf_tokens=1_000, recall_floor=0.35, on_error="raise",
    background="off",
)
receipts = []
memory = Memory(store, policy=policy, embedder=HashedWords(), on_receipt=receipts.append)
client = memory.wrap(fake.client(max_retries=0), user_id="ada", conversation="station")
print("ready", flush=True)
history = []
for turn in told:
    history.append(turn)
    if turn["role"] == "user":
        client.messages.create(
            model=DEFAULT, max_tokens=4_000, messages=history,
            thinking=NO_THINKING,
        )
assert all(not receipt.degraded for receipt in receipts), receipts
store.close()
tell("done")
"""


def play(folder, log, turns, *, kill=None):
    """Start the player; kill it `kill[1]` seconds after it sent its request number `kill[0]`."""
    log.write_text("")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started("-c", PLAYER, folder, log, turns, **pipes) as player:
        assert player.stdout.readline() == "ready\n", player.stderr.read()
        if kill is not None:
            number, later = kill
            while len(requests_of(log)) < number and player.poll() is None:
                time.sleep(0.01)
            time.sleep(later)
            player.kill()
        errors = player.stderr.read()
        player.wait()
    assert errors == ""


def requests_of(log):
    """Digests of what the player sent, in order."""
    return [line.split()[2] for line in log.read_text().splitlines() if line.startswith("sent")]


def kept(url):
    """Plans, folds and nodes by id. A folder is left as the kill left it."""
    if ":" in url:
        with open_store(url) as store:
            records = list(store.ledger.scan("ada"))
    else:
        with closing(SqliteLedger(Path(url) / LEDGER)) as ledger:
            records = list(ledger.scan("ada"))
    return {r.id: r.body for r in records if r.kind in {"plan", "fold", "node"}}


def kill_and_resume(url, log, turns, kills, seed):
    """Kills in the order of the conversation, so that each finds something new under way.

    Returns:
        What was sent in the end.
    """
    chance = random.Random(seed)
    known, sent, came = {}, [], 0
    for number in [*sorted(chance.sample(range(1, turns // 2), kills)), None]:
        play(url, log, turns, kill=number and (number, chance.uniform(0, 0.05)))
        now, requests = kept(url), requests_of(log)
        both = min(len(sent), len(requests))
        assert requests[:both] == sent[:both], "what was sent once is sent so again"
        assert {name: now.get(name) for name in known} == known
        assert "again" not in log.read_text(), "a summary that is stored was paid again"
        came += len(requests) < turns // 2
        known, sent = now, max(sent, requests, key=len)
    assert came > kills / 2, "the kills came too late"
    assert log.read_text().endswith("done\n")
    assert len(sent) == turns // 2
    assert sum(name.startswith("node:") for name in known) >= 3, "there was something to lose"
    return sent


def kill_and_compare(urls, log, *, turns, kills, seed):
    """With an exact index, it is as if nothing had happened."""
    calm, killed = urls
    play(calm, log, turns)
    expected = requests_of(log)
    assert kill_and_resume(killed, log, turns, kills, seed) == expected
    assert kept(killed).keys() == kept(calm).keys()


def test_a_few_kills(tmp_path):
    kill_and_resume(str(tmp_path / "folder"), tmp_path / "log", turns=44, kills=1, seed=4)


def files(folder):
    return [f"sqlite:{folder / name}.db" for name in ("calm", "killed")]


def test_after_a_few_kills_all_is_as_without_any(tmp_path):
    kill_and_compare(files(tmp_path), tmp_path / "log", turns=44, kills=2, seed=4)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills(tmp_path, seed):
    kill_and_resume(str(tmp_path / "folder"), tmp_path / "log", turns=320, kills=10, seed=seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_after_fifty_kills_all_is_as_without_any(tmp_path, seed):
    kill_and_compare(files(tmp_path), tmp_path / "log", turns=320, kills=10, seed=seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_after_fifty_kills_all_is_as_without_any_in_postgresql(tmp_path, postgres_server, seed):
    urls = [postgres_server.url() for _ in range(2)]
    kill_and_compare(urls, tmp_path / "log", turns=320, kills=10, seed=seed)
