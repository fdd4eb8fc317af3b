"""One record that is no JSON any more stops nothing: turns, mending, forgetting, export go on."""

import shutil
import sqlite3

import pytest
from support.drawing import sampled, some
from support.long_runs import Long, keep_a_file
from support.oblivion import DAY, tells, words_of
from turnfold import Conversation
from turnfold.archive.kinds import KINDS, kinds_with
from turnfold.upkeep.checkup import check
from turnfold_stores import Record, Unreadable, open_store
from turnfold_stores.upkeep.transfer import export_lines, import_lines

PLACES = {
    "sqlite": ("sqlite:{}/store.db", "store.db"),
    "folder": ("{}/store", "store/ledger.sqlite3"),
}
# In a folder, whose ledger is the same, some of each sort: it opens more slowly.
IN_A_FOLDER = ["plan", "fold", "passage", "vector", "content", "exchange"]
OTHERS = sorted(KINDS.keys() - {"staged vector"} - set(IN_A_FOLDER))
ALL = [("folder", one) for one in IN_A_FOLDER] + [("sqlite", one) for one in IN_A_FOLDER + OTHERS]
NO_UTF_8 = "CAST(x'7bff7d' AS TEXT)"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Of each place a store with records of all kinds that was closed, and who filled it."""
    made = {}
    for place, (url, _) in PLACES.items():
        folder = tmp_path_factory.mktemp(place)
        with open_store(url.format(folder)) as store:
            long = Long(store).days(14).work(12)
            note = long.memory.notes(user_id="ada", conversation="c")[0]
            long.memory.retract(note.id, user_id="ada", conversation="c")
            talk = Conversation(
                client=long.fake.client(), memory=long.memory, user_id="ada", id="d"
            )
            talk.say("Hello.")
            talk.reset()
            talk.say("Hello again.")
            keep_a_file(long.memory)
            long.memory.forget(user_id="ada", conversation="c", turn=1)
            long.left = long.records()
        made[place] = folder, long
    return made


def damaged(sources, tmp_path, place, kind, change):
    """A copy in which the newest record of a kind is damaged; its URL, and that record's id."""
    folder, long = sources[place]
    url, ledger = PLACES[place]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if kind not in {one.kind for one in long.left}:
        with open_store(url.format(tmp_path)) as store:
            store.ledger.put("ada", [Record(f"{kind}:1:0", kind, "c", {})])
    other = sqlite3.connect(tmp_path / ledger)
    last = "(SELECT max(seq) FROM records WHERE kind = ?)"
    with other:
        found = other.execute(f"SELECT id FROM records WHERE seq = {last}", (kind,)).fetchone()
        other.execute(f"UPDATE records SET {change} WHERE seq = {last}", (kind,))
    other.close()
    return url.format(tmp_path), found[0], long


def unreadable(store):
    return {one.id for one in store.ledger.scan("ada") if isinstance(one.body, Unreadable)}


@sampled
@pytest.mark.parametrize(("place", "kind"), some(ALL, step=2))
def test_all_goes_on(sources, tmp_path, place, kind):
    url, name, long = damaged(sources, tmp_path, place, kind, "body = '{\"a\": 1'")
    with open_store(url) as store:
        assert name in unreadable(store)
        again = Long(store, since=long).days(2, "y", first=20)
        turns = [one.turn for one in again.receipts]
        assert turns == list(range(turns[0], turns[0] + 2))
        assert all(one.in_memory or one.degraded for one in again.receipts), "or said so"
        again.memory.search("amber3x", user_id="ada")
        again.memory.notes(user_id="ada", conversation="c")

        # What is left of it is told wherever all of the store is read.
        left = [name] if name in unreadable(store) else []
        left_out = []
        with open_store("memory:") as other:
            import_lines(other, export_lines(store, on_damaged=left_out.append))
            assert [one.id for one in left_out] == left
            assert len(list(other.ledger.scan("ada"))) == len(again.records()) - len(left)
        again.memory.forget(user_id="ada", before=again.clock.now - 10 * DAY)
        again.memory.forget(user_id="ada")
        assert {one.kind for one in again.records()} <= kinds_with("for good")
        assert not tells(store, words_of(3, "x")) if kind not in kinds_with("for good") else True


@pytest.mark.parametrize(("place", "kind"), ALL)
def test_it_is_told_and_mended_where_it_can_be(sources, tmp_path, place, kind):
    url, name, _ = damaged(sources, tmp_path, place, kind, "body = '{\"a\": 1'")
    with open_store(url) as store:
        told = "unfit vectors" if kind == "vector" else "damaged"
        lost = not KINDS[kind].derived and not KINDS[kind].is_bare and kind != "vector"
        (found,) = [one for one in check(store, mend=True).findings if one.kind == told]
        assert found.detail in name
        assert (found.lost, found.mended) == (lost, not lost)
        assert unreadable(store) == ({name} if lost else set())
        assert all(one.kind == "dangling" or one.lost for one in check(store).findings)


@pytest.mark.parametrize(
    ("column", "value"),
    [(one, NO_UTF_8) for one in ("text", "id", "conversation", "body")]
    + [("at", "'noon'"), ("body", "x'00ff'")],
)
@pytest.mark.parametrize("kind", ["passage", "plan", "content"])
def test_whatever_of_it_is_damaged(sources, tmp_path, kind, column, value):
    url, _, long = damaged(sources, tmp_path, "sqlite", kind, f"{column} = {value}")
    with open_store(url) as store:
        (odd,) = unreadable(store)
        assert odd in {one.detail for one in check(store).findings if one.kind == "damaged"}
        again = Long(store, since=long).days(2, "y", first=20)
        assert all(one.in_memory for one in again.receipts)
        check(store, mend=True)
        assert unreadable(store) == ({odd} if kind == "content" else set())
        again.memory.forget(user_id="ada")
        assert {one.kind for one in again.records()} <= kinds_with("for good")


@pytest.mark.parametrize("kind", ["fold", "node", "plan", "correction", "passage", "exchange"])
def test_a_partial_forgetting_takes_what_may_hold_it(sources, tmp_path, kind):
    """The bytes of a record that cannot be read may tell what was said."""
    change = "body = '{' || body"
    url, name, long = damaged(sources, tmp_path, "sqlite", kind, change)
    with open_store(url) as store:
        again = Long(store, since=long)
        before = again.clock.now - 3 * DAY
        gone = [one for one in again.records("content") if one.at < before]
        assert gone
        again.memory.forget(user_id="ada", before=before)
        assert not tells_bytes(tmp_path / "store.db", "amber3x ")
        assert not {one.id for one in gone} & {one.id for one in again.records()}
        if not kinds_with("said", "piece") & {kind}:
            assert name not in unreadable(store)


def tells_bytes(path, words):
    """Whether a file holds some words, in whatever record."""
    return words.encode() in path.read_bytes()
