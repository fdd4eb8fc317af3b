import json

from pydantic import BaseModel

from frameworks.shown import CITY, TURNS, said, shown_behind_proxy


class Place(BaseModel):
    city: str


TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look a city up.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def test_it_runs_streams_calls_tools_and_has_structured_output():
    with shown_behind_proxy("LiteLLM") as page:
        ask, history = page["ask"], []
        for number in range(1, TURNS):
            history.append({"role": "user", "content": said(number)})
            told = ask(history).choices[0].message.content
            history.append({"role": "assistant", "content": told})
        page.check()
        history.append({"role": "user", "content": said(TURNS)})
        pieces = [one.choices[0].delta.content or "" for one in ask(history, stream=True)]
        assert "".join(pieces) == "All right."
        page.check()
        history[-1] = {"role": "user", "content": "Please look."}
        (call,) = ask(history, tools=[TOOL]).choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"city": CITY}
        page.check()
        history[-1] = {"role": "user", "content": "Which city?"}
        done = ask(history, response_format=Place).choices[0].message.content
        assert Place.model_validate_json(done).city == CITY
        page.check()
