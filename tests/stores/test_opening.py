import logging
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from support.stores import STORES
from turnfold_stores import (
    Entry,
    MissingDependency,
    Record,
    SchemaMismatch,
    Store,
    StoreCorrupt,
    StoreError,
    open_store,
)
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger


def third_party(url):
    store = Store(InMemoryLedger(), InMemoryIndex())
    store.url = url
    return store


def test_memory_says_once_how_to_persist(caplog):
    with caplog.at_level(logging.INFO, "turnfold.stores"):
        open_store("memory:").close()
    (logged,) = caplog.records
    assert logged.name == "turnfold.stores"
    assert logged.levelno == logging.INFO
    assert "./chat-memory" in logged.getMessage()


def test_a_store_is_passed_through(store):
    assert open_store(store) is store


@pytest.mark.parametrize("name", ["store", "with space", "a:b", "deep/er/still"])
def test_a_path_is_a_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for path in (f"./{name}", tmp_path / name, str(tmp_path / name)):
        with open_store(path) as store:
            store.ledger.put("u", [Record("a", "k", "c")])
    assert (tmp_path / name / "ledger.sqlite3").is_file()


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store("~/memory").close()
    open_store("sqlite:~/file.db").close()
    assert {path.name for path in tmp_path.iterdir()} == {"memory", "file.db"}


@pytest.mark.parametrize("prefix", ["sqlite:", "sqlite://", "SQLite:"])
def test_sqlite_is_one_file(tmp_path, prefix):
    open_store(f"{prefix}{tmp_path / 'x.db'}").close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


@pytest.mark.parametrize("url", ["redis://somewhere", "mem:"])
def test_an_unknown_scheme_names_the_known(url):
    with pytest.raises(StoreError, match=r"known are .*'memory:'.*'sqlite:'"):
        open_store(url)


@pytest.mark.parametrize("url", ["", "memory:x", "sqlite:", "sqlite::memory:", None, 3])
def test_what_is_no_store_is_refused(url):
    with pytest.raises((StoreError, TypeError)):
        open_store(url)


def test_another_package_brings_a_scheme(monkeypatch):
    point = EntryPoint("mine", f"{__name__}:third_party", "turnfold.stores")
    monkeypatch.setattr(EntryPoint, "load", lambda self: third_party)
    monkeypatch.setattr("turnfold_stores.open.entry_points", lambda *, group: [point])
    with open_store("mine://host/x?y=1") as store:
        assert store.url == "mine://host/x?y=1"
    with pytest.raises(StoreError, match="'mine:'"):
        open_store("yours:")


def test_a_missing_chroma_names_the_extra_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"turnfold\[chroma\]"):
        open_store(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_file_where_a_folder_should_be(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    for wrong in (path, path / "below"):
        with pytest.raises(StoreError, match="notes"):
            open_store(wrong)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_where_a_file_should_be(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        open_store(f"sqlite:{tmp_path}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite:{}", "{}", "sqlite:{}/s.db", "{}/folder"])
@pytest.mark.parametrize(
    ("target", "why"),
    [("gone", "is not there"), ("folder/gone", "is not there"), ("link", "leads back to it")],
)
def test_a_link_that_leads_to_nothing_is_told(tmp_path, url, target, why):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    with pytest.raises(StoreError, match=rf"link' is a symbolic link to '.*', which {why}"):
        open_store(url.format(link))
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("url", ["sqlite:{}/s.db", "{}"])
def test_a_link_to_a_folder_is_that_folder(tmp_path, url):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    open_store(url.format(tmp_path / "link")).close()
    assert list((tmp_path / "real").iterdir())


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        open_store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that not even root may write")
@pytest.mark.parametrize("url", ["/proc/store", "sqlite:/proc/store.db"])
def test_where_nothing_can_be_written(url):
    with pytest.raises(StoreError, match="/proc/store"):
        open_store(url)


def test_a_ledger_that_is_no_sqlite_file(tmp_path, embedded_url):
    open_store(embedded_url).close()
    file = _ledger_file(embedded_url)
    file.write_bytes(b"not a database, " * 1000)
    with pytest.raises(StoreCorrupt, match="backup"):
        open_store(embedded_url)
    assert file.read_bytes() == b"not a database, " * 1000


def test_a_ledger_of_a_newer_version(embedded_url):
    import sqlite3

    open_store(embedded_url).close()
    connection = sqlite3.connect(_ledger_file(embedded_url))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SchemaMismatch, match="layout 99"):
        open_store(embedded_url)


def test_a_sqlite_file_of_another_program(tmp_path):
    import sqlite3

    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(SchemaMismatch, match="another program"):
        open_store(f"sqlite:{tmp_path / 'x.db'}")
    assert (tmp_path / "x.db").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("kind", [k for k, one in STORES.items() if one.embedded and one.durable])
def test_nobody_else_may_read(kind, url_of, tmp_path):
    old = os.umask(0o022)
    try:
        with open_store(url_of(kind)) as store:
            store.ledger.put("u", [Record("a", "k", "c")])
            store.put_vectors("u", [Entry("a", "c", [1.0, 0.0])], model="m")
            # Whatever an engine makes below them.
            assert {mode(path) for path in tmp_path.iterdir()} <= {0o600, 0o700}
    finally:
        os.umask(old)
    below = list(tmp_path.rglob("*"))
    assert {mode(path) for path in below if path.is_file()} == {0o600}
    assert {mode(path) for path in below if path.is_dir()} <= {0o700}


def mode(path):
    return path.stat().st_mode & 0o777


def test_importing_loads_no_chroma():
    code = (
        "import sys, turnfold_stores; turnfold_stores.open_store('memory:');"
        "sys.exit(any(name in sys.modules for name in ('chromadb', 'psycopg', 'pytest')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _ledger_file(url):
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:"))
    return Path(url) / "ledger.sqlite3"
