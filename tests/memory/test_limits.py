"""Limits hold without a summarizer, and the receipts say what stood in for it."""

import json
from dataclasses import replace

import anthropic
import httpx2
import pytest
from support.chats import MODEL, SMALL, Chat, ask, chats, history, memory, said, stand_in, summaries
from support.drawing import drawn
from turnfold import Policy
from turnfold.request.refusals import Resting, failure_of, read_refusal
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold.summarizers.resting import AWAY, USELESS
from turnfold_fake import Fault, Reply

PERMANENT = ["not_found", "unauthorized", "forbidden"]
TIGHT = Policy(fold_at=1_000, keep_tokens=200, max_prompt_tokens=1_500, background="off")


def away(kind="not_found"):
    """A stand-in that has no model for summaries."""
    return stand_in(faults=[Fault(kind, on="summary", times=10_000)])


async def talk(door, fake, policy, turns, **options):
    """The receipts of a chat whose exchanges have some 130 tokens."""
    receipts, messages = [], []
    with memory(policy=policy, on_receipt=receipts.append, **options) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0), conversation="c")
        for number in range(1, turns + 1):
            asked = ask(messages, said(number), max_tokens=100)
            await door.ask("create", client, asked)
            answer = {"role": "assistant", "content": said(number, "told")}
            messages = [*asked["messages"], answer]
            if (thread := remembering._background._thread) is not None:
                thread.join(30)
    return receipts


def told(receipts):
    return [why for receipt in receipts for why in receipt.degraded]


# --- a summarizer that is not there -----------------------------------------------------------


@pytest.mark.parametrize("kind", PERMANENT)
async def test_the_most_a_prompt_may_have_holds_and_one_refusal_is_enough(door, kind):
    fake = away(kind)
    receipts = await talk(door, fake, TIGHT, 30)
    assert max(receipt.usage.prompt_tokens for receipt in receipts) <= 1_500
    assert max(receipt.tokens.sent for receipt in receipts) <= 1_500
    assert receipts[-1].in_memory > 20
    assert len(summaries(fake)) == 1
    assert any("extractive" in why for why in told(receipts))
    assert any("not asked again" in why for why in told(receipts))


@pytest.mark.parametrize("background", ["auto", "on"])
async def test_so_it_does_where_folds_are_prepared(door, background):
    fake = away()
    receipts = await talk(door, fake, replace(TIGHT, background=background), 30)
    assert max(receipt.usage.prompt_tokens for receipt in receipts) <= 1_500
    assert receipts[-1].in_memory > 20
    assert len(summaries(fake)) == 1


def test_a_prompt_of_many_small_messages_does_not_pass_for_one_that_has_room():
    """Its tokens are fewer than estimated, and each part of them was rounded down."""
    receipts, fake = [], stand_in()
    policy = replace(SMALL, fold_at="auto", max_prompt_tokens=1_500, recall_tokens=0)
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(max_retries=0), conversation="c"), max_tokens=100)
        for number in range(200):
            chat.say(f"Is it {number}?")
    assert receipts[-1].in_memory > 50
    assert max(receipt.usage.prompt_tokens for receipt in receipts) <= 1_500
    assert not told(receipts)


@pytest.mark.parametrize("background", ["off", "auto", "on"])
async def test_a_budget_holds_too(door, background):
    fake = away()
    receipts = await talk(door, fake, Policy.for_budget(1_500, background=background), 30)
    newest = 80
    assert max(receipt.tokens.sent for receipt in receipts) <= 1_500 + newest
    assert receipts[-1].in_memory > 10
    assert len(summaries(fake)) == 1


def test_what_stands_in_for_a_summary_are_the_turns_own_sentences():
    fake = away()
    with memory(policy=TIGHT) as remembering:
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        client.messages.create(**ask(history(20), max_tokens=100))
    assert "user: Turn 1" in json.dumps(chats(fake)[-1])


def test_below_the_limit_nothing_is_folded_without_a_summary():
    fake, receipts = away(), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        for exchanges in (12, 13, 14):
            client.messages.create(**ask(history(exchanges)))
    assert [receipt.in_memory for receipt in receipts] == [0, 0, 0]
    assert all(receipt.degraded for receipt in receipts)
    assert len(summaries(fake)) == 1


def test_after_a_while_it_is_asked_again():
    fake = stand_in(faults=[Fault("forbidden", on="summary")])
    receipts, now = [], [0.0]
    with memory(on_receipt=receipts.append) as remembering:
        remembering._rests.clock = lambda: now[0]
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        client.messages.create(**ask(history(12)))
        now[0] = AWAY - 1
        client.messages.create(**ask(history(13)))
        assert len(summaries(fake)) == 1
        now[0] = AWAY + 1
        client.messages.create(**ask(history(14)))
    assert len(summaries(fake)) == 2
    assert receipts[-1].in_memory > 0


def test_another_key_at_the_same_door_is_asked_all_the_same():
    """What is refused to one tenant says nothing of the others."""
    fake = stand_in(faults=[Fault("unauthorized", on="summary")])
    with memory() as remembering:
        for key in ("theirs", "ours"):
            client = remembering.wrap(fake.client(max_retries=0, api_key=key), conversation=key)
            client.messages.create(**ask(history(12)))
    assert [call.status for call in fake.asked("summary")] == [401, 200]


async def test_a_model_that_writes_nothing_of_use_is_paid_three_times(door):
    """Not twice for each run of turns: what is known of it holds for all of them."""
    fake = stand_in(summary="Much was said.")
    receipts = await talk(door, fake, SMALL, 40)
    folds = [receipt for receipt in receipts if receipt.folded]
    assert len(folds) > USELESS
    assert len(summaries(fake)) == USELESS
    assert receipts[-1].in_memory > 30
    [answer] = {call["model"] for call in summaries(fake)}
    assert any(
        answer in why and "Much was said." in why and "summary_model" in why
        for why in told(receipts)
    )
    assert not any("Much was said." in node for node in map(str, receipts[-1].hits))


def test_other_conversations_know_of_it_and_it_is_tried_again_after_a_while():
    fake = stand_in(summary="Much was said.")
    now = [0.0]
    with memory() as remembering:
        remembering._rests.clock = lambda: now[0]

        def turn(name, exchanges):
            client = remembering.wrap(fake.client(max_retries=0), conversation=name)
            client.messages.create(**ask(history(exchanges, name)))
            return len(summaries(fake))

        asked = [turn(name, 12) for name in ("a", "b", "c", "d", "e")]
        assert asked[-2:] == [USELESS, USELESS]
        now[0] = AWAY + 1
        assert turn("f", 12) == USELESS + 1
        assert turn("g", 12) == USELESS + 1
        now[0] = 2 * AWAY + 2  # it is left alone for twice as long
        assert turn("h", 12) == USELESS + 1


def test_notes_that_the_turns_do_not_bear_out_are_of_no_use_either():
    notes = {"items": [{"kind": "fact", "text": "Mr. Xanthopoulos paid 987,654.", "turns": [1]}]}
    fake = stand_in(summary=json.dumps(notes))
    with memory() as remembering:
        for name in "abcdefgh":
            client = remembering.wrap(fake.client(max_retries=0), conversation=name)
            client.messages.create(**ask(history(12, name)))
    # Each time it is told what is wrong, and says it again: the gate alone may be mistaken.
    assert len(summaries(fake)) == 2 * USELESS


SAYS_NO = {
    "output_config": "response_format: json_schema is not supported by this model",
    "thinking": "thinking.type: 'disabled' is not supported by this model",
}


@pytest.mark.parametrize("field", SAYS_NO)
async def test_a_field_that_a_server_refuses_is_left_out_from_then_on(door, field):
    """It is asked once more at once, and what it then answers in words is taken."""
    item = {"kind": "narrative", "text": "They spoke of this and that.", "turns": [1]}
    refused = []

    def faults(body, _number):
        if body["model"] != MODEL and field in body:
            refused.append(body)
            return Fault("bad_request", message=SAYS_NO[field])
        return None

    def answers(body):
        words = json.dumps({"items": [item]}) if body["model"] != MODEL else "All right."
        return Reply(words, thinking=False)

    fake = stand_in(answers, summary=json.dumps({"items": [item]}), faults=faults)
    receipts = await talk(door, fake, SMALL, 20)
    assert len(refused) == 1
    assert receipts[-1].in_memory > 10
    assert not told(receipts)


def test_a_request_that_is_refused_as_such_is_asked_twice_and_not_for_ever():
    fake = stand_in(faults=[Fault("bad_request", on="summary", times=10_000)])
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        for exchanges in range(8, 40):
            client.messages.create(**ask(history(exchanges)))
    assert len(summaries(fake)) <= 6
    assert receipts[-1].in_memory > 0


def test_a_summarizer_of_ones_own_that_fails_each_time_is_left_alone_in_the_end():
    asked = []

    def summarize(job):
        asked.append(job)
        raise OSError("nobody at home")

    with memory(summarizer=summarize) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in range(12, 40):
            client.messages.create(**ask(history(exchanges)))
    assert 2 <= len(asked) <= 6


# --- limits that are small --------------------------------------------------------------------


@drawn(most=[1_000, 1_500, 3_000], keep_exchanges=[0, 3])
async def test_summary_recall_and_window_share_a_small_limit(door, most, keep_exchanges):
    policy = replace(
        TIGHT, max_prompt_tokens=most, keep_exchanges=keep_exchanges, recall_floor=-1.0
    )
    receipts = await talk(door, stand_in(), policy, 30)
    assert max(receipt.tokens.sent for receipt in receipts) <= most
    assert receipts[-1].in_memory > 10
    assert not [why for why in told(receipts) if why.startswith("limit: this prompt")]


def test_a_larger_newest_message_makes_the_summary_shorter():
    fake, receipts = stand_in(), []
    with memory(policy=TIGHT, on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"), history(20), max_tokens=100)
        chat.say(said(21))
        chat.say(said(22) * 18)
        chat.say(said(23))
    assert [receipt.tokens.sent <= 1_500 for receipt in receipts] == [True] * 3
    assert receipts[1].tokens.summary < receipts[0].tokens.summary
    assert receipts[1].in_memory == 21
    assert any(why.startswith("limit: the summary was shortened") for why in receipts[1].degraded)


def test_another_process_sends_the_shortened_summary_too(tmp_path):
    url = f"sqlite:{tmp_path / 's.db'}"
    asked = ask(history(20), said(22) * 18, max_tokens=100)
    bodies = []
    for _ in range(2):
        fake = stand_in()
        with memory(url, policy=TIGHT) as remembering:
            remembering.wrap(fake.client(), conversation="c").messages.create(**asked)
        bodies += chats(fake)
    assert bodies[0] == bodies[1]


def test_a_newest_message_that_is_larger_than_the_limit_is_sent_and_told():
    fake, receipts = stand_in(), []
    with memory(policy=TIGHT, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history(20), said(21) * 40))
    assert receipts[0].tokens.window > 1_500
    assert any(why.startswith("limit: this prompt of about") for why in receipts[0].degraded)


# --- servers with a small window --------------------------------------------------------------

REFUSALS = [
    "prompt is too long: {n} tokens > {window} maximum",
    "This model's maximum context length is {window} tokens. However, you requested {n} tokens",
    "input length and `max_tokens` exceed context limit: {n} + 8 > {window}, decrease input length",
    "The prompt (total length {n}) is too long to fit into the model (context length {window}).",
    "Requested tokens ({n}) exceed context window of {window}",
]


@pytest.mark.parametrize("said_so", REFUSALS)
def test_what_a_server_says_of_its_window_is_understood(said_so):
    message = said_so.format(n=4_720, window=2_048)
    refusal = read_refusal(400, json.dumps({"error": {"message": message}}).encode())
    assert (refusal.kind, refusal.window, refusal.counted) == ("too_long", 2_048, 4_720)
    assert failure_of(status_error(400, message)).window == 2_048


def test_what_stands_beside_the_message_is_understood_too():
    error = {
        "code": 400, "message": "the request exceeds the available context size",
        "type": "exceed_context_size_error", "n_prompt_tokens": 4_720, "n_ctx": 2_048,
    }  # fmt: skip
    refusal = read_refusal(400, json.dumps({"error": error}).encode())
    assert (refusal.window, refusal.counted) == (2_048, 4_720)


def status_error(status, message):
    request = httpx2.Request("POST", "https://x.example/v1/messages")
    response = httpx2.Response(status, request=request)
    return anthropic.APIStatusError(message, response=response, body=None)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (status_error(404, "model: claude"), "away"),
        (status_error(401, "invalid x-api-key"), "away"),
        (status_error(400, "prompt is too long: 9 tokens > 8 maximum"), "too_long"),
        (status_error(413, "Request exceeds the maximum size"), "too_long"),
        (status_error(400, "Output blocked"), "unusable"),
        (status_error(429, "rate limit"), "unreachable"),
        (status_error(529, "Overloaded"), "unreachable"),
        (RuntimeError("404 not_found_error: model: claude"), "away"),
        (RuntimeError("context length exceeded"), "too_long"),
        (OSError("no route"), "unreachable"),
        (Resting("not now"), "resting"),
    ],
)
def test_what_a_failing_summarizer_says_is_understood(wrong, kind):
    assert failure_of(wrong).kind == kind


@pytest.mark.parametrize("summarizer", ["there", "away"])
async def test_on_a_server_with_a_small_window_every_turn_is_answered(door, summarizer):
    """It says how much it takes the first time it refuses; from then on nothing is refused."""
    faults = [Fault("not_found", on="summary", times=10_000)] if summarizer == "away" else []
    fake = stand_in(window=2_048, faults=faults)
    receipts = await talk(door, fake, Policy(background="off"), 40)
    refused = [call for call in fake.asked() if call.status == 400]
    assert len(refused) == 1
    assert receipts[-1].in_memory > 20
    assert len(receipts) == 40


def test_what_a_window_is_was_learned_by_one_conversation_for_all():
    fake = stand_in(window=2_048)
    with memory(policy=Policy(background="off")) as remembering:
        for name in "cd":
            client = remembering.wrap(fake.client(max_retries=0), conversation=name)
            client.messages.create(**ask(history(30), max_tokens=100))
    assert [call.status for call in fake.asked()] == [400, 200, 200]


# --- exchanges that are larger than the summarizer can read -----------------------------------


def log(lines):
    return "".join(f"2026-05-01 worker {n} lost its lease on shard {n}.\n" for n in range(lines))


def large(kind, lines):
    """An exchange that holds much more than all others."""
    if kind == "paste":
        return [
            {"role": "user", "content": "Read this log. " + log(lines)},
            {"role": "assistant", "content": "The incident is INC-40917."},
        ]
    use = {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": log(lines)}
    return [
        {"role": "user", "content": "Read the log."},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": "The incident is INC-40917."},
    ]


TOOLS = [{"name": "t", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize("kind", ["paste", "tool"])
async def test_a_large_exchange_is_summarized_in_pieces_that_cite_its_turn(door, kind):
    fake, receipts = stand_in(summary_window=6_000), []
    policy = replace(SMALL, leaf_tokens=2_000)
    messages = [*history(1), *large(kind, 400), *history(9)[2:]]
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0), user_id="ada")
        await door.ask("create", client, ask(messages, tools=TOOLS))
        nodes = [one.body for one in remembering.store.ledger.scan("ada", kind="node")]
    asked = fake.asked("summary")
    assert [call.status for call in asked] == [200] * len(asked)
    assert len(asked) > 3
    assert receipts[0].in_memory > 2
    leaves = [one for one in nodes if not one["children"]]
    of_two = [one for one in leaves if (one["first"], one["last"]) == (2, 2)]
    assert len(of_two) == 1, "what was written piece by piece is one node in the end"
    assert {turn for item in of_two[0]["items"] for turn in item["turns"]} == {2}
    assert not receipts[0].degraded


@pytest.mark.parametrize("background", ["off", "on"])
async def test_a_summarizer_with_a_small_window_says_so_once(door, background):
    """Nothing was known of it: it is told less from then on, and no more than it can take."""
    fake, receipts = stand_in(summary_window=3_000), []
    policy = replace(SMALL, background=background, leaf_tokens=24_000)
    messages = [*large("tool", 400), *history(9)]
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0), conversation="c")
        for exchanges in (9, 10, 11):
            messages = [*large("tool", 400), *history(exchanges)]
            await door.ask("create", client, ask(messages, tools=TOOLS))
            if (thread := remembering._background._thread) is not None:
                thread.join(60)
            for task in list(remembering._background._tasks):
                await task
    asked = fake.asked("summary")
    assert sum(call.status == 400 for call in asked) <= 2
    assert receipts[-1].in_memory > 0


def test_where_even_small_pieces_are_refused_sentences_stand_in():
    asked = []

    def summarize(job):
        asked.append(job)
        raise status_error(400, "prompt is too long")

    receipts = []
    with memory(summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask([*large("paste", 400), *history(9)]))
    assert len(asked) <= 3
    assert receipts[0].in_memory > 0
    assert any("more than the summarizer can read" in why for why in receipts[0].degraded)


def test_pieces_that_were_paid_for_are_not_paid_again():
    """One of them fails: the next turn asks for that one alone."""
    asked, fails = [], [True]

    def summarize(job):
        text = "\n".join(one.text for one in job.exchanges[0])
        asked.append(text)
        if "worker 300 " in text and fails and fails.pop():
            raise OSError("the line is dead")
        words = text.strip().splitlines()[-1]
        return SummaryDraft([Item("fact", words, (job.first,))])

    policy = replace(SMALL, leaf_tokens=2_000)
    receipts = []
    with memory(policy=policy, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
        for exchanges in (7, 8):
            client.messages.create(**ask([*large("paste", 400), *history(exchanges)]))
        kept = [one.id for one in remembering.store.ledger.scan("ada", kind="node")]
    twice = {text for text in asked if asked.count(text) > 1}
    assert len(twice) == 1
    assert receipts[0].in_memory == 0
    assert receipts[1].in_memory > 0
    assert not [name for name in kept if name.count(":") > 1], "no piece is left"


def test_what_came_just_before_is_shown_only_in_part():
    asked = []

    def summarize(job):
        asked.append(job)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    with memory(policy=replace(SMALL, leaf_tokens=2_000), summarizer=summarize) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask([*large("paste", 2_000), *history(9)]))
    assert max(sum(len(one.text) for one in job.before) for job in asked) <= 4_010


# --- poison -----------------------------------------------------------------------------------

ODD = {
    "half a character": [Item("fact", "Turn 1 asked of \ud83d.", (1,))],
    "no text": [Item("fact", None, (1,))],
    "no turns": [Item("fact", "Turn 1 asked of amber1.", None)],
    "no items": None,
    "a number of five thousand digits": [Item("fact", "It is " + "7" * 5_000 + ".", (1,))],
}


@pytest.mark.parametrize("name", ODD)
async def test_whatever_an_answer_holds_it_is_paid_twice_at_most(door, name):
    asked, receipts = [], []

    def summarize(job):
        asked.append((job.first, job.last))
        return SummaryDraft(ODD[name])

    with memory(summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(stand_in()), conversation="c")
        for exchanges in (12, 13, 14, 15):
            await door.ask("create", client, ask(history(exchanges)))
    assert len([one for one in asked if one[0] == 1]) <= 2
    assert receipts[-1].in_memory > 0


def test_what_a_text_makes_the_checks_raise_costs_that_item_alone(monkeypatch):
    from turnfold.summaries.gate import Gate

    check = Gate.complaints

    def complaints(self, item):
        if "amber3" in item.text:
            raise IndexError("poison")
        return check(self, item)

    monkeypatch.setattr(Gate, "complaints", complaints)
    asked, receipts, fake = [], [], stand_in()

    def summarize(job):
        asked.append(job)
        return SummaryDraft(
            [Item("fact", f"Turn {n} asked of amber{n}.", (n,)) for n in range(1, 6)]
        )

    with memory(summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history(12)))
    assert len(asked) == 1
    assert receipts[0].in_memory > 0
    sent = json.dumps(chats(fake)[-1])
    assert "Turn 4 asked of amber4." in sent
    assert "- Turn 3 asked of amber3." not in sent


def test_an_answer_whose_turns_are_no_numbers_is_one_of_no_use():
    def reply(_body):
        item = {"kind": "fact", "text": "So.", "turns": [float("inf")]}
        return Reply(json.dumps({"items": [item]}), thinking=False)

    fake, receipts = stand_in(summary=reply), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        for exchanges in (12, 13, 14):
            client.messages.create(**ask(history(exchanges)))
    assert len(summaries(fake)) == 2
    assert receipts[-1].in_memory > 0


def test_where_not_even_sentences_can_be_picked_it_folds(monkeypatch):
    import turnfold.summaries.draft

    def extract(_job, **_options):
        raise RecursionError("poison")

    monkeypatch.setattr(turnfold.summaries.draft, "extract", extract)
    receipts = []
    with memory(policy=TIGHT, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(away().client(max_retries=0), conversation="c")
        client.messages.create(**ask(history(20), max_tokens=100))
    assert receipts[0].in_memory > 0
    assert receipts[0].tokens.sent <= 1_500


# --- what one conversation may have summarized ------------------------------------------------


def edits(rounds, turns=60, policy=SMALL):
    """Someone who edits an old turn again and again, and goes on differently each time.

    Where all goes on as before, what memory has of it is taken along, and nothing is paid.

    Returns:
        Tokens that were given to a summarizer, and the receipts.
    """
    given = []

    def summarize(job):
        given.append(sum(len(one.text) for exchange in job.exchanges for one in exchange) / 3.8)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))], usage_of(given[-1]))

    receipts = []
    with memory(policy=policy, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for number in range(rounds):
            opening = {"role": "user", "content": f"Draft {number} of what I want."}
            rest = history(turns, mark=f"take {number}")[3:]
            client.messages.create(**ask([*history(1), opening, *rest]))
    return sum(given), receipts


def usage_of(tokens):
    from turnfold.accounting.prices import Usage

    return Usage(input_tokens=int(tokens) + 700, output_tokens=50)


def test_edits_of_old_turns_have_what_was_said_summarized_so_many_times_and_no_more():
    given, receipts = edits(20)
    said_in_all = 60 * 130
    assert given <= 30_000 + 1.5 * said_in_all + said_in_all
    assert receipts[-1].in_memory > 0
    assert any("times over" in why for why in receipts[-1].degraded)


def test_without_that_bound_all_of_it_is_paid_for():
    given, receipts = edits(8, policy=replace(SMALL, summary_rounds=None))
    assert given > 7 * 60 * 110
    assert not any("times over" in why for why in told(receipts))


def test_a_conversation_in_which_nothing_is_edited_never_meets_it():
    given, receipts = edits(1, turns=400)
    assert given > 0
    assert not receipts[-1].degraded
