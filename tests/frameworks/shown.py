"""What docs/frameworks.md shows, run as it stands there against the stand-in."""

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from support.chats import MODEL, chats, injected, memory, said, texts
from support.serving import serving
from turnfold_fake import FakeClaude, Reply

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"
TURNS = 20
CITY = "Porto"
# What a tool of a test is called, or one that brings structured output.
LOOK = "look"
PROXY = "http://127.0.0.1:8484"


def code_of(framework):
    """The Python that the page shows for a framework."""
    heading = rf"(?m)^### {re.escape(framework)}$"
    section = re.split(heading, PAGE.read_text("utf-8"), maxsplit=1)[1]
    return re.search(r"(?s)```python\n(.*?)```", section)[1]


def answer(body):
    """All right, a call of the tool that is offered, or what has the form that is asked for."""
    content = body["messages"][-1]["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    words = [block["text"] for block in blocks if block["type"] == "text"]
    asked = words[-1] if words else ""
    told = any(block["type"] == "tool_result" for block in blocks)
    if (body.get("output_config") or body).get("format") or body.get("output_format"):
        return Reply(json.dumps({"city": CITY}), thinking=False)
    tools = [one["name"] for one in body.get("tools") or ()]
    brings = [name for name in tools if name != LOOK]
    forced = (body.get("tool_choice") or {}).get("type") in {"tool", "any"}
    wanted = brings if brings and (forced or "city" in asked) else [LOOK] if "look" in asked else []
    if wanted and wanted[0] in tools and not told:
        call = {"type": "tool_use", "name": wanted[0], "input": {"city": CITY}}
        return Reply([call], thinking=False)
    return Reply("All right.", thinking=False)


def stand_in():
    """The stand-in; what a framework wants in a form is answered as above, a summary as ever."""
    return FakeClaude(answer, summary=lambda body: answer(body) if body["model"] == MODEL else None)


class Shown:
    """The names that the code of a page made, and what arrived of their requests."""

    def __init__(self, names, fake):
        self.names = names
        self.fake = fake

    def __getitem__(self, name):
        return self.names[name]

    def check(self):
        """What arrived last has a summary in the place of what was said first."""
        last = chats(self.fake)[-1]
        assert injected(last), "nothing was folded"
        assert said(1) not in texts(last)
        assert any("amber1" in text for _, _, text in injected(last))


@contextmanager
def shown(framework, **names):
    """The code of a framework's section, with a small memory and the stand-in behind its URL."""
    fake = stand_in()
    with fake.serve() as url, memory() as remembering:
        settings = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "fake"}
        with patch.dict(os.environ, settings):
            made = {"memory": remembering, **names}
            exec(compile(code_of(framework), f"{PAGE}: {framework}", "exec"), made)
            yield Shown(made, fake)


@contextmanager
def shown_behind_proxy(framework, **names):
    """The same for a section whose framework asks the proxy."""
    fake = stand_in()
    with serving(fake) as running, patch.dict(os.environ, {"ANTHROPIC_API_KEY": "fake"}):
        made = dict(names)
        code = code_of(framework)
        assert PROXY in code
        exec(compile(code.replace(PROXY, running.url), f"{PAGE}: {framework}", "exec"), made)
        yield Shown(made, fake)


__all__ = ["CITY", "MODEL", "TURNS", "answer", "said", "shown", "shown_behind_proxy", "stand_in"]
