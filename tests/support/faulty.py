"""Parts of a memory that fail or hang when told to."""

import threading

from turnfold_stores import Store, open_store

from support.embedders import HashedWords


class Trouble:
    """Counts the calls of the parts it is given to, and does something at some of them.

    `hits` is asked at each call, with its number from 1 and its name; where it says so, `act` is
    called: to raise, to hang, to cancel. Nothing is counted or struck until it is `armed`: what
    goes wrong while a memory is opened is for the caller to know.
    """

    def __init__(self, hits=lambda _number, _name: False, act=None, *, late=False):
        self.hits = hits
        self.act = act or fail
        self.late = late  # the call does its work, and what goes wrong comes after it
        self.armed = False
        self.calls = []
        self.struck = 0
        self._lock = threading.Lock()

    def passes(self, name, call, *args, **options):
        if not self.armed:
            return call(*args, **options)
        with self._lock:
            self.calls.append(name)
            struck = self.hits(len(self.calls), name)
            self.struck += struck
        if struck and not self.late:
            self.act()
        done = call(*args, **options)
        if struck and self.late:
            self.act()
        return done


class Part:
    """A ledger or index whose calls pass through trouble."""

    def __init__(self, inner, trouble, name):
        self._inner = inner
        self._trouble = trouble
        self._name = name

    def close(self):
        self._inner.close()

    def put(self, user_id, records):
        records = list(records)
        kind = getattr(records[0], "kind", "vector") if records else "nothing"
        return self._trouble.passes(f"{self._name}.put {kind}", self._inner.put, user_id, records)

    def __getattr__(self, method):
        call = getattr(self._inner, method)
        name = f"{self._name}.{method}"
        if method in {"scan", "nearest", "users"}:
            return lambda *args, **options: self._trouble.passes(
                name, lambda: iter(list(call(*args, **options)))
            )
        return lambda *args, **options: self._trouble.passes(name, call, *args, **options)


def troubled_store(trouble, url="memory:"):
    """A store whose every call passes through trouble."""
    inner = open_store(url)
    store = Store(Part(inner.ledger, trouble, "ledger"), Part(inner.index, trouble, "index"))
    store.inner = inner  # closes with it
    return store


class TroubledEmbedder(HashedWords):
    def __init__(self, trouble):
        super().__init__()
        self.trouble = trouble

    def embed(self, texts):
        return self.trouble.passes("embed", super().embed, texts)


def fail():
    raise RuntimeError("the disk is on fire")
