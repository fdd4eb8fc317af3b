from pydantic import BaseModel

from frameworks.shown import CITY, TURNS, said, shown


class Place(BaseModel):
    city: str


async def test_it_runs_streams_calls_tools_and_has_structured_output():
    with shown("pydantic-ai") as page:
        agent, history = page["agent"], []
        agent.tool_plain(look)
        for number in range(1, TURNS):
            done = await agent.run(said(number), message_history=history)
            history = done.all_messages()
        page.check()
        async with agent.run_stream(said(TURNS), message_history=history) as stream:
            assert await stream.get_output() == "All right."
            history = stream.all_messages()
        page.check()
        done = await agent.run("Please look.", message_history=history)
        assert CALLED == [CITY]
        page.check()
        done = await agent.run(
            "Which city?", message_history=done.all_messages(), output_type=Place
        )
        assert done.output == Place(city=CITY)
        page.check()


CALLED = []


def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."
