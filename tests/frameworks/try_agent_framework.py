from frameworks.shown import CITY, TURNS, said, shown

CALLED = []


def look(city: str) -> str:
    """Look a city up."""
    CALLED.append(city)
    return f"{city} is by the sea."


async def test_it_runs_streams_and_calls_tools():
    with shown("agent-framework", tools=[look]) as page:
        agent = page["agent"]
        session = agent.create_session()
        for number in range(1, TURNS):
            assert (await agent.run(said(number), session=session)).text == "All right."
        page.check()
        streamed = agent.run(said(TURNS), session=session, stream=True)
        pieces = [one.text async for one in streamed if one.text]
        assert "".join(pieces) == "All right."
        page.check()
        await agent.run("Please look.", session=session)
        assert CALLED == [CITY]
        page.check()
