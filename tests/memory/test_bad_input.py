"""Bad input: an error that names the value and what would do, and nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.chats import Chat, ask, history, memory, said, stand_in
from support.embedders import HashedWords
from support.models import SUMMARY
from turnfold import Conversation, Memory, Policy, TurnfoldError, with_memory
from turnfold.errors import EmbedderError, MissingDependency, PolicyError, SchemaMismatch
from turnfold_stores import StoreError, StoreUnavailable, open_store

# --- policies ---------------------------------------------------------------------------------

POLICIES = [
    ({"fold_at": -1}, "fold_at=-1 must be a whole number of at least 1000"),
    ({"fold_at": 999}, "fold_at=999"),
    ({"fold_at": 2e4}, "fold_at=20000.0 must be a whole number.*did you mean 20000"),
    ({"fold_at": "10k"}, "fold_at='10k'"),
    ({"fold_at": None}, "fold_at=None"),
    ({"fold_at": True}, "fold_at=True"),
    ({"keep_tokens": -5}, "keep_tokens=-5 must be a whole number of at least 0"),
    ({"keep_tokens": 10_000}, "keep_tokens=10000 must be below the 8000 tokens.*quarter"),
    ({"max_prompt_tokens": 999}, "max_prompt_tokens=999 must be a whole number"),
    ({"max_prompt_tokens": 2_000}, "keep_tokens=2500 must be below max_prompt_tokens=2000"),
    ({"budget": 100}, "budget=100"),
    ({"prices": {"claude": 3}}, "prices must give a turnfold.accounting.Price"),
    ({"fold_at": 2_000, "keep_tokens": 3_000}, "keep_tokens=3000 must be below fold_at=2000"),
    ({"keep_exchanges": -1}, "keep_exchanges=-1"),
    ({"keep_first": 0.5}, "keep_first=0.5"),
    ({"recall_tokens": -1}, "recall_tokens=-1"),
    ({"recall_tokens": float("nan")}, "recall_tokens=nan"),
    ({"summary_tokens": 10}, "summary_tokens=10 must be a whole number of at least 100"),
    ({"leaf_tokens": 10}, "leaf_tokens=10"),
    ({"recall_floor": 1.5}, "recall_floor=1.5 must be a number: a cosine from -1 to 1"),
    ({"recall_floor": float("nan")}, "recall_floor=nan"),
    ({"recall_floor": "low"}, "recall_floor='low'"),
    ({"placement": "middle"}, "placement='middle'.*'append'.*'before_window'"),
    ({"placement": ["append"]}, "placement="),
    ({"scope": "everyone"}, "scope='everyone'.*'conversation'.*'user'"),
    ({"cache": True}, "cache=True.*'on'.*'off'"),
    ({"on_error": "ignore"}, "on_error='ignore'.*'continue'.*'raise'"),
    ({"summary_model": ""}, "summary_model=''.*claude-haiku"),
    ({"summary_model": None}, "summary_model=None"),
    ({"count_tokens": 4}, "count_tokens must be a function"),
    ({"deadline": 0}, "deadline=0 .*above 0"),
    ({"deadline": "1m"}, "deadline='1m'"),
]


@pytest.mark.parametrize(("values", "message"), POLICIES, ids=[str(v) for v, _ in POLICIES])
def test_a_policy_says_which_value_is_out_of_range_and_what_would_do(values, message):
    with pytest.raises(PolicyError, match=message) as met:
        Policy(**values)
    assert isinstance(met.value, ValueError)


@pytest.mark.parametrize("values", [{"fold": 1}, {"max_tokens": 3}])
def test_a_setting_that_does_not_exist_is_refused(values):
    with pytest.raises(TypeError, match=next(iter(values))):
        Policy(**values)


def test_every_bound_itself_is_allowed():
    assert Policy(fold_at=1_000, keep_tokens=999, keep_exchanges=0, summary_tokens=100)
    assert Policy(recall_tokens=0, recall_floor=-1)
    assert Policy(recall_floor=1, leaf_tokens=1_000)


# --- wrong types ------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [{"fold_at": 5_000}, "fast", 0])
def test_a_policy_is_a_policy(policy, tmp_path):
    folder = tmp_path / "store"
    with pytest.raises(PolicyError, match=f"turnfold.Policy, not {type(policy).__name__}"):
        Memory(folder, policy=policy)
    assert not folder.exists()


@pytest.mark.parametrize("store", ["", "redis://x", b"folder", "memory:x", "sqlite:"])
def test_a_store_is_a_url_or_a_path(store):
    with pytest.raises(StoreError, match=r"store|scheme|memory"):
        Memory(store)


@pytest.mark.parametrize("store", [3, None, {"url": "memory:"}])
def test_a_store_of_another_type_is_refused(store):
    with pytest.raises(StoreError, match="a store is a URL, a path or a Store"):
        Memory(store)


def test_an_embedder_is_an_embedder(tmp_path):
    with pytest.raises(TurnfoldError, match="embedder=3 is not an Embedder"):
        Memory(tmp_path / "store", embedder=3)


@pytest.mark.parametrize(("name", "why"), [("", "empty"), ("./nowhere", "no folder")])
def test_an_embedder_named_is_one_that_may_exist(tmp_path, name, why):
    with pytest.raises(EmbedderError, match=why):
        Memory(tmp_path / "store", embedder=name)


def test_a_summarizer_is_a_function():
    with pytest.raises(TurnfoldError, match=f"summarizer='{SUMMARY}'"):
        Memory(summarizer=SUMMARY)


@pytest.mark.parametrize("name", ["", 3, b"ada"])
@pytest.mark.parametrize("what", ["user_id", "conversation"])
def test_names_are_not_empty(what, name):
    client = stand_in().client()
    with memory() as remembering:
        with pytest.raises(TurnfoldError, match=f"{what}={name!r} must be a non-empty string"):
            remembering.wrap(client, **{what: name})
        assert list(remembering.store.users()) == []
    with pytest.raises(TurnfoldError, match=f"{what}={name!r}"):
        with_memory(client, **{what: name})


@pytest.mark.parametrize("options", [{}, {"user_id": ""}])
def test_a_call_that_is_refused_leaves_no_folder(options, tmp_path):
    folder = tmp_path / "store"
    client = stand_in().client() if options else object()
    with pytest.raises(TurnfoldError):
        with_memory(client, folder, **options)
    assert not folder.exists()


def test_the_stores_own_user_is_nobodys():
    with memory() as remembering, pytest.raises(TurnfoldError, match="turnfold:store"):
        remembering.wrap(stand_in().client(), user_id="turnfold:store")


# --- stores -----------------------------------------------------------------------------------


def test_a_folder_that_is_a_file(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("Buy bread.")
    with pytest.raises(StoreError, match=r"notes\.txt") as met:
        Memory(file, embedder=HashedWords())
    assert "folder" in str(met.value)
    assert file.read_text() == "Buy bread."
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_inside_a_file(tmp_path):
    (tmp_path / "notes.txt").write_text("Buy bread.")
    with pytest.raises(StoreError, match=r"notes\.txt"):
        Memory(tmp_path / "notes.txt" / "store", embedder=HashedWords())


HOLD = """
import sys
from turnfold_stores import open_store
with open_store(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_is_open_elsewhere(tmp_path):
    folder = str(tmp_path / "store")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreUnavailable) as met:
            Memory(folder, embedder=HashedWords())
        for part in (f"process {holder.pid}", folder, "another folder", "sqlite:"):
            assert part in str(met.value)
        holder.stdin.close()
        holder.wait()
    with memory(folder) as remembering:
        Chat(remembering.wrap(stand_in().client())).say("Now it is free.")


def test_a_folder_that_is_open_here(tmp_path):
    with memory(tmp_path / "store"), pytest.raises(StoreUnavailable, match="this same process"):
        memory(tmp_path / "store")


class Other(HashedWords):
    model = "another-model"


def kept(url):
    with open_store(url) as store:
        return [(r.id, r.kind, r.body) for user in store.users() for r in store.ledger.scan(user)]


@pytest.mark.parametrize("url", ["{}/folder", "sqlite:{}/s.db"])
def test_a_store_made_with_another_embedding_model(url, tmp_path):
    url = url.format(tmp_path)
    with memory(url) as first:
        chat = Chat(first.wrap(stand_in().client()), history(12))
        chat.say(said(13))
    before = kept(url)
    assert any(kind == "vector" for _, kind, _ in before)
    other = Other()
    with pytest.raises(SchemaMismatch) as met:
        memory(url, embedder=other)
    for part in ("hashed-words-64", "another-model", "re-index"):
        assert part in str(met.value)
    assert other.texts == []
    assert kept(url) == before
    with memory(url) as again:  # it was closed, too
        Chat(again.wrap(stand_in().client()), chat.messages).say("And now?")


def test_a_given_store_is_left_open():
    with open_store("memory:") as store:
        store.bind("hashed-words-64", 64)
        with pytest.raises(SchemaMismatch):
            Memory(store, embedder=Other())
        with memory(store) as remembering:
            Chat(remembering.wrap(stand_in().client())).say("One.")
        assert list(store.users()) == ["local"]


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Hi."}], [{}], [None]])
async def test_messages_the_api_refuses_are_refused_by_the_api(door, messages):
    """Memory adds no errors of its own."""
    request = {**ask([]), "messages": messages}
    fakes = [stand_in(), stand_in()]
    with memory() as remembering:
        bare, wrapped = (door.client(fake, max_retries=0) for fake in fakes)
        expected = await door.outcome("post", bare, request)
        assert await door.outcome("post", remembering.wrap(wrapped), request) == expected
    assert isinstance(expected, tuple)


# --- extras that are missing ------------------------------------------------------------------


def without(modules, program, *args):
    """What a program prints where packages are not installed."""
    lines = f"import sys; sys.modules |= dict.fromkeys({modules.split()!r})\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", lines, *args], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_without_chroma_a_folder_says_which_extra_to_install(tmp_path):
    folder = tmp_path / "store"
    program = (
        "from turnfold import Memory\n"
        "try: Memory(sys.argv[1])\n"
        "except Exception as wrong: print(type(wrong).__name__, wrong)"
    )
    told = without("chromadb", program, str(folder))
    assert told.startswith(MissingDependency.__name__)
    assert "pip install 'turnfold[chroma]'" in told
    assert not folder.exists() or list(folder.iterdir()) == []


def test_without_an_embedder_recall_is_by_words_and_says_so():
    program = f"""
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.chats import SMALL, ask, history, stand_in
from turnfold import Memory
fake, receipts = stand_in(), []
memory = Memory(policy=SMALL, on_receipt=receipts.append)
memory.wrap(fake.client()).messages.create(**ask(history(12), "What of amber2 and birch2?"))
print(receipts[0].folded > 0, 2 in [hit.turn for hit in receipts[0].hits], *receipts[0].degraded)
"""
    folded, found, told = without("sentence_transformers openvino", program).split(" ", 2)
    assert (folded, found) == ("True", "True")
    assert "recall" in told
    assert "pip install 'turnfold[embeddings]'" in told


def test_a_conversation_without_a_key_says_what_the_sdk_says(monkeypatch):
    import anthropic

    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    try:
        anthropic.Anthropic().messages.create(**ask([]))
    except Exception as wrong:  # noqa: BLE001 - whatever it is
        expected = type(wrong)
    with memory() as remembering, pytest.raises(expected):
        Conversation(memory=remembering).say("Hello.")


# --- what is asked of a memory by hand --------------------------------------------------------

ASKED = [
    (lambda m: m.search("x", user_id=None), "user_id=None does not say whose memory"),
    (lambda m: m.search("x", user_id=""), "user_id=''"),
    (lambda m: m.search(None, user_id="ada"), "query=None must be a text"),
    (lambda m: m.search(["x"], user_id="ada"), "query="),
    (lambda m: m.search("x", user_id="ada", limit="3"), "limit='3' must be a whole number"),
    (lambda m: m.search("x", user_id="ada", limit=2.5), "limit=2.5"),
    (lambda m: m.search("x", user_id="ada", limit=True), "limit=True"),
    (lambda m: m.search("x", user_id="ada", limit=None), "limit=None"),
    (lambda m: m.search("x", user_id="ada", limit=0), "limit=0 must be .*at least 1"),
    (lambda m: m.search("x", user_id="ada", conversation=3), "conversation=3"),
    (lambda m: m.preview({"messages": []}, user_id=""), "user_id=''"),
    (lambda m: m.preview({"messages": []}, user_id="ada", conversation=3), "conversation=3"),
    (lambda m: m.preview("hello", user_id="ada"), "body='hello'"),
    (lambda m: m.forget(user_id=None), "user_id=None does not say whose memory"),
    (lambda m: m.notes(user_id=None), "user_id=None does not say whose memory"),
    (lambda m: m.tool(user_id=None), "user_id=None does not say whose memory"),
    (lambda m: taken_in(m, user_id=None), "user_id=None does not say whose memory"),
    (lambda m: taken_in(m, user_id=["ada"]), "user_id="),
    (lambda m: taken_in(m, conversation=None), "conversation=None does not say which"),
    (lambda m: taken_in(m, conversation=""), "conversation=''"),
    (lambda m: taken_in(m, times=5), "times=5 must be a list"),
    (lambda m: taken_in(m, times="now"), "times='now' must be a list"),
    (lambda m: taken_in(m, times=iter([1.0, 2.0])), "times=.*must be a list"),
    (lambda m: taken_in(m, user_id="x" * 9_000, conversation=b"y" * 9_000), "more characters"),
]


def taken_in(remembering, **given):
    whose = {"user_id": "ada", "conversation": "c", **given}
    return remembering.backfill(history(1), client=stand_in().client(), **whose)


@pytest.mark.parametrize(("ask_for", "message"), ASKED, ids=[str(n) for n in range(len(ASKED))])
def test_what_does_not_fit_is_refused_by_name_and_value(ask_for, message):
    with memory() as remembering:
        with pytest.raises(TurnfoldError, match=message) as met:
            ask_for(remembering)
        assert len(str(met.value)) < 300
        assert not list(remembering.store.ledger.users())


async def test_the_async_twins_refuse_the_same():
    with memory() as remembering:
        with pytest.raises(TurnfoldError, match="user_id=None"):
            await remembering.asearch("x", user_id=None)
        with pytest.raises(TurnfoldError, match="conversation=None"):
            await remembering.abackfill(
                history(1), client=stand_in().async_client(), user_id="ada", conversation=None
            )
