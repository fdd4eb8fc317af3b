"""A process that forks, or ends, in the middle of something: no child hangs, nothing aborts."""

import os
import subprocess
import sys

import pytest

BEGIN = """
import gc, os, signal, threading, time
from collections import Counter
from support.chats import SMALL, ask, history
from support.embedders import HashedWords
from turnfold import Memory
from turnfold.embedders.minilm import refuse_if_cut
from turnfold_fake import FakeClaude
from turnfold_stores.process.fork import Undivided

def in_child(work):
    child = os.fork()
    if not child:
        signal.alarm(30)  # one that hangs is killed
        try:
            work()
        except Exception as wrong:
            print(type(wrong).__name__, flush=True)
        os._exit(0)
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

class Slow(HashedWords):
    # Loads as the embedders of ours do, with time for a fork in the middle.
    def __init__(self, native, seconds):
        super().__init__()
        self.native, self.seconds, self.loaded = native, seconds, False
        self.began = threading.Event()

    def load(self):
        refuse_if_cut(self.native, self.model)
        with self.native:
            self.began.set()
            time.sleep(self.seconds)
        self.loaded = True
"""


@pytest.fixture
def run():
    """Gives what a program printed, once it has ended well."""

    def run(program):
        ended = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    return run


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_a_fork_waits_for_a_model_that_loads_and_the_child_has_it(run):
    assert run("""
embedder = Slow(Undivided(), 0.3)
memory = Memory("memory:", embedder=embedder, policy=SMALL)
threading.Thread(target=memory.load).start()
embedder.began.wait()

def work():
    memory.load()
    print("loaded", memory._embedder.ready, flush=True)

in_child(work)
""") == ["loaded True", "child ended with 0"]


def test_where_a_fork_cannot_wait_the_child_remembers_by_words_and_says_why(run):
    assert run("""
embedder = Slow(Undivided(before_fork=0.0), 1.0)
memory = Memory("memory:", embedder=embedder, policy=SMALL)
threading.Thread(target=memory.load).start()
embedder.began.wait()

def work():
    receipts = []
    client = memory.wrap(FakeClaude("So.").client(), user_id="u", conversation="c",
                         on_receipt=receipts.append)
    for number in (12, 13):
        client.messages.create(**ask(history(number)))
        memory._embedder.wait()
    client.messages.create(**ask(history(14)))
    print(receipts[-1].in_memory > 0, "was forked while" in str(receipts[-1].degraded), flush=True)

in_child(work)
""") == ["True True", "child ended with 0"]


def test_a_child_of_a_parent_that_reads_the_price_list_knows_prices(run):
    """The list is a module, imported when a price is first asked for."""
    assert run("""
import sys
from support.models import DEFAULT
from turnfold.accounting.prices import price_of

began = threading.Event()

class Slow:
    def find_spec(self, name, path, target=None):
        if name == "turnfold.accounting.price_list":
            began.set()
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
asking = threading.Thread(target=price_of, args=(DEFAULT,))
asking.start()
began.wait()
in_child(lambda: print(price_of(DEFAULT).read > 0, flush=True))
asking.join()
""") == ["True", "child ended with 0"]


def test_a_turn_imports_nothing_that_a_fork_may_cut(run):
    """Neither what is ours nor what the SDK and the libraries leave for their first use."""
    assert run("""
import sys
from turnfold_stores.process.fork import importing

SAID = ("Always answer in French.", "Réponds toujours en français.", "Antworte immer auf Deutsch.",
        "I have twenty-two cats, not three.", "Ich habe keine zweiundzwanzig Katzen.",
        "我有二十二只猫，不是三只。", "J'ai vingt-deux chats.")
cut = set()

def seen(event, args):
    if event == "exec" and getattr(args[0], "co_name", "") == "<module>":
        if not importing._inside[threading.get_ident()]:
            cut.add(args[0].co_filename)

memory = Memory("memory:", embedder=HashedWords(), policy=SMALL)
client = memory.wrap(FakeClaude("So.").client(), user_id="u", conversation="c")
messages = [{"role": "user", "content": said} for said in SAID]
answer = {"role": "assistant", "content": "I see."}
said = [one for message in messages for one in (message, answer)]

def turns():
    for number in (12, 13, 14):
        client.messages.create(**ask([*said, *history(number)]))

sys.addaudithook(seen)
thread = threading.Thread(target=turns)
thread.start()
thread.join()
memory.search("Katzen", user_id="u")
print(sorted(cut), flush=True)
""") == ["[]"]


def test_a_child_is_held_up_by_no_turn_of_its_parent(run):
    """The parent's threads hold whatever locks a turn takes, one after the other."""
    assert (
        run("""
logging = __import__("logging")
logging.disable()
memory = Memory("memory:", embedder=HashedWords(), policy=SMALL)
fake = FakeClaude("So.")
over = threading.Event()

def turns(name):
    client = memory.wrap(fake.client(), user_id=name, conversation="c")
    while not over.is_set():
        client.messages.create(**ask(history(12, mark=name)))

threads = [threading.Thread(target=turns, args=(name,)) for name in ("a", "b")]
for thread in threads:
    thread.start()

def work():
    receipts = []
    client = memory.wrap(FakeClaude("So.").client(), user_id="child", conversation="c",
                         on_receipt=receipts.append)
    for number in (12, 13):
        client.messages.create(**ask(history(number)))
    print(receipts[-1].in_memory > 0, receipts[-1].degraded, flush=True)

for _ in range(5):
    time.sleep(0.02)
    in_child(work)
over.set()
""")
        == ["True ()", "child ended with 0"] * 5
    )


def test_a_child_collects_the_model_of_its_parent_and_loads_its_own(run):
    pytest.importorskip("openvino")
    assert run("""
memory = Memory("memory:", embedder="fast")
memory.load()
memory.search("hm?", user_id="u")
memory.close()
del memory

def work():
    gc.collect()
    again = Memory("memory:", embedder="fast")
    again.load()
    print(len(again._embedder.embed(["hm?"])[0]), flush=True)

in_child(work)
""") == ["384", "child ended with 0"]


def test_an_interpreter_that_ends_lets_native_code_come_back_first(run):
    assert run("""
native, inside = Undivided(), threading.Event()

def load():
    with native:
        inside.set()
        time.sleep(0.3)
        print("loaded", flush=True)

threading.Thread(target=load, daemon=True).start()
inside.wait()
print("the end", flush=True)
""") == ["the end", "loaded"]


@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_to_end_while_the_fast_model_loads_aborts_nothing(run, delay):
    pytest.importorskip("openvino")
    assert run(f"""
memory = Memory("memory:", embedder="fast")
threading.Thread(target=memory.load, daemon=True).start()
time.sleep({delay})
print("the end", flush=True)
""") == ["the end"]


def test_a_child_made_in_the_midst_of_a_turn_says_something_of_its_own(run):
    assert run("""
from turnfold import Conversation
from turnfold_fake import Reply

began, go_on = threading.Event(), threading.Event()

def reply(body):
    if not began.is_set():
        began.set()
        go_on.wait()
    return Reply("So.", thinking=False)

memory = Memory("memory:", embedder=HashedWords(), policy=SMALL)
talk = Conversation(client=FakeClaude(reply).client(), memory=memory, id="c")
saying = threading.Thread(target=talk.say, args=("One.",))
saying.start()
began.wait()

def work():
    talk._client = FakeClaude("So.").client()
    print(talk.say("Two."), len(talk.messages), flush=True)

in_child(work)
go_on.set()
saying.join()
print(len(talk.messages), flush=True)
""") == ["So. 2", "child ended with 0", "2"]
