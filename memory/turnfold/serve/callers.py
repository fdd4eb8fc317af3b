"""The headers and the body of a request go in; whose memory is meant comes out.

Clients differ in what they say. Ours say it in headers of ours. Others name their user in the
body's `metadata`, as the API has it. Coding agents put JSON there, in which the session stands
beside the account: taken whole, each session would be a new user. Who says nothing is told by
the API key, of which only a digest is ever kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnfold.errors import TurnfoldError
from turnfold.scope import LOCAL_USER
from turnfold.serve.headers import bearer_in
from turnfold.serve.settings import Wall

USER = "x-turnfold-user"
CONVERSATION = "x-turnfold-conversation"
MEMORY = "x-turnfold-memory"

_SESSION = "x-claude-code-session-id"
_AGENT = "x-claude-code-agent-id"
_OFF = frozenset({"off", "false", "no", "0"})
_LONGEST = 512
# What agents call the session, and the one who holds it, best first.
_SESSIONS = ("session_id", "sessionid", "session", "conversation_id", "conversationid", "thread_id")
_HOLDERS = (
    "user_id", "userid", "user", "account_uuid", "account_id", "accountid", "account",
    "organization_id", "device_id", "deviceid",
)  # fmt: skip
# The same in one word, as coding agents wrote it before: user_…_account_…_session_….
_IN_ONE = re.compile(r"user_[\w-]+")
_BY_KEY = re.compile(r"key-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        user_id: whose memory.
        conversation: which of theirs; "" where the history's own beginning tells it.
        is_agent: whether it is a coding agent, whose first message is to be kept.
    """

    user_id: str
    conversation: str = ""
    is_agent: bool = False


@dataclass(frozen=True, slots=True)
class _Named:
    user_id: str = ""
    session: str = ""
    is_agent: bool = False


def caller_of(headers: Mapping[str, str], body: Mapping[str, Any], wall: Wall = "name") -> Caller:
    """Who asks.

    Args:
        headers: of the request, names in lower case.
        body: of the request.
        wall: whether users are told apart by their names, or within each API key.

    Raises:
        TurnfoldError: a name does not fit.
    """
    metadata = body.get("metadata")
    told = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    named = _read(told) if isinstance(told, str) else _Named()
    session = headers.get(_SESSION, "") or named.session
    agent = headers.get(_AGENT, "")
    conversation = f"{session}/{agent}" if session and agent else session or agent
    by_key = key_name(headers)
    user_id = headers.get(USER, "") or named.user_id
    if _BY_KEY.fullmatch(user_id):
        raise TurnfoldError(f"user {user_id!r} is what this proxy calls the holder of an API key")
    if user_id and wall == "key":
        user_id = f"{user_id}@{by_key}"
    return Caller(
        _fitting(USER, user_id or by_key),
        _fitting(CONVERSATION, headers.get(CONVERSATION, "") or conversation),
        is_agent=named.is_agent or _SESSION in headers or _AGENT in headers,
    )


def wants_memory(headers: Mapping[str, str]) -> bool:
    """Whether a request is to have memory."""
    return headers.get(MEMORY, "").strip().lower() not in _OFF


def key_name(headers: Mapping[str, str]) -> str:
    """What the holder of a request's API key is called; nobody can tell the key from it."""
    token = bearer_in(headers)  # its scheme is written in many ways, and is one
    shown = f"Bearer {token}" if token else headers.get("authorization", "")
    key = headers.get("x-api-key", "") or shown
    if not key:
        return LOCAL_USER
    return f"key-{hashlib.sha256(b'turnfold serve' + key.encode()).hexdigest()[:32]}"


def _read(told: str) -> _Named:
    """A `metadata.user_id`: a name, or what coding agents put there."""
    if (old := _read_in_one(told)) is not None:
        return old
    if not told.lstrip().startswith("{"):
        return _Named(told)
    try:
        fields = json.loads(told)
    except (ValueError, RecursionError):
        return _Named(told)
    said = {str(name).lower(): value for name, value in fields.items()}
    session = next((name for name in _SESSIONS if _is_name(said.get(name))), "")
    if not session:
        return _Named(told)
    holder = next((name for name in _HOLDERS if _is_name(said.get(name))), "")
    rest = {name: value for name, value in said.items() if name not in _SESSIONS}
    whole = json.dumps(rest, sort_keys=True, ensure_ascii=False) if any(rest.values()) else ""
    return _Named(said[holder] if holder else whole, said[session], is_agent=True)


def _read_in_one(told: str) -> _Named | None:
    """The three parts of such a word, each up to the first mark of the next; None for another."""
    if _IN_ONE.fullmatch(told) is None:
        return None
    device, _, rest = told.removeprefix("user_").partition("_account_")
    account, _, session = rest.partition("_session_")
    if not session or "-" in device:
        return None
    return _Named(account or device, session, is_agent=True)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _fitting(what: str, name: str) -> str:
    if len(name) > _LONGEST:
        raise TurnfoldError(f"{what} of {len(name)} characters: at most {_LONGEST} are taken")
    return name
