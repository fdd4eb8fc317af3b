from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai import types

from frameworks.shown import CITY, TURNS, said, shown

CALLED = []


def look(city: str) -> dict:
    """Look a city up."""
    CALLED.append(city)
    return {"said": f"{city} is by the sea."}


async def say(runner, session, text, **settings):
    words = types.Content(role="user", parts=[types.Part(text=text)])
    told = []
    async for event in runner.run_async(
        user_id="ada", session_id=session.id, new_message=words, run_config=RunConfig(**settings)
    ):
        told += [p.text for p in (event.content.parts if event.content else []) if p.text]
    return told


async def test_it_runs_streams_and_calls_tools():
    with shown("google-adk") as page:
        page["agent"].tools = [look]
        runner = InMemoryRunner(agent=page["agent"], app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="ada")
        for number in range(1, TURNS):
            assert await say(runner, session, said(number)) == ["All right."]
        page.check()
        told = await say(runner, session, said(TURNS), streaming_mode=StreamingMode.SSE)
        assert told[-1] == "All right."
        page.check()
        await say(runner, session, "Please look.")
        assert CALLED == [CITY]
        page.check()
