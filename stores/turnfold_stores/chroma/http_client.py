"""Chroma's HTTP client: opened only where it will work, with time limits, and closed whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from turnfold_stores.addresses import Address
from turnfold_stores.errors import StoreError, StoreUnavailable

TOKEN = "TURNFOLD_CHROMA_TOKEN"  # noqa: S105 - the name of a variable
CLOUD_TOKEN = "CHROMA_API_KEY"  # noqa: S105 - the name of a variable
# Seconds for one request; a turn has a deadline of its own.
_TIMEOUT = 30.0
# Seconds within which a server that is there has said so.
_PATIENCE = 5.0


def open_http_client(address: Address, secret: str) -> Any:
    """A client of the server, tenant and database.

    Raises:
        StoreUnavailable: nobody answers, or not as Chroma does, or the token is not accepted.
        StoreError: tenant or database do not exist.
    """
    import chromadb
    import httpx
    from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings

    given = (*address.path, "", "")
    tenant, database = given[0] or DEFAULT_TENANT, given[1] or DEFAULT_DATABASE
    # Chroma Cloud reads the one header, what stands before a server of one's own the other.
    headers = {"Authorization": f"Bearer {secret}", "X-Chroma-Token": secret} if secret else {}
    _check(address, headers, tenant, database)
    client = chromadb.HttpClient(
        address.host,
        address.port,
        ssl=address.encrypted,
        headers=dict(headers),
        settings=Settings(anonymized_telemetry=False),
        tenant=tenant,
        database=database,
    )
    for session in _sessions(client):
        # Chroma waits for ever, and has no setting for it.
        session.timeout = httpx.Timeout(_TIMEOUT)
    return client


def close_http_client(client: Any) -> None:
    """Close it, and what Chroma 1.5 forgets: its connections, and a reference to itself."""
    from chromadb.api.shared_system_client import SharedSystemClient

    sessions = _sessions(client)
    systems = SharedSystemClient._identifier_to_system  # noqa: SLF001
    own = client._system  # noqa: SLF001
    client.close()
    for name in [name for name, system in list(systems.items()) if system is own]:
        systems.pop(name, None)
    for session in sessions:
        session.close()


def _sessions(client: Any) -> list[Any]:
    return [one._server._session for one in (client, client._admin_client)]  # noqa: SLF001


def _check(address: Address, headers: dict[str, str], tenant: str, database: str) -> None:
    """Ask for the database, as the client would, but in few seconds and with plain answers."""
    import httpx

    path = f"/api/v2/tenants/{quote(tenant, safe='')}/databases/{quote(database, safe='')}"
    answer = httpx.get(address.url + path, headers=headers, timeout=_PATIENCE)
    if answer.status_code in (401, 403):
        raise StoreUnavailable(
            f"the Chroma server at {address} does not accept the token "
            f"({answer.status_code}): set {TOKEN}, or write it before the host. {CLOUD_TOKEN} is "
            "sent to Chroma Cloud only"
        )
    if answer.status_code == 404 and "application/json" in answer.headers.get("content-type", ""):
        raise StoreError(
            f"the Chroma server at {address} has no database {database!r} of tenant {tenant!r}: "
            "make it first, or name another, as in 'chroma+http://host:port/tenant/database'"
        )
    try:
        known = answer.is_success and answer.json()["name"] == database
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise StoreUnavailable(
            f"what answers at {address} ({answer.status_code}) is no Chroma server of version 1"
        )
