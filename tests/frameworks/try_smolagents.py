from typing import ClassVar

from smolagents import ChatMessage, Tool

from frameworks.shown import CITY, TURNS, said, shown_behind_proxy


class Look(Tool):
    name = "look"
    description = "Look a city up."
    inputs: ClassVar = {"city": {"type": "string", "description": "Which."}}
    output_type = "string"

    def forward(self, city: str) -> str:
        return f"{city} is by the sea."


def words(role, text):
    return ChatMessage(role=role, content=[{"type": "text", "text": text}])


def test_its_model_runs_streams_and_calls_tools():
    with shown_behind_proxy("smolagents") as page:
        model, history = page["model"], []
        for number in range(1, TURNS):
            history.append(words("user", said(number)))
            history.append(words("assistant", model.generate(history).content))
        page.check()
        history.append(words("user", said(TURNS)))
        pieces = [one.content or "" for one in model.generate_stream(history)]
        assert "".join(pieces) == "All right."
        page.check()
        history[-1] = words("user", "Please look.")
        done = model.generate(history, tools_to_call_from=[Look()])
        assert CITY in str(done.tool_calls[0].function.arguments)
        page.check()
