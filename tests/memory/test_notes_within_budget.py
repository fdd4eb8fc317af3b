"""Within a budget the window lets turns go at once; notes on them are taken when they pay."""

import threading

import pytest
from support.chats import Chat, ask, chats, history, injected, memory, said, stand_in, summaries
from turnfold import Policy
from turnfold.folding.rule import notes_pay
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Fault

BUDGET = 1_000


def within_budget(**changes):
    return Policy.for_budget(BUDGET, **{"background": "off", "recall_floor": 0.3, **changes})


class Talk:
    """A chat of short turns under a budget; what was sent and stored of it."""

    def __init__(self, *, policy=None, fake=None, **options):
        self.fake, self.receipts = fake or stand_in(), []
        self.memory = memory(
            policy=policy or within_budget(), on_receipt=self.receipts.append, **options
        )
        self.chat = Chat(self.memory.wrap(self.fake.client(max_retries=0), user_id="ada"))

    def go_on(self, turns, first=1):
        self.chat.go_on(turns, first=first)
        return self

    @property
    def shown(self):
        return "\n".join(text for _, _, text in injected(chats(self.fake)[-1]))

    def records(self, kind):
        return list(self.memory.store.ledger.scan("ada", kind=kind))


def test_a_call_is_worth_its_price_when_it_reads_much_of_what_is_new():
    assert notes_pay([300] * 8, context=100, most=24_000)
    assert not notes_pay([300] * 7, context=100, most=24_000), "so soon again"
    assert not notes_pay([100] * 8, context=100, most=24_000), "mostly what it is told besides"
    assert notes_pay([24_000], context=100, most=24_000), "more would not fit into one call"


def test_a_long_chat_asks_for_notes_once_in_eight_turns_at_the_most():
    talk = Talk().go_on(60)
    assert 2 <= len(summaries(talk.fake)) <= 60 // 8
    assert max(one.tokens.sent - one.tokens.fixed for one in talk.receipts) < BUDGET + 200
    assert sum(one.folded for one in talk.receipts) == talk.receipts[-1].in_memory > 55


def test_what_left_the_window_without_notes_is_found_word_for_word():
    talk = Talk().go_on(12)
    assert not summaries(talk.fake)
    talk.chat.say("What was it that was asked of amber2 and birch2?")
    assert said(2) in talk.shown
    assert "Of turns 1-" in talk.shown


def test_turns_that_wait_for_notes_are_named_and_then_noted():
    talk = Talk()
    notes = []
    for number in range(1, 40):
        talk.chat.say(said(number))
        fold = talk.records("fold")[-1].body if talk.records("fold") else None
        if fold is None:
            continue
        nodes = talk.memory.store.ledger.get("ada", fold["nodes"])
        covered = [(nodes[name].body["first"], nodes[name].body["last"]) for name in fold["nodes"]]
        assert [first for first, _ in covered] == [1, *(last + 1 for _, last in covered[:-1])]
        assert covered[-1][1] == fold["count"]
        waiting = "noted" in fold
        assert ("there are no notes yet" in talk.shown) == waiting
        notes.append(fold.get("noted", fold["count"]))
    assert notes == sorted(notes)
    assert len(set(notes)) > 1


def test_a_wish_stands_in_the_prompt_before_there_are_notes_on_its_turn():
    talk = Talk()
    talk.chat.say("Please always answer in French.")
    talk.go_on(10, first=2)
    assert talk.receipts[-1].in_memory > 3
    assert not summaries(talk.fake)
    assert 'turn 1, the user: "Please always answer in French."' in talk.shown


def test_what_waits_is_not_told_to_the_summarizer_as_known():
    jobs = []

    def writer(job):
        jobs.append(job)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    talk = Talk(summarizer=writer)
    talk.chat.say("Please always answer in French.")
    talk.go_on(30, first=2)
    assert jobs
    assert jobs[0].first == 1
    assert not jobs[0].known
    assert [job.first for job in jobs[1:]] == [job.last + 1 for job in jobs[:-1]]


@pytest.mark.parametrize("fault", ["overloaded", "timeout"])
def test_a_summarizer_that_fails_keeps_no_turn_in_the_window(fault):
    fake = stand_in()
    talk = Talk(fake=fake)
    for number in range(1, 31):
        fake.fail_next(Fault(fault, on="summary"))
        talk.chat.say(said(number))
    assert talk.receipts[-1].in_memory > 25
    assert talk.receipts[-1].tokens.sent < BUDGET + 200


def test_nobody_waits_for_notes_that_are_written_beside_the_turn():
    """The window shrinks whether or not they come."""
    never = threading.Event()

    def writer(job):
        never.wait(30)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    talk = Talk(policy=within_budget(background="on"), summarizer=writer)
    try:
        talk.go_on(30)
        assert talk.receipts[-1].in_memory > 25
        assert not any("fold" in one.seconds for one in talk.receipts), "a turn waited"
    finally:
        never.set()
        talk.memory.close()


def test_notes_are_taken_of_what_a_budget_left_without_them_once_there_is_none():
    """The policy may change: what waits is summarized with what folds next."""
    talk = Talk().go_on(12)
    assert not summaries(talk.fake)
    store = talk.memory.store
    later = stand_in()
    with memory(store, policy=Policy(fold_at=1_000, keep_tokens=300, background="off")) as other:
        client = other.wrap(later.client(), user_id="ada")
        client.messages.create(**ask([*talk.chat.messages, *history(8, "x")]))
        newest = list(store.ledger.scan("ada", kind="fold"))[-1].body
    assert summaries(later)
    assert "noted" not in newest
    nodes = store.ledger.get("ada", newest["nodes"])
    assert min(nodes[name].body["first"] for name in newest["nodes"]) == 1
    assert not any(name.startswith("unnoted:") for name in newest["nodes"])
