"""Words for a time are read as spans of days."""

from datetime import UTC, date, datetime

import pytest
from turnfold.language.time_spans import span_in

# A Wednesday.
NOW = datetime(2024, 5, 15, 10, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("What did I say on 2024-03-15?", "2024-03-15", "2024-03-15"),
        ("what was it yesterday", "2024-05-14", "2024-05-14"),
        ("and today?", "2024-05-15", "2024-05-15"),
        ("What did we plan last week?", "2024-05-06", "2024-05-12"),
        ("this week", "2024-05-13", "2024-05-19"),
        ("last month", "2024-04-01", "2024-04-30"),
        ("in the last year", "2023-01-01", "2023-12-31"),
        ("over the past week", "2024-05-08", "2024-05-15"),
        ("two weeks ago", "2024-04-28", "2024-05-04"),
        ("3 days ago", "2024-05-12", "2024-05-12"),
        ("What did I tell you in March?", "2024-03-01", "2024-03-31"),
        ("in December", "2023-12-01", "2023-12-31"),
        ("in February 2023", "2023-02-01", "2023-02-28"),
        ("on March 5, 2023", "2023-03-05", "2023-03-05"),
        ("What did I tell you on 5 March 2023?", "2023-03-05", "2023-03-05"),
        ("on the 5th of March", "2024-03-05", "2024-03-05"),
        ("March 5th", "2024-03-05", "2024-03-05"),
        ("between 3 and 8 January", "2024-01-03", "2024-01-08"),
        ("on Monday", "2024-05-13", "2024-05-13"),
        ("last Wednesday", "2024-05-08", "2024-05-08"),
        ("Was haben wir letzte Woche beschlossen?", "2024-05-06", "2024-05-12"),
        ("Was war im März mit dem Dach?", "2024-03-01", "2024-03-31"),
        ("Qu'est-ce que j'ai dit hier ?", "2024-05-14", "2024-05-14"),
        ("¿Qué decidimos el mes pasado?", "2024-04-01", "2024-04-30"),
        ("Cosa ho detto di lunedì?", "2024-05-13", "2024-05-13"),
        ("Co ustaliliśmy w zeszłym roku?", "2023-01-01", "2023-12-31"),
        ("Что мы решили на прошлой неделе?", "2024-05-06", "2024-05-12"),
        ("Geçen ay ne konuştuk?", "2024-04-01", "2024-04-30"),
        ("ماذا قلت أمس عن السيارة؟", "2024-05-14", "2024-05-14"),
        ("हमने पिछले महीने क्या तय किया?", "2024-04-01", "2024-04-30"),
        ("上周我们决定了什么？", "2024-05-06", "2024-05-12"),
        ("先月は何を決めましたか？", "2024-04-01", "2024-04-30"),
        ("3月5日に何と言いましたか", "2024-03-05", "2024-03-05"),
        ("어제 내가 뭐라고 했지?", "2024-05-14", "2024-05-14"),
        ("เมื่อวานผมบอกว่าอะไร", "2024-05-14", "2024-05-14"),
    ],
)
def test_a_text_speaks_of_a_time(text, first, last):
    span = span_in(text, NOW, UTC)
    assert (span.first, span.last) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text",
    [
        "Was machen wir morgen?",
        "Wie heißt mein Hund?",
        "明日は晴れますか？",
        "What about the roses?",
        "I may go.",
        "on June 31",
        "9999-99-99",
        "999 years ago",
        "a march",
        "",
    ],
)
def test_a_text_speaks_of_no_time(text):
    span = span_in(text, NOW, UTC)
    assert span is None or span.first.year < 1900


def test_a_span_holds_its_days_and_never_an_unknown_time():
    span = span_in("last week", NOW, UTC)
    at = lambda day: datetime(2024, 5, day, 23, 59, tzinfo=UTC).timestamp()
    assert [day for day in range(1, 31) if span.holds(at(day))] == list(range(6, 13))
    assert not span.holds(0.0)
