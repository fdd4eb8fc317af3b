"""A store goes out as lines and comes into another, the same to the last record."""

import base64
import itertools
import json

import numpy as np
import pytest
from support.stores import OVER_POSTGRES, STORES
from turnfold_stores import STORE_USER, Entry, Record, SchemaMismatch, StoreError, open_store
from turnfold_stores.records.model_binding import Binding, begin_switch
from turnfold_stores.upkeep.transfer import export_lines, import_lines

EMBEDDED = ["memory", "folder", "sqlite"]
OTHERS = [name for name in {**STORES, **OVER_POSTGRES} if name not in EMBEDDED]
# Among the embedded all ways; each other to and from a file, and on to the next of them.
WAYS = [
    *itertools.product(EMBEDDED, EMBEDDED),
    *((name, "sqlite") for name in OTHERS),
    *(("sqlite", name) for name in OTHERS),
    *zip(OTHERS, [*OTHERS[1:], OTHERS[0]], strict=True),
]


def filled(store, users=("bob", "ada")):
    """A bit of everything: scripts, NUL, nested bodies, vectors, what a store says of itself."""
    rng = np.random.default_rng(7)
    for user_id in users:
        store.ledger.put(
            user_id,
            [
                Record(
                    "a", "passage", "c", {"n": [1, 2.5, None, True], "ä": "\0"}, "grüße 你好", 1.5
                ),
                Record("b", "node", "", ["x", {"deep": [{"er": 1e-300}]}], at=1e9 + 1 / 3),
                Record("c", "said", "d\x1f1", None, "line\nbreak\u2028 and \r more"),
            ],
        )
        entries = [Entry(f"e{n}", "c", rng.normal(size=8).astype(np.float32)) for n in range(40)]
        store.put_vectors(user_id, entries, model="m")
    return store


def contents(store):
    found = {user: list(store.ledger.scan(user)) for user in [*store.users(), STORE_USER]}
    # Who a store is stays its own: a copy that bore it would share the index on the server.
    found[STORE_USER] = [one for one in found[STORE_USER] if one.id != "identity"]
    return found


@pytest.mark.parametrize(("here", "there"), WAYS)
def test_the_round_trip_is_identical(here, there, tmp_path, servers):
    def url(kind, folder):
        (tmp_path / folder).mkdir()
        return {**STORES, **OVER_POSTGRES}[kind].url(tmp_path / folder, servers)

    with open_store(url(here, "here")) as source:
        lines = list(export_lines(filled(source)))
        with open_store(url(there, "there")) as target:
            done = import_lines(target, lines)
            assert (done.users, done.records, done.new) == (("ada", "bob"), 87, 87)
            assert list(export_lines(target)) == lines
            assert contents(target) == contents(source)
            for user_id in ("ada", "bob"):
                assert target.index.ids(user_id) == source.index.ids(user_id)
                query = np.ones(8, dtype=np.float32)
                ours, theirs = (
                    [hit.id for hit in store.index.nearest(user_id, query)]
                    for store in (source, target)
                )
                assert ours == theirs


def test_every_line_is_json_and_the_first_tells_what_follows(tmp_path):
    with open_store("memory:") as store:
        lines = list(export_lines(filled(store)))
    bodies = [json.loads(line) for line in lines]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert bodies[0] == {
        "format": "turnfold-export",
        "version": 1,
        "embedding": {"model": "m", "dimension": 8},
    }
    assert bodies[1]["user"] == STORE_USER
    assert bodies[-1] == {"end": len(lines) - 2}


def test_an_empty_store():
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(store))
        assert len(lines) == 2
        assert import_lines(other, lines).records == 0


@pytest.mark.parametrize("cut", [5, 30, 60])
def test_an_import_that_broke_off_is_run_again(cut, monkeypatch):
    monkeypatch.setattr("turnfold_stores.upkeep.transfer._BATCH", 10)
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))

        def broken():
            yield from lines[:cut]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_lines(other, broken())
        partly = sum(len(records) for records in contents(other).values())
        assert partly <= cut
        done = import_lines(other, lines)
        assert done.records == len(lines) - 2
        assert done.new == done.records - partly
        assert contents(other) == contents(store)
        assert import_lines(other, lines).new == 0


def test_what_is_there_stays():
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        mine = Record("a", "passage", "c", "mine")
        own = Entry("e0", "c", np.eye(8, dtype=np.float32)[0])
        other.ledger.put("ada", [mine])
        other.put_vectors("ada", [own], model="m")
        import_lines(other, lines)
        assert other.ledger.get("ada", ["a"])["a"] == mine
        assert next(other.index.nearest("ada", own.vector)).score > 0.9999


def changed(lines, number, **fields):
    """The lines with one record changed; numbers as in an editor."""
    body = json.loads(lines[number - 1])
    return [*lines[: number - 1], json.dumps({**body, **fields}), *lines[number:]]


@pytest.mark.parametrize(
    ("spoil", "error", "tells"),
    [
        (lambda x: [], StoreError, "line 1: this is not an export"),
        (lambda x: ["{}"], StoreError, "line 1: this is not an export"),
        (lambda x: ["turns\n", *x], StoreError, "line 1: this is not an export"),
        (lambda x: changed(x, 1, version=2), SchemaMismatch, "line 1: .* version 2"),
        (lambda x: [*x[:40], "{half a line\n"], StoreError, "line 41: this is not JSON"),
        (lambda x: [*x[:40], "[]\n", *x[40:]], StoreError, "line 41: an object was expected"),
        (lambda x: changed(x, 40, colour="red"), StoreError, "line 40: .*colour"),
        (lambda x: changed(x, 40, user=""), StoreError, "line 40: user_id must not be empty"),
        (lambda x: changed(x, 40, id=""), StoreError, "line 40: a record needs an id"),
        (lambda x: changed(x, 40, at="noon"), StoreError, "line 40: at of record"),
        (lambda x: changed(x, 40, kind="vector", body={}), StoreError, "line 40: .* no vector"),
        (lambda x: x[:-1], StoreError, "ends after 87 records"),
        (lambda x: x[:50], StoreError, "ends after 49 records"),
        (lambda x: [*x[:50], *x[51:]], StoreError, "line 88: 87 records were exported, 86 are"),
    ],
)
def test_a_bad_line_is_told_by_its_number(spoil, error, tells, monkeypatch):
    monkeypatch.setattr("turnfold_stores.upkeep.transfer._BATCH", 10)
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        with pytest.raises(error, match=tells):
            import_lines(other, spoil(lines))
        whole = contents(store)
        for user_id, records in contents(other).items():
            assert all(record in whole[user_id] for record in records), "only whole batches"
        for user_id in other.users():
            vectors = {r.id.partition(":")[2] for r in other.ledger.scan(user_id, kind="vector")}
            assert other.index.ids(user_id) == vectors


def vector(record_id="vector:z", kind="vector", *, values=(1.0,) * 8, model="m", **body):
    """A line with a vector, and what is wrong with it."""
    packed = base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()
    told = {"model": model, "dimension": len(values), "float32": packed} | body
    fields = {"user": "ada", "id": record_id, "kind": kind, "conversation": "c", "text": ""}
    return json.dumps({**fields, "body": told, "at": 0.0}) + "\n"


NAN = float("nan")
UNFIT = {
    "NaN": (vector(values=[NAN] * 8), "not finite"),
    "one NaN": (vector(values=[1.0] * 7 + [NAN]), "not finite"),
    "infinite": (vector(values=[float("inf")] * 8), "not finite"),
    "all zeros": (vector(values=[0.0] * 8), "all zeros"),
    "too short": (vector(values=[1.0] * 5), "5 numbers"),
    "of another length than it says": (vector(dimension=9), "8 numbers"),
    "of another model": (vector(model="other"), "'other'"),
    "of a model that is no text": (vector(model=7), "model"),
    "no base64": (vector(float32="*"), "no vector"),
    "base64 of half a number": (vector(float32="AAAAAAA="), "no vector"),
    "a number for base64": (vector(float32=3), "no vector"),
    "without a name": (vector("vector:"), "says of nothing"),
    "by another name": (vector("z"), "says of nothing"),
    "under the name of a vector": (vector(kind="passage"), "the id of a vector"),
    "staged, and none": (vector("staged:z", "staged vector", values=[NAN] * 8), "not finite"),
    "a time beyond all times": (vector().replace('"at": 0.0', '"at": 1' + "0" * 400), "seconds"),
    "a user that is no text": (vector().replace('"user": "ada"', '"user": ["ada"]'), "user_id"),
    "an id without end": (vector("vector:" + "x" * 70_000), "65,535"),
    "no UTF-8": (b'{"user": "\xff"}\n', "UTF-8"),
    "digits without end": ('{"user": ' + "1" * 5000 + "}\n", "JSON"),
    "too deep": ("[" * 100_000 + "\n", "JSON"),
}


@pytest.mark.parametrize(
    ("kind", "what"),
    [*itertools.product(["memory"], UNFIT), *itertools.product(EMBEDDED[1:], ["NaN", "too short"])],
)
def test_nothing_of_a_batch_is_written_where_one_record_is_unfit(kind, what, tmp_path, servers):
    """Neither is what stands beside it, nor does the store fail to open after that."""
    line, tells = UNFIT[what]
    with open_store("memory:") as store:
        lines = list(export_lines(filled(store, ["ada"])))
    url = STORES[kind].url(tmp_path, servers)
    with open_store(url) as other:
        with pytest.raises(StoreError, match=rf"line {len(lines)}: .*{tells}"):
            import_lines(other, [*lines[:-1], line, lines[-1]])
        assert [record.id for record in other.ledger.scan("ada")] == []
        assert other.index.ids("ada") == set()
        # What the store knows of itself was a batch of its own.
        assert import_lines(other, lines).new == len(lines) - 3


def test_the_models_name_is_that_of_the_first_line():
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        place = next(n for n, line in enumerate(lines, 1) if '"id":"embedding"' in line)
        with pytest.raises(StoreError, match=f"line {place}: .* another embedding model"):
            import_lines(other, changed(lines, place, body={"model": "other", "dimension": 8}))
        with pytest.raises(StoreError, match=r"line 1: .*embedding"):
            import_lines(other, changed(lines, 1, embedding={"model": "m", "dimension": "8"}))
        assert contents(other) == {STORE_USER: []}


@pytest.mark.parametrize("told", [True, False])
def test_a_store_knows_its_model_where_only_the_vectors_tell_it(told):
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        place = next(n for n, line in enumerate(lines) if '"id":"embedding"' in line)
        header = {**json.loads(lines[0]), **({} if told else {"embedding": None})}
        end = json.dumps({"end": len(lines) - 3})
        rest = [*lines[1:place], *lines[place + 1 : -1]]
        import_lines(other, [json.dumps(header), *rest, end])
        assert other.binding == store.binding


def test_what_follows_the_end_is_not_left_out_in_silence():
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        import_lines(other, [*lines, "\n"])
        with pytest.raises(StoreError, match=f"line {len(lines) + 2}: something follows"):
            import_lines(other, [*lines, "\n", *lines])


@pytest.mark.parametrize("kind", EMBEDDED)
def test_a_stores_own_export_changes_nothing(kind, tmp_path, servers):
    with open_store(STORES[kind].url(tmp_path, servers)) as store:
        lines = list(export_lines(filled(store)))
        for _ in range(2):
            assert import_lines(store, [line.encode() for line in lines]).new == 0
        assert list(export_lines(store)) == lines


def test_vectors_of_another_model_are_refused_before_anything_is_written():
    with open_store("memory:") as store, open_store("memory:") as other:
        lines = list(export_lines(filled(store)))
        other.bind("another", 8)
        before = contents(other)
        with pytest.raises(SchemaMismatch, match="another"):
            import_lines(other, lines)
        assert contents(other) == before


def test_lines_are_read_one_by_one():
    """Neither side holds the store in memory: both go line by line."""
    with open_store("memory:") as store, open_store("memory:") as other:
        filled(store)
        ahead = iter(export_lines(store))
        read = []

        def watched():
            for line in ahead:
                read.append(line)
                yield line

        written = []
        import_lines(other, watched(), on_batch=lambda count: written.append((len(read), count)))
        assert sum(count for _, count in written) == len(read) - 2
        assert written[0][0] < len(read)


def test_an_export_says_nothing_of_a_switch_that_was_cut_short():
    """Neither is it believed of a file that says so: the target has begun none."""
    with open_store("memory:") as store, open_store("memory:") as other:
        filled(store)
        begin_switch(store.ledger, Binding("new", 8))
        store.ledger.put(STORE_USER, [Record("identity", "store", "", "f" * 32)])
        mark = {"id": "embedding.switch", "kind": "store", "conversation": "", "text": "", "at": 0}
        mark |= {"user": STORE_USER, "body": {"model": "new", "dimension": 8}}
        lines = list(export_lines(store))
        assert "embedding.switch" not in "".join(lines)
        assert "f" * 32 not in "".join(lines)
        end = json.dumps({"end": len(lines) - 1})
        import_lines(other, [lines[0], json.dumps(mark) + "\n", *lines[1:-1], end])
        assert other.model == "m"
        more = [Entry("more", "c", np.ones(8, dtype=np.float32))]
        assert other.put_vectors("ada", more, model="m") == {"more"}
