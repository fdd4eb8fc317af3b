from pydantic import BaseModel
from strands import tool

from frameworks.shown import CITY, TURNS, said, shown

CALLED = []


class Place(BaseModel):
    """Where."""

    city: str


@tool
def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."


def test_it_streams_calls_tools_and_has_structured_output():
    with shown("strands", tools=[look]) as page:
        agent = page["agent"]
        for number in range(1, TURNS):
            assert "All right." in str(agent(said(number)))
        page.check()
        agent("Please look.")
        assert CALLED == [CITY]
        page.check()
        assert agent("Which city?", structured_output_model=Place).structured_output.city == CITY
        page.check()
