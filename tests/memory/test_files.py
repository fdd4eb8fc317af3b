"""Claude's memory tool over a store: files of one user, no update lost, and forgotten for good."""

import gc
import subprocess
import threading
from dataclasses import replace

import pytest
from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
from hypothesis import given
from hypothesis import strategies as st
from support.chats import MODEL, SMALL, memory
from support.cpu import at_most
from support.oblivion import DAY, Clock, everything, tells
from support.programs import started
from turnfold import Memory, TurnfoldError
from turnfold.files.commands import FileCommands
from turnfold.files.paths import FileRefused, file_path
from turnfold.files.stored_files import StoredFiles
from turnfold.forgetting.forget import forget_again
from turnfold.upkeep.checkup import check
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import open_store
from turnfold_stores.upkeep.transfer import export_lines, import_lines

NOTES = "/memories/notes.txt"


def do(tool, command, path=NOTES, **arguments):
    """What Claude would be answered."""
    names = {"old_path": path} if command == "rename" else {"path": path}
    return tool.call({"command": command, **names, **arguments})


def create(tool, path=NOTES, text="One\nTwo\nThree"):
    return do(tool, "create", path, file_text=text)


def refused(tool, command, path=NOTES, **arguments):
    with pytest.raises(ToolError) as told:
        do(tool, command, path, **arguments)
    return str(told.value)


def content(tool, path=NOTES):
    return "\n".join(line.partition("\t")[2] for line in do(tool, "view", path).split("\n")[1:])


@pytest.fixture
def remembering():
    with memory() as opened:
        yield opened


@pytest.fixture
def tool(remembering):
    return remembering.memory_tool(user_id="ada")


# --- the tool ---------------------------------------------------------------------------------


def test_it_is_the_tool_that_the_api_knows(remembering):
    tool = remembering.memory_tool()
    assert isinstance(tool, BetaAbstractMemoryTool)
    assert isinstance(remembering.amemory_tool(), BetaAsyncAbstractMemoryTool)
    assert tool.to_dict() == {"type": "memory_20250818", "name": "memory"}


def test_files_are_written_read_changed_moved_and_deleted(tool):
    assert create(tool) == f"File created successfully at: {NOTES}"
    assert do(tool, "view", view_range=[2, -1]).endswith("     2\tTwo\n     3\tThree")
    assert do(tool, "view", view_range=[]) == do(tool, "view") == do(tool, "view", view_range=None)
    assert "     2\t2\n" in do(tool, "str_replace", old_str="Two", new_str="2")
    do(tool, "insert", insert_line=0, insert_text="Zero")
    assert content(tool) == "Zero\nOne\n2\nThree\n"
    do(tool, "rename", new_path="/memories/kept/old.txt")
    assert refused(tool, "view") == (
        f"The path {NOTES} does not exist. Please provide a valid path."
    )
    listed = do(tool, "view", "/memories")
    assert [line.split("\t")[1] for line in listed.split("\n")[1:]] == [
        "/memories",
        "/memories/kept/",
        "/memories/kept/old.txt",
    ]
    do(tool, "rename", "/memories/kept", new_path="/memories/a/b")
    assert content(tool, "/memories/a/b/old.txt") == "Zero\nOne\n2\nThree\n"
    do(tool, "delete", "/memories/a")
    assert refused(tool, "delete", "/memories/a") == "The path /memories/a does not exist"


def test_it_works_as_long_as_somebody_has_it():
    tool = Memory(policy=SMALL).memory_tool()
    gc.collect()
    create(tool)
    assert content(tool) == "One\nTwo\nThree"


async def test_it_is_the_same_for_async_clients(remembering):
    tool = remembering.amemory_tool(user_id="ada")
    await tool.call({"command": "create", "path": NOTES, "file_text": "One"})
    assert (await tool.call({"command": "view", "path": NOTES})).endswith("     1\tOne")
    with pytest.raises(ToolError, match="already exists"):
        await tool.call({"command": "create", "path": NOTES, "file_text": "Two"})
    await tool.clear_all_memory()
    assert content(remembering.memory_tool(user_id="ada"), "/memories") == "/memories"


def test_a_directory_shows_two_levels_its_sizes_and_nothing_hidden(tool):
    create(tool, "/memories/b/c/d/deep.txt", "x" * 1536)
    create(tool, "/memories/b.txt", "12345")
    create(tool, "/memories/.hidden/one.txt", "1")
    create(tool, "/memories/b/.hidden", "1")
    assert do(tool, "view", "/memories").split("\n")[1:] == [
        "1.5K\t/memories",
        "1.5K\t/memories/b/",
        "1.5K\t/memories/b/c/",
        "5B\t/memories/b.txt",
    ]


REFUSED = {
    "nothing there": ("view", "/memories/none", {}, "does not exist"),
    "no file": ("insert", "/memories/d", {"insert_line": 0, "insert_text": "x"}, "not a file"),
    "created twice": ("create", NOTES, {"file_text": "x"}, "already exists"),
    "a directory is there": ("create", "/memories/d", {"file_text": "x"}, "already exists"),
    "a file is no directory": ("create", f"{NOTES}/x", {"file_text": "x"}, "not a directory"),
    "the root is no file": ("create", "/memories", {"file_text": "x"}, "already exists"),
    "the root stays": ("delete", "/memories/", {}, "Cannot delete"),
    "the root is kept": ("rename", "/memories/d/..", {"new_path": "/memories/x"}, "Cannot rename"),
    "moved onto a file": ("rename", "/memories/d", {"new_path": NOTES}, "already exists"),
    "moved onto a directory": ("rename", NOTES, {"new_path": "/memories/d"}, "already exists"),
    "moved into itself": ("rename", "/memories/d", {"new_path": "/memories/d/e"}, "into itself"),
    "moved below a file": ("rename", "/memories/d", {"new_path": f"{NOTES}/d"}, "not a directory"),
    "says nothing": ("str_replace", NOTES, {"old_str": "", "new_str": "x"}, "did not appear"),
    "an argument left out": ("str_replace", NOTES, {"old_str": "One"}, "`new_str` is a text"),
    "no text": ("create", "/memories/x", {"file_text": 7}, "is a text"),
    "no character": ("create", "/memories/x", {"file_text": "\ud800"}, "no character"),
    "no line": ("insert", NOTES, {"insert_line": 4, "insert_text": "x"}, "[0, 3]"),
    "a line before the first": ("insert", NOTES, {"insert_line": -1, "insert_text": "x"}, "[0, 3]"),
    "a text for lines": ("view", NOTES, {"view_range": "12"}, "two whole numbers"),
    "a number for lines": ("view", NOTES, {"view_range": 5}, "two whole numbers"),
    "no lines": ("view", NOTES, {"view_range": [None, None]}, "[None, None]"),
    "one line": ("view", NOTES, {"view_range": [1]}, "two whole numbers"),
    "too long": ("create", "/memories/x", {"file_text": "x" * 10_000_001}, "at most"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_done_is_said_and_changes_nothing(tool, why):
    create(tool)
    create(tool, "/memories/d/e.txt")
    before = do(tool, "view", "/memories")
    command, path, arguments, told = REFUSED[why]
    assert told in refused(tool, command, path, **arguments)
    assert do(tool, "view", "/memories") == before
    assert content(tool) == "One\nTwo\nThree"


def test_what_a_text_says_again_and_again_is_not_looked_for_at_each_letter(tool):
    create(tool, text="a" * 600_000)
    with at_most(30):
        assert "in lines: 1, 1." in refused(tool, "str_replace", old_str="a" * 300_000, new_str="b")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/passwd", "must start with /memories"),
        ("/memoriesx/a", "must start with /memories"),
        ("memories/a", "must start with /memories"),
        ("/memories/../etc", "would escape"),
        ("/memories/a/../../b", "would escape"),
        ("/memories/a\x00b", "printable"),
        ("/memories/a\nb", "printable"),
        ("/memories/" + "a/" * 40, "too deep"),
        ("/memories/" + "a" * 2_000, "too long"),
        (None, "starts with /memories"),
    ],
)
def test_no_path_leads_out_of_memories(tool, path, said):
    assert said in refused(tool, "create", path, file_text="x")


PARTS = st.sampled_from(["a", "b", "..", ".", "", "%2e%2e", "\\..", "~", "c d", "é"])


@given(st.lists(PARTS, max_size=8))
def test_a_path_that_is_taken_is_below_memories_and_stays_as_it_is(parts):
    try:
        taken = file_path("/".join(["/memories", *parts]))
    except FileRefused:
        assert ".." in parts
        return
    assert taken == "/memories" or taken.startswith("/memories/")
    assert not {"..", ".", ""} & set(taken.split("/")[1:])
    assert file_path(taken) == taken


def test_lines_end_as_they_did(tool):
    create(tool, text="a\r\nb\u2028c\r\n")
    do(tool, "str_replace", old_str="a\r\n", new_str="A\r\n")
    do(tool, "insert", insert_line=1, insert_text="new\r")
    assert content(tool) == "A\r\nnew\r\nb\u2028c\r\n"


def test_the_sdks_runner_keeps_files_with_it(remembering):
    def answer(body):
        if isinstance(body["messages"][-1]["content"], list):
            return Reply("Noted.", thinking=False)
        call = {"command": "create", "path": NOTES, "file_text": "Ada drinks tea."}
        return Reply([{"type": "tool_use", "name": "memory", "input": call}], thinking=False)

    client = remembering.wrap(FakeClaude(answer).client(), user_id="ada", conversation="c")
    runner = client.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=100,
        tools=[remembering.memory_tool(user_id="ada", conversation="c")],
        messages=[{"role": "user", "content": "I drink tea."}],
    )
    assert runner.until_done().content[-1].text == "Noted."
    assert content(remembering.memory_tool(user_id="ada")) == "Ada drinks tea."


# --- walls, redaction, stores -----------------------------------------------------------------


def test_no_user_sees_or_touches_the_files_of_another(remembering):
    mine, theirs = (remembering.memory_tool(user_id=name) for name in ("ada", "bob"))
    create(theirs, text="secret")
    assert "does not exist" in refused(mine, "view")
    create(mine, text="mine")
    do(mine, "delete")
    mine.clear_all_memory()
    remembering.forget(user_id="ada")
    assert content(theirs) == "secret"
    assert not any("secret" in one for one in everything(remembering.store, "ada"))
    with pytest.raises(TurnfoldError):
        remembering.memory_tool(user_id="")


def test_what_is_redacted_is_in_no_record_and_can_be_edited_all_the_same():
    policy = replace(SMALL, redact=lambda text: text.replace("4111-1111", "[card]"))
    with memory(policy=policy) as remembering:
        tool = remembering.memory_tool(user_id="ada")
        create(tool, "/memories/4111-1111.txt", "The card is 4111-1111.")
        do(
            tool,
            "str_replace",
            "/memories/4111-1111.txt",
            old_str="is 4111-1111",
            new_str="was 4111-",
        )
        do(tool, "str_replace", "/memories/[card].txt", old_str="4111-.", new_str="4111-1111.")
        assert content(tool, "/memories/[card].txt") == "The card was [card]."
        assert not tells(remembering.store, "4111-1111")


def test_what_no_longer_holds_is_not_kept(remembering, tool):
    create(tool, text="first words")
    for number in range(5):
        do(tool, "insert", insert_line=0, insert_text=f"line {number}")
    do(tool, "str_replace", old_str="first words", new_str="last words")
    assert not tells(remembering.store, "first words")
    do(tool, "delete")
    assert not tells(remembering.store, "last words")
    assert not tells(remembering.store, "notes.txt")


def test_a_store_that_fails_is_an_answer_not_the_end_of_the_loop(tool, remembering, caplog):
    remembering.store.close()
    assert "does not answer" in refused(tool, "view")
    assert "the memory tool" in caplog.text


# --- several at once --------------------------------------------------------------------------


def at_once(*works):
    threads = [threading.Thread(target=work) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
        assert not one.is_alive()


@pytest.mark.parametrize("kind", ["memory:", "sqlite:{}/store.db", "{}/store"])
def test_no_update_of_threads_is_lost(kind, tmp_path):
    with open_store(kind.format(tmp_path)) as store, memory(store) as remembering:
        create(remembering.memory_tool(user_id="ada"), text="")

        def write(mark):
            tool = remembering.memory_tool(user_id="ada")
            for number in range(8):
                do(tool, "insert", insert_line=0, insert_text=f"{mark}{number}")
                create(tool, f"/memories/{mark}/{number}.txt", mark)

        at_once(*(lambda mark=mark: write(mark) for mark in "abc"))
        tool = remembering.memory_tool(user_id="ada")
        wanted = {f"{mark}{number}" for mark in "abc" for number in range(8)}
        assert set(content(tool).split()) == wanted
        assert do(tool, "view", "/memories").count(".txt") == 25
        kinds = [one.kind for one in store.ledger.scan("ada")]
        assert kinds.count("file-tree") == 1
        assert kinds.count("file-text") == 25


WRITER = """
import sys
from turnfold.files.commands import FileCommands
from turnfold.files.stored_files import StoredFiles
from turnfold_stores import open_store
with open_store(sys.argv[1]) as store:
    do = FileCommands(StoredFiles(store, "ada"))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(15):
        do.insert("/memories/notes.txt", 0, f"{sys.argv[2]}{number}")
"""


def lines_of(mark):
    return [f"{mark}{number}" for number in range(15)]


def test_no_update_of_processes_is_lost(tmp_path):
    url = f"sqlite:{tmp_path}/store.db"
    with open_store(url) as store:
        mine = FileCommands(StoredFiles(store, "ada"))
        mine.create(NOTES, "")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        other = started("-c", WRITER, url, "b", **pipes)
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        for line in lines_of("a"):
            mine.insert(NOTES, 0, line)
        other.communicate(timeout=120)
        assert other.returncode == 0
        told = StoredFiles(store, "ada").read(NOTES).split()
    assert sorted(told) == sorted([*lines_of("a"), *lines_of("b")])


def test_no_update_of_several_connections_to_postgresql_is_lost(postgres_url):
    with open_store(postgres_url) as store, open_store(postgres_url) as other:
        FileCommands(StoredFiles(store, "ada")).create(NOTES, "")

        def write(opened, mark):
            do = FileCommands(StoredFiles(opened, "ada"))
            for line in lines_of(mark):
                do.insert(NOTES, 0, line)

        at_once(lambda: write(store, "a"), lambda: write(other, "b"))
        told = StoredFiles(store, "ada").read(NOTES).split()
    assert sorted(told) == sorted([*lines_of("a"), *lines_of("b")])


class Meanwhile:
    """A store in which something happens just before the next write."""

    def __init__(self, ledger, event):
        self.ledger = self
        self._ledger = ledger
        self._event = event

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def put(self, user_id, records):
        event, self._event = self._event, lambda: None
        event()
        return self._ledger.put(user_id, records)


def slow(remembering, event):
    """A tool whose user is slow: something happens between what it reads and what it writes."""
    store = Meanwhile(remembering.store.ledger, event)
    return FileCommands(StoredFiles(store, "ada"))


def test_an_edit_is_made_on_what_holds_by_then(remembering, tool):
    create(tool)
    late = slow(remembering, lambda: do(tool, "insert", insert_line=0, insert_text="Zero"))
    late.str_replace(NOTES, "Two", "2")
    assert content(tool) == "Zero\nOne\n2\nThree\n"
    late = slow(remembering, lambda: do(tool, "str_replace", old_str="2", new_str="II"))
    with pytest.raises(FileRefused, match="did not appear"):
        late.str_replace(NOTES, "2", "two")
    late = slow(remembering, lambda: do(tool, "delete"))
    with pytest.raises(FileRefused, match="does not exist"):
        late.insert(NOTES, 0, "x")


def test_two_who_write_the_first_file_both_do(remembering, tool):
    slow(remembering, lambda: create(tool, "/memories/a", "a")).create("/memories/b", "b")
    assert (content(tool, "/memories/a"), content(tool, "/memories/b")) == ("a", "b")


def test_whoever_is_writing_while_all_is_forgotten_brings_nothing_back(remembering, tool):
    create(tool, text="an amber secret")
    late = slow(remembering, lambda: remembering.forget(user_id="ada"))
    with pytest.raises(FileRefused, match="does not exist"):
        late.str_replace(NOTES, "amber", "green")
    assert not tells(remembering.store, "secret")
    assert not tells(remembering.store, "notes.txt")


# --- forgetting -------------------------------------------------------------------------------


def test_all_of_a_user_goes_with_the_files(remembering, tool):
    create(tool, text="an amber secret")
    create(tool, "/memories/b.txt", "another secret")
    done = remembering.forget(user_id="ada")
    assert done.files == 2
    assert not tells(remembering.store, "secret")
    assert not tells(remembering.store, ".txt")
    assert content(tool, "/memories") == "/memories"
    create(tool, text="an amber secret")
    assert content(tool) == "an amber secret", "what is written anew is new"
    assert forget_again(remembering.store, SMALL, "ada").files == 0
    assert content(tool) == "an amber secret"


def test_by_age_what_was_not_written_since_goes(tool):
    clock = Clock()
    with memory(policy=replace(SMALL, clock=clock)) as remembering:
        tool = remembering.memory_tool(user_id="ada")
        for path in ("/memories/old", "/memories/touched"):
            create(tool, path, "of the past")
        clock.now += 10 * DAY
        do(tool, "insert", "/memories/touched", insert_line=0, insert_text="of today")
        do(tool, "rename", "/memories/old", new_path="/memories/older")
        assert remembering.forget(user_id="ada", before=clock.now - DAY).files == 1
        assert do(tool, "view", "/memories").count("\n") == 2
        assert content(tool, "/memories/touched") == "of today\nof the past\n"


def test_with_a_conversation_go_the_files_it_wrote(remembering):
    first, second = (
        remembering.memory_tool(user_id="ada", conversation=name) for name in ("one", "two")
    )
    create(first, "/memories/first", "of one")
    create(second, "/memories/second", "of two")
    create(second, "/memories/both", "of two")
    do(first, "insert", "/memories/both", insert_line=0, insert_text="and of one")
    do(second, "rename", "/memories/first", new_path="/memories/moved")
    assert remembering.forget(user_id="ada", conversation="one").files == 2
    assert do(second, "view", "/memories").split("\n")[2:] == ["6B\t/memories/second"]
    assert not tells(remembering.store, "of one")


def test_turns_of_a_conversation_take_no_file_along(remembering, tool):
    create(tool)
    remembering.forget(user_id="ada", conversation="c", turn=1)
    assert content(tool) == "One\nTwo\nThree"


# --- from store to store ----------------------------------------------------------------------


def exported(store):
    return list(export_lines(store))


def brought(store, lines):
    """As `turnfold import` does it."""
    for user_id in import_lines(store, lines).users:
        StoredFiles(store, user_id).take_in()
        forget_again(store, SMALL, user_id)


def test_files_go_along_from_store_to_store(remembering, tool):
    create(tool)
    with open_store("memory:") as other:
        brought(other, exported(remembering.store))
        with memory(other) as there:
            assert content(there.memory_tool(user_id="ada")) == "One\nTwo\nThree"
            assert check(other).sound


def test_what_the_other_store_has_stays_and_the_rest_is_taken_in(remembering, tool):
    create(tool, text="from here")
    create(tool, "/memories/here.txt", "from here")
    with open_store("memory:") as other, memory(other) as there:
        mine = there.memory_tool(user_id="ada")
        create(mine, text="from there")
        for _ in range(2):
            brought(other, exported(remembering.store))
        assert content(mine) == "from there"
        assert content(mine, "/memories/here.txt") == "from here"
        do(mine, "insert", "/memories/here.txt", insert_line=0, insert_text="more")
        assert content(mine, "/memories/here.txt") == "more\nfrom here\n"


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_forgotten_does_not_come_back_by_an_import(remembering, tool, goes_on):
    create(tool, text="an amber secret")
    lines = exported(remembering.store)
    remembering.forget(user_id="ada")
    if goes_on:
        create(tool, "/memories/new.txt", "new")
    brought(remembering.store, lines)
    assert "does not exist" in refused(tool, "view")
    assert not tells(remembering.store, "secret")
    assert do(tool, "view", "/memories").count(".txt") == goes_on


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file-root", "file-step", "file-tree", "file-text"])
def test_what_is_damaged_is_told_and_forgotten(remembering, tool, kind):
    create(tool)
    store = remembering.store
    broken = [replace(one, body=7) for one in store.ledger.scan("ada", kind=kind)]
    store.replace("ada", [], broken)
    assert any(one.kind == "damaged" for one in check(store).findings)
    with pytest.raises(ToolError):
        do(tool, "view")
    remembering.forget(user_id="ada")
    create(tool)
    assert content(tool) == "One\nTwo\nThree"
    assert check(store).sound
