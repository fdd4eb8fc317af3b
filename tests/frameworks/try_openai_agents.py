from agents import Runner, SQLiteSession, function_tool, set_tracing_disabled

from frameworks.shown import CITY, TURNS, said, shown_behind_proxy

CALLED = []
set_tracing_disabled(True)


@function_tool
def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."


async def test_it_runs_streams_and_calls_tools():
    with shown_behind_proxy("OpenAI Agents") as page:
        agent, session = page["agent"], SQLiteSession("c")
        agent.tools.append(look)
        for number in range(1, TURNS):
            done = await Runner.run(agent, said(number), session=session)
            assert done.final_output == "All right."
        page.check()
        streamed = Runner.run_streamed(agent, said(TURNS), session=session)
        assert [event async for event in streamed.stream_events()]
        assert streamed.final_output == "All right."
        page.check()
        await Runner.run(agent, "Please look.", session=session)
        assert CALLED == [CITY]
        page.check()
