"""Looking after a store from the command line: doctor, export, import, forget."""

import json
import os
import shutil
import stat

import numpy as np
import pytest
from support.chats import Chat, memory, said, stand_in
from support.other_servers import OtherServer
from turnfold.archive.tombstones import KINDS
from turnfold_cli import chat as chat_module
from turnfold_fake import FakeClaude, Fault
from turnfold_stores import Entry, Record, open_store


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    """The file of a store in which ada and bob have talked."""
    file = tmp_path_factory.mktemp("talked") / "store.db"
    with open_store(f"sqlite:{file}") as store:
        for user_id in ("ada", "bob"):
            remembering = memory(store)
            for conversation in ("boats", "birds"):
                client = remembering.wrap(
                    stand_in().client(), user_id=user_id, conversation=conversation
                )
                Chat(client).go_on(12, conversation)
    return file


@pytest.fixture
def url(talked, tmp_path):
    """Such a store for one test."""
    return f"sqlite:{shutil.copy(talked, tmp_path)}"


def records(url, user_id):
    """What is in a store, tombstones aside: those are random."""
    with open_store(url) as store:
        return [one for one in store.ledger.scan(user_id) if one.kind not in KINDS]


# --- doctor ---------------------------------------------------------------------------------


def test_doctor_on_a_sound_store(command, url):
    done = command("doctor", url)
    assert done.exit_code == 0, done.output
    assert "2 users" in done.stdout
    assert "All is as it should be." in done.stdout
    assert done.stderr == ""


def test_doctor_tells_what_is_wrong_and_mends_it(command, url):
    with open_store(url) as store:
        gone = sorted(store.index.ids("ada"))[:2]
        store.index.delete("ada", gone)
        store.index.put("bob", [Entry("stranger", "c", np.ones(64, dtype=np.float32))])
    done = command("doctor", url)
    assert done.exit_code == 1
    assert "missing vectors of 'ada': 2" in done.stdout
    assert gone[0] in done.stdout
    assert "orphaned vectors of 'bob': 1 (stranger)" in done.stdout
    assert "--mend" in done.stdout

    told = json.loads(command("doctor", url, "--json").stdout)
    assert told["sound"] is False
    assert {one["kind"] for one in told["findings"]} == {"missing vectors", "orphaned vectors"}

    mended = command("doctor", url, "--mend")
    assert mended.exit_code == 0, mended.output
    assert "All of it was mended." in mended.stdout
    assert command("doctor", url).exit_code == 0
    assert json.loads(command("doctor", url, "--json").stdout)["sound"] is True


def test_doctor_leaves_what_it_cannot_mend_and_says_so(command, url):
    with open_store(url) as store:
        [first, *_] = store.ledger.scan("ada", kind="content")
        store.ledger.delete("ada", [first.id])
    done = command("doctor", url, "--mend")
    assert done.exit_code == 1
    assert "dangling of 'ada'" in done.stdout


# --- doctor --live --------------------------------------------------------------------------


@pytest.fixture
def account(monkeypatch, quick):
    """Has a stand-in answer for Claude."""

    def given(fake, key="fake"):
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
            monkeypatch.delenv(name, raising=False)
        if key:
            monkeypatch.setenv("ANTHROPIC_API_KEY", key)
        monkeypatch.setattr(chat_module, "Anthropic", lambda **_: fake.client(max_retries=0))
        return fake

    return given


def test_doctor_live_says_what_works_on_an_account(command, account):
    fake = account(FakeClaude())
    done = command("doctor", "--live", "--yes")
    assert done.exit_code == 0, done.output
    for name in ("caching", "thinking", "summaries"):
        assert f"{name}: works: " in done.stdout
    assert "the API found each request to continue the one before" in done.stdout
    assert "at list prices" in done.stdout
    assert len(fake.asked()) == 5


def test_doctor_live_asks_before_it_spends(command, account):
    fake = account(FakeClaude())
    done = command("doctor", "--live", input="n\n")
    assert done.exit_code == 1
    assert "Shall they be sent?" in done.stderr
    assert fake.calls == []
    assert command("doctor", "--live", input="y\n").exit_code == 0
    assert fake.calls


@pytest.mark.parametrize(
    ("fake", "told"),
    [
        (lambda: FakeClaude(summary="Much was said."), "summaries: does not work"),
        (lambda: FakeClaude(faults=[Fault("bad_signature", on="chat")]), "thinking: does not work"),
        (lambda: OtherServer(models=()), "caching: does not work"),
        (lambda: FakeClaude(faults=[Fault("unauthorized")]), "Claude answered 401"),
    ],
    ids=["summaries", "thinking", "caching", "the key"],
)
def test_doctor_live_says_what_does_not_work(command, account, fake, told):
    account(fake())
    done = command("doctor", "--live", "--yes")
    assert done.exit_code == 1
    assert told in done.output


def test_doctor_live_as_json(command, account):
    account(FakeClaude())
    told = json.loads(command("doctor", "--live", "--yes", "--json").stdout)
    assert told["sound"]
    assert [one["name"] for one in told["verdicts"]] == ["caching", "thinking", "summaries"]


def test_doctor_wants_a_store_or_a_key(command, account, url):
    account(FakeClaude(), key="")
    assert command("doctor").exit_code == 2
    assert command("doctor", url, "--live").exit_code == 2
    done = command("doctor", "--live", "--yes")
    assert done.exit_code == 2
    assert "ANTHROPIC_API_KEY" in done.stderr


# --- export and import ----------------------------------------------------------------------


def test_a_store_moves_from_one_to_another(command, url, tmp_path):
    file, other = tmp_path / "all.jsonl", f"sqlite:{tmp_path / 'other.db'}"
    done = command("export", url, file)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = command("import", file, other)
    assert done.exit_code == 0, done.output
    assert "of 2 users read" in done.stdout
    for user_id in ("ada", "bob"):
        assert records(other, user_id) == records(url, user_id)
    assert command("doctor", other).exit_code == 0
    again = tmp_path / "again.jsonl"
    command("export", other, again)
    assert again.read_bytes() == file.read_bytes()
    assert ", 0 were new" in command("import", file, other).stdout


def test_export_to_standard_output_and_import_from_standard_input(command, url, tmp_path):
    out = command("export", url, "-").stdout
    other = f"sqlite:{tmp_path / 'other.db'}"
    assert command("import", "-", other, input=out).exit_code == 0
    assert records(other, "ada") == records(url, "ada")


def test_export_does_not_replace_a_file_by_chance(command, url, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    done = command("export", url, file)
    assert done.exit_code == 2
    assert "is there already" in done.stderr
    assert file.read_text() == "mine"
    assert command("export", url, file, "--force").exit_code == 0
    assert file.read_text().startswith('{"format":"turnfold-export"')
    assert list(tmp_path.glob("*.part")) == []


def test_export_follows_no_link_and_replaces_nothing_but_a_file(command, url, tmp_path):
    mine, file = tmp_path / "mine.txt", tmp_path / "all.jsonl"
    mine.write_text("mine")
    for name in ("all.jsonl.part", "all.jsonl"):
        (tmp_path / name).symlink_to(mine)
    assert "is there already" in command("export", url, file).stderr
    assert command("export", url, file, "--force").exit_code == 0
    assert mine.read_text() == "mine"
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        done = command("export", url, tmp_path / name, "--force")
        assert (done.exit_code, "is no file" in done.stderr) == (2, True)


def test_a_password_is_shown_by_no_command(command, tmp_path):
    for words in (["doctor"], ["export"], ["forget", "--user", "ada"], ["import"]):
        for url in ("postgresql:ada:s3cr3t@host/db", "postgresql//ada:s3cr3t@h/db"):
            (tmp_path / "file").write_text("{}")
            rest = [tmp_path / "file", url] if words == ["import"] else [url, *words[1:]]
            rest += [tmp_path / "out"] if words == ["export"] else []
            done = command(words[0], *rest)
            assert done.exit_code != 0
            assert "s3cr3t" not in done.output


def test_import_tells_the_line_that_is_wrong(command, url, tmp_path):
    file = tmp_path / "all.jsonl"
    command("export", url, file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:20], "oops\n", *lines[20:]]))
    done = command("import", file, f"sqlite:{tmp_path / 'other.db'}")
    assert done.exit_code == 2
    assert "line 21: this is not JSON" in done.stderr
    file.write_bytes(lines[0].encode() + b'{"user": "\xff"}\n')
    assert "line 2: this is not UTF-8" in command("import", file, f"sqlite:{tmp_path}/o.db").stderr
    assert "cannot read" in command("import", tmp_path / "none", "memory:").stderr


def test_what_was_forgotten_is_not_brought_back_by_an_old_export(command, url, tmp_path):
    file = tmp_path / "all.jsonl"
    command("export", url, file)
    command("forget", url, "--user", "ada", "--conversation", "boats", "--yes")
    done = command("import", file, url)
    assert "11 exchanges were forgotten here and stay so" in done.stdout
    assert not any(one.conversation == "boats" for one in records(url, "ada"))
    assert any(one.conversation == "boats" for one in records(url, "bob"))


# --- forget ---------------------------------------------------------------------------------


def test_forget_asks_first(command, url):
    before = records(url, "ada")
    done = command("forget", url, "--user", "ada", input="n\n")
    assert done.exit_code == 1
    assert "Forget all of user 'ada' in" in done.stderr
    assert "cannot be undone" in done.stderr
    assert command("forget", url, "--user", "ada", input="").exit_code == 1, "nobody there to ask"
    assert records(url, "ada") == before

    done = command("forget", url, "--user", "ada", input="y\n")
    assert done.exit_code == 0, done.output
    assert "Forgotten: 22 exchanges" in done.stdout
    assert "The files were purged." in done.stdout
    assert records(url, "ada") == []
    assert records(url, "bob")


def test_forget_one_conversation(command, url, tmp_path):
    with open_store(url) as store:
        store.ledger.delete("bob", [one.id for one in store.ledger.scan("bob")])
    done = command("forget", url, "--user", "ada", "--conversation", "boats", "--yes", "--json")
    told = json.loads(done.stdout)
    assert told["exchanges"] == 11
    assert told["purged"] is True
    assert {one.conversation for one in records(url, "ada")} == {"birds"}
    for file in tmp_path.glob("store.db*"):
        assert b"amber1boats" not in file.read_bytes()
    again = command("forget", url, "--user", "ada", "--conversation", "boats", "--yes")
    assert "There was nothing to forget." in again.stdout


def test_forget_single_turns(command, url):
    arguments = ["--user", "ada", "--conversation", "boats", "--turn", 3, "--turn", 12]
    done = command("forget", url, *arguments, input="n\n")
    assert "Forget turns 3, 12 of user 'ada' in conversation 'boats' in" in done.stderr
    done = command("forget", url, *arguments, "--yes", "--json")
    assert json.loads(done.stdout)["exchanges"] == 1, "the newest was still open"
    told = str(records(url, "ada"))
    assert "amber3boats" not in told
    assert "amber4boats" in told
    assert "amber3birds" in told
    assert "amber3boats" in str(records(url, "bob"))
    assert command("doctor", url).exit_code == 0
    again = command("forget", url, *arguments, "--yes")
    assert "There was nothing to forget." in again.stdout


def test_forget_what_is_old_of_everybody(command, url):
    done = command("forget", url, "--all-users", "--before", "30d", "--yes")
    assert "nothing to forget" in done.stdout
    done = command("forget", url, "--all-users", "--before", "2999-01-01", "--yes")
    assert "Forgotten: 44 exchanges" in done.stdout
    assert command("doctor", url).exit_code == 0
    assert records(url, "ada") == records(url, "bob") == []


@pytest.mark.parametrize(
    ("arguments", "tells"),
    [
        ([], "say whose"),
        (["--user", "ada", "--all-users"], "say whose"),
        (["--all-users"], "add --before"),
        (["--all-users", "--before", "1d", "--conversation", "c"], "leave out --conversation"),
        (["--user", "ada", "--before", "yesterday"], "neither an age"),
        (["--user", "ada", "--before", "2026"], "neither an age"),
        (["--user", "ada", "--before", "1712010112000"], "neither an age"),
        (["--user", "ada", "--before", "99999999999999999999d"], "in no year"),
        (["--user", "ada", "--before", "9999-12-31"], "in no year"),
        (["--user", "ada", "--before", "3000000d"], "in no year"),
        (["--user", "ada", "--before", f"{'9' * 400}w"], "in no year"),
        (["--user", "ada", "--before", "0001-01-01"], "no moment of the calendar"),
        (["--user", ""], "must not be empty"),
        (["--user", "ada", "--turn", 3], "add --user and --conversation"),
        (["--user", "ada", "--conversation", "c", "--turn", 3, "--before", "1d"], "leave out"),
        (["--user", "ada", "--conversation", "c", "--turn", 0], "greater than or equal to 1"),
        (["--user", "ada", "--conversation", ""], "must not be empty"),
    ],
)
def test_bad_arguments_forget_nothing(command, url, arguments, tells):
    before = records(url, "ada")
    done = command("forget", url, "--yes", *arguments)
    assert done.exit_code == 2
    assert tells in " ".join(done.stderr.replace("│", " ").split())
    assert records(url, "ada") == before


@pytest.mark.parametrize("words", [["doctor"], ["export"], ["forget", "--user", "ada", "--yes"]])
@pytest.mark.parametrize("form", ["{}", "sqlite:{}", "sqlite://{}"])
def test_a_name_mistyped_makes_no_store(command, tmp_path, words, form):
    path = tmp_path / "chat-memry"
    arguments = [words[0], form.format(path), *words[1:]]
    if words[0] == "export":
        arguments.append(tmp_path / "file")
    done = command(*arguments)
    assert done.exit_code == 2
    assert "there is no store at" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["{}", "sqlite:{}", "milvus:{}?ledger=sqlite:x.db"])
def test_a_home_that_nobody_knows(command, form):
    url = form.format("~nosuchuser/x.db")
    for arguments in (["doctor", url], ["chat", "--fake", "--store", url]):
        done = command(*arguments)
        assert done.exit_code == 2, done.output
        assert "nobody knows what home the ~ in '~nosuchuser/x.db' stands for" in done.stderr
    done = command("chat", "--fake", "--embedder", "~nosuchuser/model")
    assert done.exit_code == 1
    assert "is no folder" in done.stderr


def test_a_store_without_a_name(command):
    for arguments in (["doctor", ""], ["chat", "--fake", "--store", ""]):
        done = command(*arguments)
        assert done.exit_code == 2
        assert "a store is a URL or a path, and this one is empty" in done.stderr


def test_a_folder_is_looked_after_alike(command, tmp_path):
    folder = tmp_path / "memory"
    with open_store(folder) as store:
        store.ledger.put("ada", [Record("x", "note", "c", said(1))])
    assert command("doctor", folder).exit_code == 0
    assert command("forget", folder, "--user", "ada", "--yes").exit_code == 0
    assert command("doctor", folder).exit_code == 0
