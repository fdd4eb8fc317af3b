from pydantic import BaseModel

from frameworks.shown import CITY, TURNS, said, shown

CALLED = []


class Place(BaseModel):
    """Where."""

    city: str


def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."


def test_it_runs_streams_calls_tools_and_has_structured_output():
    with shown("chatlas") as page:
        chat = page["chat"]
        for number in range(1, TURNS):
            chat.chat(said(number), echo="none", stream=False)
        page.check()
        assert "".join(chat.stream(said(TURNS))) == "All right."
        page.check()
        chat.register_tool(look)
        chat.chat("Please look.", echo="none")
        assert CALLED == [CITY]
        page.check()
        assert chat.chat_structured("Which city?", data_model=Place).city == CITY
        page.check()
