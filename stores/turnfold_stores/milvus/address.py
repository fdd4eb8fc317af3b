"""Where a Milvus index is, read from a URL."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from turnfold_stores.addresses import Address, one_of, read_address
from turnfold_stores.errors import StoreError
from turnfold_stores.local_paths import local_path

PORT = 19530
TOKEN = "TURNFOLD_MILVUS_TOKEN"  # noqa: S105 - the name of a variable

Search = Literal["flat", "hnsw"]
# Milvus's own default, and what it allows.
_PARTITIONS = 64
_MOST_PARTITIONS = 1024


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """A server, or a file of Milvus Lite.

    Attributes:
        server: None for a file.
        file: None for a server.
        database: "" for the server's default.
        search: how a collection made from now on is searched: "flat" is exact, "hnsw" is
            approximate and does not grow with the number of vectors.
        partitions: over how many partitions users are spread, in a collection made from now on.
        ledger: the URL of the ledger.
        token: "user:password", or the token; "" for none.
    """

    server: Address | None
    file: Path | None
    database: str = ""
    search: Search = "flat"
    partitions: int = _PARTITIONS
    ledger: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return str(self.server or self.file)


def milvus_address(url: str) -> MilvusAddress:
    """Read `milvus+http[s]://[user:password@]host[:port][/database]?ledger=URL`, or `milvus:`.

    `milvus:path.db?ledger=URL` names a file of Milvus Lite. Options before `ledger`: `index`
    ("flat" or "hnsw") and `partitions` (1 to 1024).

    Raises:
        StoreError: it cannot be read.
    """
    local = url[:7].lower() == "milvus:"
    # A file's path is no host; it is read from behind one.
    whole = "milvus+http://file?" + url.partition("?")[2] if local else url
    address = read_address(whole, port=PORT, options=("index", "partitions"))
    if len(address.path) > 1:
        raise StoreError(
            f"{address} has more behind the host than a database: "
            "'milvus+http://host:port/database?ledger=…'"
        )
    token = ":".join(filter(None, (address.user, address.secret))) or os.environ.get(TOKEN, "")
    return MilvusAddress(
        None if local else address,
        _file(url.partition("?")[0].partition(":")[2].removeprefix("//")) if local else None,
        "".join(address.path),
        one_of("index", address.options.get("index", "flat"), get_args(Search)),
        _partitions(address.options.get("partitions", str(_PARTITIONS))),
        address.ledger,
        "" if local else token,
    )


def _file(path: str) -> Path:
    if not path.endswith(".db"):
        raise StoreError(
            f"'milvus:' needs the path of a file that ends in .db, not {path!r}; a server is "
            "'milvus+http://host:port'"
        )
    return local_path(path).absolute()


def _partitions(number: str) -> int:
    fits = number.isascii() and number.isdigit() and 1 <= int(number) <= _MOST_PARTITIONS
    if not fits:
        raise StoreError(
            f"partitions must be a number from 1 to {_MOST_PARTITIONS}, not {number!r}"
        )
    return int(number)
