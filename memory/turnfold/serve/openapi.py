"""What the proxy answers, as an OpenAPI description, and the same as a page to read."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import Any

_Parameter = dict[str, Any]


def _query(name: str, what: str, *, required: bool = False, kind: str = "string") -> _Parameter:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": what,
        "schema": {"type": kind},
    }


def _header(name: str, what: str) -> _Parameter:
    return {"name": name, "in": "header", "description": what, "schema": {"type": "string"}}


_USER = _query("user", "Whose memory.", required=True)
_CONVERSATION = _query("conversation", "Only in this one of their conversations.")
_MESSAGES_HEADERS = [
    _header("x-turnfold-user", "Whose memory; else metadata.user_id, else the API key tells."),
    _header("x-turnfold-conversation", "Which of their conversations this is."),
    _header("x-turnfold-memory", "off: this request goes without memory."),
    _header("x-turnfold-token", "The proxy's token, where it was started with one."),
]
_TOLD = {
    "x-turnfold-saved-tokens": "Estimated tokens that the full history would have had on top.",
    "x-turnfold-recalled": "Passages of folded turns that were recalled.",
    "x-turnfold-folded": "Exchanges that this turn moved into memory.",
    "x-turnfold-degraded": "Parts of memory that did not work; absent where all did.",
}


def _answer(what: str, holds: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {holds: {}}, "required": [holds]}
    return {
        "200": {"description": what, "content": {"application/json": {"schema": schema}}},
        "400": {"description": "The query does not fit; the error says why."},
        "401": {"description": "No valid token."},
    }


def description() -> dict[str, Any]:
    """The description, as OpenAPI 3.1 has it."""
    told = {
        name: {"description": what, "schema": {"type": "string"}} for name, what in _TOLD.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "turnfold serve",
            "version": version("turnfold"),
            "description": "The Messages API of the upstream, with memory. Every path that is not "
            "described here passes to the upstream untouched.",
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-turnfold-token"},
            }
        },
        "paths": {
            "/v1/messages": {
                "post": {
                    "summary": "A message, with memory; streamed as the upstream streams it.",
                    "description": "Takes and gives what the Messages API does.",
                    "parameters": _MESSAGES_HEADERS,
                    "responses": {
                        "200": {"description": "The upstream's answer.", "headers": told},
                        "502": {"description": "The upstream cannot be reached."},
                        "529": {"description": "Too many requests at once; come again."},
                    },
                }
            },
            "/turnfold/receipts": _own(
                "get",
                "The newest receipts of this process, the newest first.",
                [
                    _query("user", "Only of this one."),
                    _CONVERSATION,
                    _query("limit", "1 to 1,000; 100 by default.", kind="integer"),
                ],
                _answer("What each request sent, saved, recalled, cost and took.", "receipts"),
            ),
            "/turnfold/search": _own(
                "get",
                "What is in memory about something, the best first.",
                [
                    _query("q", "What to look for.", required=True),
                    _USER,
                    _CONVERSATION,
                    _query("limit", "1 to 100; 8 by default.", kind="integer"),
                ],
                _answer("Passages, with who said them, when, and what stood around.", "hits"),
            ),
            "/turnfold/notes": _own(
                "get",
                "What the summary of a conversation says, item by item.",
                [_USER, _CONVERSATION],
                _answer("Notes, with the turns they come from.", "notes"),
            ),
            "/turnfold/memory": _own(
                "delete",
                "Forget, for good.",
                [
                    _USER,
                    _CONVERSATION,
                    _query("before", "Only what is older than this date, time, or second."),
                ],
                _answer("What was forgotten, in numbers.", "forgotten"),
            ),
            "/healthz": {
                "get": {
                    "summary": "Whether the proxy takes requests.",
                    "responses": {"200": {"description": "It does."}},
                }
            },
        },
    }


def _own(
    method: str, summary: str, parameters: list[_Parameter], responses: dict[str, Any]
) -> dict[str, Any]:
    return {
        method: {
            "summary": summary,
            "parameters": parameters,
            "responses": responses,
            "security": [{"token": []}, {"header": []}],
        }
    }


def page() -> str:
    """The description as a page that loads nothing from elsewhere."""
    told = description()
    parts = [f"<h1>{escape(told['info']['title'])}</h1><p>{escape(told['info']['description'])}"]
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            rows = [
                f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}"
                f"<td>{escape(each['description'])}"
                for each in one.get("parameters", ())
            ]
            answered = [
                f"<tr><td><code>{escape(status)}</code><td>answer<td>{escape(each['description'])}"
                for status, each in one["responses"].items()
            ]
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(one['summary'])}"
                f"<table>{''.join([*rows, *answered])}</table>"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>turnfold serve</title>"
        "<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}"
        "td{padding:.2rem 1rem .2rem 0;vertical-align:top}h2{margin-top:2rem}</style>"
        + "".join(parts)
        + "<p>The same for machines: <a href=openapi.json>openapi.json</a></html>"
    )
