"""What is said in the synthetic chats: facts that change, statements that contradict, readings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """Something said twice, and asked for.

    Attributes:
        older: what was said first, and `before`, the words of it that tell.
        newer: what was said later, and `now`, the words of that.
        asked: the question.
    """

    older: str
    before: str
    newer: str
    now: str
    asked: str


CHANGED = (
    Pair(
        "The dentist is booked for Tuesday at 15:20.",
        "15:20",
        "The dentist is now booked for Friday at 09:40.",
        "09:40",
        "When is the dentist booked?",
    ),
    Pair(
        "Our supplier for hinges is Tolvanen in Kuopio.",
        "Tolvanen",
        "Our supplier for hinges is Bratteli in Moss from now on.",
        "Bratteli",
        "Who is our supplier for hinges?",
    ),
    Pair(
        "The budget for the greenhouse is 4,150 francs.",
        "4,150",
        "I had to change the budget for the greenhouse: it is 3,680 francs.",
        "3,680",
        "What is the budget for the greenhouse?",
    ),
    Pair(
        "My daughter's teacher is called Ms Okonjo.",
        "Okonjo",
        "My daughter has a new teacher, she is called Ms Lindqvist.",
        "Lindqvist",
        "What is my daughter's teacher called?",
    ),
    Pair(
        "The alarm code of the workshop is 7718.",
        "7718",
        "We changed the alarm code of the workshop to 2904.",
        "2904",
        "What is the alarm code of the workshop?",
    ),
    Pair(
        "The tests run on Jenkins every night.",
        "Jenkins",
        "The tests no longer run there: we moved them to Buildkite.",
        "Buildkite",
        "Where do the tests run every night?",
    ),
    Pair(
        "I take the 6:52 train to work.",
        "6:52",
        "Since the timetable changed I take the 7:11 train to work.",
        "7:11",
        "Which train do I take to work?",
    ),
    Pair(
        "The spare key is with Mrs Adeyemi on the ground floor.",
        "Adeyemi",
        "The spare key is now with Mr Castellanos on the third floor.",
        "Castellanos",
        "Who has the spare key?",
    ),
    Pair(
        "The database is PostgreSQL 14 on the host heron.",
        "heron",
        "The database moved, it is on the host pelican.",
        "pelican",
        "On which host is the database?",
    ),
    Pair(
        "Grandmother's birthday party is at the Lakeside Inn.",
        "Lakeside Inn",
        "Grandmother's birthday party was moved to the Old Granary.",
        "Old Granary",
        "Where is grandmother's birthday party?",
    ),
    Pair(
        "The paint for the hallway is called Dusty Sage.",
        "Dusty Sage",
        "I decided otherwise: the paint for the hallway is Pale Ochre.",
        "Pale Ochre",
        "What is the paint for the hallway called?",
    ),
    Pair(
        "My dose of levothyroxine is 75 micrograms.",
        "75 micrograms",
        "The doctor raised my dose of levothyroxine to 100 micrograms.",
        "100 micrograms",
        "What is my dose of levothyroxine?",
    ),
)
"""Facts that change, and the change is told."""

CONTRADICTED = (
    Pair(
        "I have never worked with Kubernetes.",
        "never worked with Kubernetes",
        "Last year I ran a Kubernetes cluster of forty nodes.",
        "forty nodes",
        "Have I worked with Kubernetes?",
    ),
    Pair(
        "I don't eat any fish at all.",
        "any fish",
        "The grilled mackerel I had for lunch is my favourite fish.",
        "mackerel",
        "Do I eat fish?",
    ),
    Pair(
        "My brother Tomas has no children.",
        "no children",
        "My brother Tomas brought his twins along on Sunday.",
        "his twins",
        "Does my brother Tomas have children?",
    ),
    Pair(
        "We have not signed the contract with Hallberg.",
        "not signed",
        "Under the contract that we signed with Hallberg, delivery is in week 34.",
        "week 34",
        "Have we signed the contract with Hallberg?",
    ),
    Pair(
        "I have no allergies.",
        "no allergies",
        "Because of my allergy to penicillin I carry a card.",
        "penicillin",
        "Do I have any allergies?",
    ),
    Pair(
        "The garage has no electricity.",
        "no electricity",
        "I charge the mower in the garage, at the socket by the door.",
        "socket by the door",
        "Is there electricity in the garage?",
    ),
    Pair(
        "I have never been to Portugal.",
        "never been to Portugal",
        "When I lived in Portugal, in Braga, I learned to surf.",
        "Braga",
        "Have I been to Portugal?",
    ),
    Pair(
        "The report has no appendix.",
        "no appendix",
        "Table 9 in the appendix of the report is wrong.",
        "Table 9",
        "Does the report have an appendix?",
    ),
)
"""Statements that cannot both be true, of which neither says that it corrects the other."""

READINGS = (
    "The water meter reads {} today.",
    "I counted {} steps on my walk.",
    "The shop took {} crowns today.",
)
"""What is told on each day, with a value of its own."""
