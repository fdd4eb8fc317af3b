"""Whose memory is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnfold_stores import STORE_USER

from turnfold.errors import TurnfoldError, shown

# Whose memory it is where no one says.
LOCAL_USER = "local"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory, and of which conversation."""

    user_id: str
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose memory the requests of a client get.

    Attributes:
        user_id: None reads each request's `metadata.user_id`.
        conversation: which conversation of theirs; "" for all there is.
    """

    user_id: str | None = None
    conversation: str = ""

    def scope_of(self, body: Mapping[str, Any]) -> Scope:
        """The scope of a request.

        Raises:
            TurnfoldError: it names a user whom the store keeps for itself.
        """
        return scope_of(body, self.user_id, self.conversation)


def check_name(what: str, value: str | None) -> None:
    """Refuse what is no name of a user or a conversation; None is one."""
    if value is not None and (not isinstance(value, str) or not value):
        raise TurnfoldError(f"{what}={shown(value)} must be a non-empty string, or None")
    if value == STORE_USER:
        raise TurnfoldError(f"{what}={value!r} is what the store keeps for itself; take another")


def check_said(what: str, value: str | None) -> None:
    """Refuse what is no name, where there has to be one."""
    if value is None:
        whose = "whose memory is meant" if what == "user_id" else "which one is meant"
        raise TurnfoldError(f"{what}=None does not say {whose}: give a name")
    check_name(what, value)


def scope_of(body: Mapping[str, Any], user_id: str | None, conversation: str) -> Scope:
    """The scope of a request: the user given, else the one its `metadata` names."""
    if user_id is None:
        metadata = body.get("metadata")
        named = metadata.get("user_id") if isinstance(metadata, Mapping) else None
        user_id = named if isinstance(named, str) and named else LOCAL_USER
    if user_id == STORE_USER:
        raise TurnfoldError(f"user_id={user_id!r} is what the store keeps for itself")
    return Scope(user_id, conversation)
