from pydantic import BaseModel
from support.models import DEFAULT

from frameworks.shown import CITY, TURNS, said, shown


class Place(BaseModel):
    """Where."""

    city: str


def history(count):
    messages = []
    for number in range(1, count + 1):
        messages.append({"role": "user", "content": said(number)})
        messages.append({"role": "assistant", "content": "All right."})
    return messages


def test_structured_output_over_a_long_history():
    with shown("instructor") as page:
        for count in range(1, TURNS):
            asked = [*history(count), {"role": "user", "content": "Which city?"}]
            ask = {"model": DEFAULT, "max_tokens": 500, "messages": asked}
            place = page["client"].messages.create(response_model=Place, **ask)
            assert place.city == CITY
        page.check()
        partial = list(page["client"].messages.create_partial(response_model=Place, **ask))
        assert partial[-1].city == CITY
        page.check()
