"""Files as other programs write them, and what was read of one."""

from turnfold_cli.imports.reading import read_any
from turnfold_cli.replay import replay
from turnfold_cli.strategies import FULL

CALL = {"type": "tool_use", "id": "a", "name": "look", "input": {"at": "barrel"}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "The key lies under the barrel."}


def claude_ai(*messages, **more):
    return {"uuid": "talk", "name": "Boats", "chat_messages": list(messages), **more}


def human(text, **more):
    return {"sender": "human", "text": text, "created_at": "2026-01-01T10:00:00Z", **more}


def claude(text, **more):
    return {"sender": "assistant", "text": text, "created_at": "2026-01-03T10:00:00Z", **more}


def node(role, *parts, parent=None, kind="text", time=None, **more):
    content = {"content_type": kind, "parts": list(parts)}
    said = {"author": {"role": role}, "content": content, "create_time": time, **more}
    return {"message": said, "parent": parent, "children": []}


def chatgpt(mapping, at):
    return {"title": "Boats", "conversation_id": "tree", "mapping": mapping, "current_node": at}


def line(kind, content, uuid, parent=None, **more):
    message = {"role": kind, "content": content, **more.pop("message", {})}
    said = {"type": kind, "message": message, "uuid": uuid, "parentUuid": parent}
    return {**said, "sessionId": "s", "isSidechain": False, **more}


def words(conversation):
    """Who said what, a word for a call or a result."""
    return [
        (one["role"][0], [block.get("text") or block["type"] for block in one["content"]])
        for one in conversation.messages
    ]


def accepted(conversations):
    """The conversations, each request of which the API takes."""
    for result in replay(conversations, [FULL], questions=False):
        assert not result.refused, result.refusals
    return conversations


def read(path):
    imported = read_any(path)
    return accepted(imported.conversations), imported.left
