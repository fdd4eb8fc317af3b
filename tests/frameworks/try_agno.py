from agno.db.in_memory import InMemoryDb
from pydantic import BaseModel

from frameworks.shown import CITY, TURNS, said, shown

CALLED = []


class Place(BaseModel):
    city: str


def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."


def test_it_runs_streams_calls_tools_and_has_structured_output():
    with shown("agno", db=InMemoryDb()) as page:
        agent = page["agent"]
        agent.tools = [look]
        for number in range(1, TURNS):
            agent.run(said(number), session_id="c")
        page.check()
        events = list(agent.run(said(TURNS), session_id="c", stream=True))
        assert "".join(str(one.content) for one in events if one.event == "RunContent") == (
            "All right."
        )
        page.check()
        agent.run("Please look.", session_id="c")
        assert CALLED == [CITY]
        page.check()
        done = agent.run("Which city?", session_id="c", output_schema=Place)
        assert done.content == Place(city=CITY)
        page.check()


async def test_async():
    with shown("agno", db=InMemoryDb()) as page:
        for number in range(1, TURNS):
            await page["agent"].arun(said(number), session_id="c")
        page.check()
