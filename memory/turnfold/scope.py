"""Whose memory is meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory, and of which conversation."""

    user_id: str
    conversation: str = ""
