"""Which embedding model a store's vectors are of, as the store itself remembers it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.protocols import Ledger, Record

# What the store says about itself is kept under this user_id; it is nobody's.
STORE_USER = "turnfold:store"
BOUND = "embedding"
"""The record that says which model that is."""
SWITCH = "embedding.switch"
"""The record that says that a store is being switched to another model."""


@dataclass(frozen=True, slots=True)
class Binding:
    """An embedding model by name, and how many numbers its vectors have."""

    model: str
    dimension: int


def read_binding(ledger: Ledger) -> Binding | None:
    """The model of the vectors in a store; None before there are any.

    Raises:
        StoreCorrupt: the record that says so is damaged; `upkeep.checkup` mends it.
    """
    return _read(ledger, BOUND)


def first_binding(ledger: Ledger, wanted: Binding) -> Binding:
    """Bind a store, and read back what holds: first write wins, also against other processes."""
    ledger.put(STORE_USER, [Record(BOUND, "store", "", asdict(wanted))])
    return _read(ledger, BOUND) or wanted


def read_switch(ledger: Ledger) -> Binding | None:
    """The model that a store is just being switched to; None where no switch is under way.

    Raises:
        StoreCorrupt: as `read_binding`.
    """
    return _read(ledger, SWITCH)


def begin_switch(ledger: Ledger, target: Binding) -> None:
    """Mark that the vectors are being replaced: from now on they are of no one model."""
    ledger.put(STORE_USER, [Record(SWITCH, "store", "", asdict(target))])


def end_switch(ledger: Ledger, target: Binding) -> None:
    """Bind the store to another model. The mark goes last: a crash before leaves it."""
    ledger.delete(STORE_USER, [BOUND])
    ledger.put(STORE_USER, [Record(BOUND, "store", "", asdict(target))])
    ledger.delete(STORE_USER, [SWITCH])


def binding_of(body: object) -> Binding | None:
    """The binding that a record's body tells of; None where it tells of none."""
    if not isinstance(body, dict):
        return None
    model, dimension = body.get("model"), body.get("dimension")
    if isinstance(model, str) and type(dimension) is int and dimension >= 1:
        return Binding(model, dimension)
    return None


def _read(ledger: Ledger, name: str) -> Binding | None:
    found = ledger.get(STORE_USER, [name]).get(name)
    if found is None:
        return None
    binding = binding_of(found.body)
    if binding is None:
        raise StoreCorrupt(
            f"the store does not tell which embedding model its vectors are of: its record "
            f"{name!r} is damaged. Run `turnfold doctor URL --mend` with the store's URL: the "
            "vectors tell it"
        )
    return binding
