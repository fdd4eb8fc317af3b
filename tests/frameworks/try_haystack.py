from haystack.dataclasses import ChatMessage
from haystack.tools import tool

from frameworks.shown import CITY, TURNS, said, shown


@tool
def look(city: str) -> str:
    """Look a city up."""
    return f"{city} is by the sea."


def test_it_runs_streams_and_calls_tools():
    with shown("haystack") as page:
        generator, history = page["generator"], []
        for number in range(1, TURNS):
            history.append(ChatMessage.from_user(said(number)))
            history += generator.run(history)["replies"]
        page.check()
        pieces = []
        history.append(ChatMessage.from_user(said(TURNS)))
        generator.run(history, streaming_callback=lambda piece: pieces.append(piece.content))
        assert "".join(pieces) == "All right."
        page.check()
        history[-1] = ChatMessage.from_user("Please look.")
        (done,) = generator.run(history, tools=[look])["replies"]
        assert done.tool_calls[0].arguments == {"city": CITY}
        page.check()
