from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from frameworks.shown import CITY, TURNS, said, shown_behind_proxy


class Place(BaseModel):
    """Where."""

    city: str


@tool
def look(city: str) -> str:
    """Look a city up."""
    return f"{city} is by the sea."


def test_it_runs_streams_calls_tools_and_has_structured_output():
    with shown_behind_proxy("LangChain") as page:
        model, history = page["model"], []
        for number in range(1, TURNS):
            history.append(HumanMessage(said(number)))
            history.append(model.invoke(history))
        page.check()
        history.append(HumanMessage(said(TURNS)))
        assert "".join(one.text for one in model.stream(history)) == "All right."
        page.check()
        history[-1] = HumanMessage("Please look.")
        done = model.bind_tools([look]).invoke(history)
        assert done.tool_calls[0]["args"] == {"city": CITY}
        page.check()
        history[-1] = HumanMessage("Which city?")
        for method in ("function_calling", "json_schema"):
            structured = model.with_structured_output(Place, method=method)
            assert structured.invoke(history) == Place(city=CITY)
            page.check()


async def test_async():
    with shown_behind_proxy("LangChain") as page:
        history = []
        for number in range(1, TURNS):
            history.append(HumanMessage(said(number)))
            history.append(await page["model"].ainvoke(history))
        page.check()


def test_an_agent_with_tools():
    from langchain.agents import create_agent

    with shown_behind_proxy("LangChain") as page:
        agent, history = create_agent(page["model"], tools=[look]), []
        for number in range(1, TURNS):
            history = agent.invoke({"messages": [*history, HumanMessage(said(number))]})["messages"]
        done = agent.invoke({"messages": [*history, HumanMessage("Please look.")]})
        assert done["messages"][-1].text == "All right."
        page.check()
