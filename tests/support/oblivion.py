"""Who tells the time, who writes notes, and what a store still tells, for tests of forgetting."""

import json

from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_stores import STORE_USER

DAY = 86_400.0


class Clock:
    """The time, as told by hand."""

    def __init__(self):
        self.now = 1_000 * DAY

    def __call__(self):
        return self.now


class Notes:
    """A summarizer that says a sentence of each turn, and remembers what it was shown."""

    def __init__(self, mark="x"):
        self.mark = mark
        self.jobs = []

    def __call__(self, job):
        self.jobs.append(job)
        turns = range(job.first, job.last + 1)
        return SummaryDraft(
            [Item("fact", f"Turn {n} asked of delta{n}{self.mark}.", (n,)) for n in turns]
        )


def everything(store, user_id=None):
    """All that a store would tell: every record of one user, or of all, as text."""
    users = [user_id] if user_id else [*store.users(), STORE_USER]
    return [
        json.dumps([one.id, one.kind, one.conversation, one.body, one.text])
        for user in users
        for one in store.ledger.scan(user)
    ]


def tells(store, words):
    """How many records hold the words."""
    return sum(words in record for record in everything(store))


def words_of(number, mark=""):
    """Words that only one exchange has."""
    return f"amber{number}{mark} "
