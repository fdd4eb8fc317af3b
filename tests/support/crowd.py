"""Many workers on one store: processes that are given turns of conversations to send.

A worker keeps nothing of its own: the history of a conversation follows from its name and the
number of the turn, as a caller would send it.
"""

import hashlib
import json
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from turnfold import Memory
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import open_store

from support.chats import MODEL, SMALL, said
from support.embedders import WordDirections
from support.programs import started

USER = "ada"
# Without time nothing depends on how fast a worker is.
POLICY = replace(SMALL, clock=lambda: 1_000_000_000.0, on_error="raise")


@dataclass(frozen=True)
class Job:
    """Turns of a conversation to be sent, one after the other.

    Attributes:
        turns: numbers of the turns, from 1: the first, and the one behind the last.
    """

    conversation: str
    turns: tuple[int, int]
    user_id: str = USER


@dataclass(frozen=True)
class Done:
    """What became of a job.

    Attributes:
        sent: a digest of each chat request as it arrived, in order.
        summaries: digests of the requests for a summary.
        degraded: what receipts had to say.
        error: a traceback, or "".
    """

    job: Job
    sent: list
    summaries: list
    degraded: list
    error: str = ""


def opening(conversation, number):
    # Each fifth turn asks for something that was said long ago.
    if number % 5 == 0:
        return f"Once more: {said(max(1, number - 13), 'asked', conversation)}"
    return said(number, "asked", conversation)


def told(conversation, number):
    return said(number, "told", conversation)


def history(conversation, turns):
    """The messages before turn number `turns` + 1."""
    messages = []
    for number in range(1, turns + 1):
        messages.append({"role": "user", "content": opening(conversation, number)})
        messages.append({"role": "assistant", "content": told(conversation, number)})
    return messages


def run(memory, job):
    """Send the turns of a job."""
    number = job.turns[0]
    fake = FakeClaude(lambda _body: Reply(told(job.conversation, number), thinking=False))
    receipts = []
    client = memory.wrap(
        fake.client(max_retries=0),
        user_id=job.user_id,
        conversation=job.conversation,
        on_receipt=receipts.append,
    )
    error = ""
    try:
        for number in range(*job.turns):
            asked = {"role": "user", "content": opening(job.conversation, number)}
            messages = [*history(job.conversation, number - 1), asked]
            client.messages.create(model=MODEL, max_tokens=500, messages=messages)
    except Exception:  # noqa: BLE001 - told
        error = traceback.format_exc()
    chats = [digest(call.body) for call in fake.calls if call.body["model"] == MODEL]
    others = [digest(call.body) for call in fake.calls if call.body["model"] != MODEL]
    degraded = [str(receipt.degraded) for receipt in receipts if receipt.degraded]
    return Done(job, chats, others, degraded, error)


def digest(body):
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=12).hexdigest()


def alone(url, jobs):
    """What becomes of the jobs in one process and thread, one after the other."""
    with open_store(url) as store:
        memory = Memory(store, policy=POLICY, embedder=WordDirections())
        return [run(memory, job) for job in jobs]


class Worker:
    """A process that does jobs, several at a time.

    Attributes:
        cpu: seconds of CPU it had taken when it told its last result.
    """

    def __init__(self, url, threads):
        self._process = started(
            *("-m", "support.crowd", url, threads),
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.cpu = 0.0
        self._numbers = count()
        self._results = {}
        self._changed = threading.Condition()
        assert self._process.stdout.readline() == "ready\n"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def give(self, job):
        """Hand over a job; the number to ask for it by."""
        number = next(self._numbers)
        print(json.dumps([number, asdict(job)]), file=self._process.stdin, flush=True)
        return number

    def result(self, number, timeout=600):
        """What became of a job; an error where nothing did in time."""
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._results, timeout), "no answer"
            return self._results.pop(number)

    def _read(self):
        for line in self._process.stdout:
            number, done, cpu = json.loads(line)
            job = Job(**done.pop("job"))
            job = replace(job, turns=tuple(job.turns))
            with self._changed:
                self.cpu = cpu
                self._results[number] = Done(job=job, **done)
                self._changed.notify_all()

    def close(self):
        """Let it finish what it was given."""
        self._process.stdin.close()
        self._reader.join()
        self._process.stdout.close()
        self._process.wait()


def main(url, threads):
    lock = threading.Lock()
    with open_store(url) as store:
        memory = Memory(store, policy=POLICY, embedder=WordDirections())
        print("ready", flush=True)

        def work(number, job):
            done = run(memory, Job(**job))
            with lock:
                print(json.dumps([number, asdict(done), time.process_time()]), flush=True)

        with ThreadPoolExecutor(int(threads)) as pool:
            for line in sys.stdin:
                pool.submit(work, *json.loads(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
