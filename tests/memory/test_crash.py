"""Kill -9 in the middle of a conversation, start again: the same plans, nothing paid twice."""

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from turnfold_stores.folder import LEDGER
from turnfold_stores.sqlite import SqliteLedger

TESTS = Path(__file__).parents[1]

# Plays a long conversation from its beginning and logs every request as it arrives. A request
# for a summary that is in the ledger already is logged as paid again.
PLAYER = """
import hashlib, json, re, sys
sys.path.insert(0, sys.argv[1])
from importlib.resources import files
from support.embedders import HashedWords
from turnfold_fake import FakeClaude, replies_from
from turnfold import Memory, Policy
from turnfold_stores import open_store

folder, log, turns = sys.argv[2], open(sys.argv[3], "a"), int(sys.argv[4])
told = json.loads((files("turnfold_cli") / "demo_conversation.json").read_text())["turns"]
told = [{"role": turn["role"], "content": turn["text"]} for turn in told[:turns]]
store = open_store(folder)

def tell(*what):
    print(*what, file=log, flush=True)

def summary(body):
    asked = body["messages"][0]["content"]
    first, last = map(int, re.search(r"for turns (\\d+) to (\\d+)", asked).groups())
    nodes = [record.body for record in store.ledger.scan("ada", kind="node")]
    again = any((node["first"], node["last"]) == (first, last) for node in nodes)
    tell("paid", "again" if again else "once", first, last)

reply = replies_from(told)

def chat(body):
    sent = json.dumps(body, sort_keys=True).encode()
    tell("sent", len(told), hashlib.blake2b(sent, digest_size=16).hexdigest())
    return reply(body)

fake = FakeClaude(chat, summary=summary)
policy = Policy(
    fold_at=3_000, keep_tokens=800, leaf_tokens=1_000, recall_floor=0.35, on_error="raise"
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
            model="claude-sonnet-5-5", max_tokens=4_000, messages=history,
            thinking={"type": "disabled"},
        )
assert all(not receipt.degraded for receipt in receipts), receipts
store.close()
tell("done")
"""


def play(folder, log, turns, *, kill=None):
    """Start the player; kill it `kill[1]` seconds after it sent its request number `kill[0]`.

    Returns:
        How many seconds it went on once it was ready. It said nothing on its error output.
    """
    log.write_text("")
    arguments = [sys.executable, "-c", PLAYER, TESTS, folder, log, str(turns)]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as player:
        assert player.stdout.readline() == "ready\n", player.stderr.read()
        began = time.monotonic()
        if kill is not None:
            number, later = kill
            while len(requests_of(log)) < number and player.poll() is None:
                time.sleep(0.001)
            time.sleep(later)
            player.kill()
        errors = player.stderr.read()
        player.wait()
    assert errors == ""
    return time.monotonic() - began


def requests_of(log):
    """Digests of what the player sent, in order."""
    return [line.split()[2] for line in log.read_text().splitlines() if line.startswith("sent")]


def kept(folder):
    """Plans, folds and nodes by id. The folder itself is left as the kill left it."""
    with closing(SqliteLedger(folder / LEDGER)) as ledger:
        records = list(ledger.scan("ada"))
    return {r.id: r.body for r in records if r.kind in {"plan", "fold", "node"}}


def kill_and_compare(tmp_path, turns, kills, seed):
    """Kills in the order of the conversation, so that each finds something new under way."""
    calm, calm_log = tmp_path / "calm", tmp_path / "calm.log"
    lasts = play(calm, calm_log, turns)
    expected = requests_of(calm_log)
    assert calm_log.read_text().endswith("done\n")
    assert len(expected) == turns // 2
    assert calm_log.read_text().count("paid once") >= 4, "there is something to lose"

    folder, log = tmp_path / "killed", tmp_path / "killed.log"
    chance = random.Random(seed)
    known, came = {}, 0
    for number in sorted(chance.sample(range(len(expected)), kills)):
        play(folder, log, turns, kill=(number, chance.uniform(0, 2 * lasts / len(expected))))
        came += len(requests_of(log)) < len(expected)
        assert requests_of(log) == expected[: len(requests_of(log))]
        assert "again" not in log.read_text(), "a summary that is stored was paid again"
        now = kept(folder)
        assert {name: now.get(name) for name in known} == known
        known = now
    assert came > kills / 2, "the kills came too late"
    play(folder, log, turns)
    assert requests_of(log) == expected, "byte for byte what an undisturbed run sends"
    assert "again" not in log.read_text()
    now = kept(folder)
    assert {name: now[name] for name in known} == known
    assert now.keys() == kept(calm).keys()


def test_a_few_kills(tmp_path):
    kill_and_compare(tmp_path, turns=120, kills=5, seed=4)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills(tmp_path, seed):
    kill_and_compare(tmp_path, turns=320, kills=10, seed=seed)
