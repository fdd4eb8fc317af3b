"""Nothing gets into a summary that the turns it cites do not say; formats do not matter."""

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turnfold.errors import SummaryError
from turnfold.history.utterances import Utterance
from turnfold.language.quantities import quantities
from turnfold.language.words import sentences
from turnfold.summaries.evidence import Evidence
from turnfold.summaries.gate import Gate, add_missed_instructions, judge
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summaries.sentences import ExtractiveSummarizer, extract

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "benchmarks" / "gate_cases.jsonl")
    .read_text()
    .splitlines()
]

IN_LANGUAGES = Path(__file__).parents[2] / "benchmarks" / "languages" / "notes"


def job(*said, first=1, **more):
    """Turns of the user; each may be a pair with what the assistant answers."""
    pairs = [(one, "") if isinstance(one, str) else one for one in said]
    exchanges = [
        [Utterance("user", user), *([Utterance("assistant", told)] if told else [])]
        for user, told in pairs
    ]
    return SummaryJob(first, exchanges, **more)


def refused(turns, text, cited=(1,), **more):
    verdict = judge(turns, SummaryDraft([Item("fact", text, cited, **more)]))
    return [complaint for one in verdict.refused for complaint in one.complaints]


# --- formats ----------------------------------------------------------------------------------

SAME = {
    "1,200": ["1200", "1.2k", "1 200", "1.200", "twelve hundred", "1,200.00", "$1,200"],
    "twelve": ["12", "a dozen", "12.0"],
    "two hundred and fifty": ["250", "two hundred fifty", "250.0"],
    "5 March": ["March 5th", "5th of March", "Mar 5", "the fifth of March", "March 5"],
    "2026-03-05": ["5 March 2026", "March 5th, 2026", "05.03.2026", "5 March", "3/5/2026"],
    "half past two": ["2:30", "2:30 pm", "14:30"],
    "3 pm": ["15:00", "3:00 PM", "3 p.m."],
    "AX-42": ["AX42", "ax-42", "AX 42"],
    "https://a.example/x/": ["a.example/x", "http://www.a.example/x"],
    "Tuesday": ["Tue", "Tuesdays"],
    "5%": ["5 percent", "five percent", "5 %"],
    "1.5 million": ["1,500,000", "1.5M", "1500k"],
}
OTHER = {
    "1,200": ["1,300", "120", "12k", "1.2", "12,000"],
    "twelve": ["13", "twenty", "a hundred"],
    "5 March": ["6 March", "5 May", "March 15", "5 March 2025"],
    "2026-03-05": ["2025-03-05", "6 March 2026", "2026-04-05"],
    "half past two": ["3:30", "2:45"],
    "3 pm": ["4 pm", "3:15", "3 am"],
    "AX-42": ["AX-43", "BX-42", "AX-421"],
    "https://a.example/x/": ["https://a.example/y", "b.example/x"],
    "Tuesday": ["Wednesday", "Thu"],
    "5%": ["6%", "50 percent"],
    "1.5 million": ["1.6 million", "15,000,000", "1,500"],
}


@pytest.mark.parametrize(("said", "told"), [(k, v) for k, vs in SAME.items() for v in vs])
def test_the_same_in_another_format_passes(said, told):
    assert refused(job(f"We settled on {said} then."), f"It was {told} that they settled on.") == []


@pytest.mark.parametrize(("said", "told"), [(k, v) for k, vs in OTHER.items() for v in vs])
def test_another_value_is_refused(said, told):
    assert refused(job(f"We settled on {said} then."), f"It was {told} that they settled on.")


@given(st.integers(2, 10**9), st.integers(2, 10**9))
def test_a_number_passes_if_and_only_if_it_was_said(said, told):
    for shown in (str(told), f"{told:,}", f"{told:_}".replace("_", " ")):
        complaints = refused(job(f"It costs {said:,} in all."), f"The price is {shown} in all.")
        assert bool(complaints) == (said != told)


dates = st.dates(date(1000, 1, 1))


@given(dates, dates)
def test_a_date_passes_if_and_only_if_it_was_said(said, told):
    for shown in (
        f"{told.day} {told:%B %Y}",
        f"{told:%B} {told.day}, {told.year:04}",
        told.isoformat(),
    ):
        complaints = refused(job(f"It is due on {said.isoformat()}."), f"It is due on {shown}.")
        assert bool(complaints) == (said != told)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_passes_if_and_only_if_it_was_said(hour, minute, other, later):
    half = f"{other % 12 or 12}:{later:02} {'pm' if other >= 12 else 'am'}"
    complaints = refused(job(f"The bell rings, at {hour:02}:{minute:02}."), f"It rings at {half}.")
    alike = (hour * 60 + minute, other * 60 + later)
    # Before one o'clock in the afternoon it may be either half of the day.
    same = alike[0] == alike[1] or (hour <= 12 and alike[0] % 720 == alike[1] % 720)
    assert bool(complaints) == (not same)


# --- whatever was said ------------------------------------------------------------------------

words = st.sampled_from(
    ["no", "not", "never", "Ada", "5", "March", "x_1", "is", "isn't", "-", '"', "3.1", "@", "1/2"]
)
said = st.lists(st.one_of(words, st.text(max_size=12)), min_size=1, max_size=12).map(" ".join)


@given(said)
def test_what_was_said_word_for_word_always_passes(text):
    turns = job(text)
    for sentence in sentences(text):
        if sentence.strip():
            assert refused(turns, sentence) == []
            assert refused(turns, f"user: {sentence}") == []


@given(st.text(), st.text())
def test_the_gate_never_fails(source, note):
    Evidence([source]).complaints(note)
    quantities(note)


# --- who said it ------------------------------------------------------------------------------

CLAIM = "The user's bank account is DE00 9999 and the user likes to be called Boss."


def kept(exchange, text, kind="fact", **more):
    """What the gate makes of a note about an exchange of (source, text)."""
    turns = SummaryJob(1, [[Utterance(source, said) for source, said in exchange]], **more)
    known = tuple(item.id for item in turns.known)
    [item] = judge(turns, SummaryDraft([Item(kind, text, (1,), known)])).items
    return item


@pytest.mark.parametrize(
    ("source", "who"),
    [
        ("tool", "a tool said"),
        ("document", "a document said"),
        ("assistant", "the assistant said"),
        ("user", "in a text the user sent"),
    ],
)
@pytest.mark.parametrize("kind", ["fact", "decision", "question", "narrative", "instruction"])
def test_what_only_others_say_of_the_user_is_kept_as_what_they_say(source, who, kind):
    said = "Post:\n\nMy bank account is DE00 9999 and I like to be called Boss."
    item = kept([("user", "What is the weather?"), (source, said)], CLAIM, kind)
    if kind == "narrative" and source == "assistant":
        return
    assert item.text == f"{who}: {CLAIM}"
    assert item.kind != "instruction"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("用户的账号是 9999，喜欢被称为老板。", "用户喜欢被称为老板，账号是 9999。"),
        ("Mein Konto ist die DE00 9999 und ich bin der Chef.", "Die Nummer ist DE00 9999."),
        ("Мой счёт DE00 9999, зови меня Босс.", "Счёт пользователя DE00 9999, его зовут Босс."),
    ],
)
def test_so_it_is_in_other_languages(said, told):
    assert kept([("user", "?"), ("tool", said)], told).text == f"a tool said: {told}"


@pytest.mark.parametrize(
    "text",
    [
        "The user's flight LH1842 to Munich is at 18:05.",
        "LH1842 leaves at 18:05.",
        "The user asked when the flight leaves.",
        "a tool said: the status of gate B12 is open",
        "A tool reported gate B12.",
    ],
)
def test_what_the_user_said_too_or_the_note_attributes_itself_is_kept_as_it_is(text):
    exchange = [
        ("user", "My flight LH1842 goes to Munich. When does it leave?"),
        ("tool", '{"flight": "LH1842", "leaves": "18:05", "gate": "B12", "status": "open"}'),
        ("assistant", "It leaves at 18:05."),
    ]
    assert kept(exchange, text).text == text


def test_what_begins_as_said_by_a_tool_and_goes_on_is_attributed_as_a_whole():
    text = "A tool said it is sunny. The user's account is DE00 9999."
    exchange = [("user", "Well?"), ("tool", "Sunny. The user's account is DE00 9999.")]
    assert kept(exchange, text).text == f"a tool said: {text}"


def test_what_others_say_takes_nothing_away_from_what_the_user_said():
    mine = Item("fact", "The user's account is AB12 3456.", (1,), id="mine")
    theirs = Item("fact", "a tool said: the balance is 40.", (1,), id="theirs")
    exchange = [("user", "Well?"), ("tool", "The user's account is DE00 9999. The balance is 50.")]
    item = kept(exchange, "The account is DE00 9999, the balance 50.", known=[mine, theirs])
    assert item.supersedes == ("theirs",)


# --- names, quotations, citations -------------------------------------------------------------


def test_a_name_has_to_stand_in_the_turns_that_are_cited():
    turns = job("Marta moves to Leeds.", "Greta stays in Bath.")
    assert refused(turns, "Marta moves to Leeds.", (1,)) == []
    assert refused(turns, "The user says Ottilie moves to Leeds.", (1,))
    assert refused(turns, "The user's friend Greta stays in Bath.", (2,)) == []


def test_a_name_from_another_turn_of_the_job_is_no_invention_but_a_number_is():
    turns = job("Marta moves to Leeds.", "Her rent is 840 a month.")
    assert refused(turns, "For her new flat Marta pays a rent of 840.", (2,)) == []
    assert refused(turns, "For her new flat in Leeds Marta pays 840.", (1,))


def test_what_opens_a_sentence_is_a_name_only_in_the_place_of_another():
    turns = job("My colleague Ingrid reviewed the draft of PAY-11 on Monday.")
    assert refused(turns, "Drafted on Monday; reviewed PAY-11 then.") == []
    assert refused(turns, "Ingrid reviewed the draft.") == []
    assert refused(turns, "Sigrid reviewed the draft.")


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("Rozmawiałem z Martą w Krakowie.", "Marta mieszka w mieście Kraków.", "Był z Agatą."),
        ("Бабушка живёт с Мариной в Твери.", "У Марины есть дом: Тверь.", "Живёт с Ольгой."),
        ("Wir ziehen nach Kiel, mit Frau Jessen.", "Der Umzug nach Kiel.", "Umzug nach Bremen."),
        ("Ich wohne mit meiner Frau Marta hier.", "Verheiratet mit Marta.", "Wohnt mit Lucia."),
        ("友人のタケシが来ます。", "タケシは友人。", "友人のヒロシが来る。"),
        ("我们用Redis做缓存。", "缓存用Redis。", "缓存用Kafka。"),
        ("书名是《水上的路》。", "书名:《水上的路》。", "书名:《岸上的路》。"),
    ],
)
def test_names_are_looked_for_as_their_language_has_them(said, right, wrong):
    assert refused(job(said), right) == []
    assert refused(job(said), wrong)


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("我每月存两千五百元。", "每月存2500元。", "每月存3500元。"),
        ("保証金は2億8千万円。", "保証金は280,000,000円。", "保証金は2億3千万円。"),
        ("الإيجار 400 دينار.", "الإيجار ٤٠٠ دينار.", "الإيجار ٥٠٠ دينار."),
        ("किराया १,१४० रुपये है।", "किराया 1,140 रुपये।", "किराया 1,410 रुपये।"),
        ("Trabajo 3 días a la semana.", "Trabaja tres días.", "Trabaja cinco días."),
        ("Treffen am 4. Mai um 14.30 Uhr.", "Am 4. Mai, 14:30.", "Am 5. Mai."),
        ("Vuelvo el 18 de octubre.", "Vuelve el 18 oct.", "Vuelve el 19 de octubre."),
        ("Встреча в пятницу, 1 июля.", "Встреча 1 июля, пятница.", "Встреча 1 июня."),
        ("We leave on 12 April, back the 19th.", "Back on 19 April.", "Back on 18 April."),
        ("Es sind vierhundertdreiundzwanzig Euro.", "Es sind 423 Euro.", "Es sind 432 Euro."),
        (
            "Vi ska betala niotusen sexhundra kronor för den.",
            "De betalar 9 600 kr.",
            "De betalar 9 kr.",
        ),
        (
            "Palkka on kolmetuhatta neljäsataa, eikä se ole vielä kaikki.",
            "Palkka 3 400 €.",
            "Palkka 3 000 €.",
        ),
        ("Це коштує двадцять дві тисячі гривень, і все.", "Ціна 22 000 грн.", "Ціна 2 000 грн."),
        ("Nhà rộng sáu mươi tám mét vuông, ở tầng trên.", "Nhà 68 m².", "Nhà 86 m²."),
        ("Kila mmoja alilipa shilingi elfu nane. " * 5, "Kila mmoja: 8,000.", "Mmoja: 9,000."),
        ("דירה בחמישים ושמונה אלף שקל.", "ב-58,000 שקל.", "ב-68,000 שקל."),
        ("بخمسة وثلاثين ألف جنيه.", "مقابل 35,000 جنيه.", "مقابل 30,000 جنيه."),
        ("月租一萬八千五，住七巷三樓。", "月租18,500元，7巷3樓。", "月租18,005元。"),
        ("單號SD-20934，九千元。", "單號SD-20934，9000元。", "單號SD-2093。"),
        ("納車は午後三時半です。", "納車は15時30分。", "納車は16時30分。"),
        ("El precio es de catorce millones para los dos.", "Son 14.000.000.", "Son 15.000.000."),
        (
            "Harganya empat belas juta, dan itu sudah dengan pajak.",
            "Harganya Rp14.000.000.",
            "Harganya Rp15.000.000.",
        ),
        ("Die Frist ist der dreißigste Juni.", "Frist: 30. Juni.", "Frist: 20. Juni."),
        ("A védés június tizennegyedikén lesz.", "Védés: június 14.", "Védés: június 24."),
        ("We eat at 6.45, under Fairbairn.", "Dinner at 18:45.", "Dinner at 18:15."),
        (
            "It takes an hour and three quarters.",
            "It takes 1¾ hours, 1 h 45 min.",
            "It takes 1 h 55 min.",
        ),
        ("He orders it by the end of May.", "He orders it by 31 May.", "He orders it by 30 May."),
        ("Nos vemos a las siete y media.", "Cita a las 7:30.", "Cita a las 8:45."),
    ],
)
def test_numbers_are_read_in_every_script(said, right, wrong):
    assert refused(job(said), right) == []
    assert refused(job(said), wrong)


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("Wir essen kein Fleisch.", "Sie essen kein Fleisch.", "Sie essen gern Fleisch."),
        ("No comemos carne roja.", "No comen carne roja.", "Comen carne roja."),
        ("Nie jemy mięsa wołowego.", "Nie jedzą mięsa wołowego.", "Jedzą mięso wołowe."),
    ],
)
def test_denials_are_compared_in_the_languages_of_the_list(said, right, wrong):
    assert refused(job(said), right) == []
    assert refused(job(said), wrong)


def test_two_ways_to_say_no_are_no_opposites():
    said = job("Nothing may stand in the stairwell.", "Nothing merged since commit 9f3c2ab.")
    assert refused(said, "No furniture may stand in the stairwell.", (1,)) == []
    assert refused(said, "The last merge was commit 9f3c2ab.", (2,)) == []


def test_what_is_listed_with_what_is_avoided_is_no_opposite():
    said = job("Anneke is pregnant, so no soft cheese or raw fish for her.")
    assert refused(said, "Anneke must avoid soft cheese and raw fish.") == []
    assert refused(said, "Anneke eats raw fish.")


def test_who_changed_their_mind_does_so_no_longer():
    said = job("Rory changed his mind about driving, they take the train.")
    assert refused(said, "Rory no longer drives.") == []


def test_no_more_than_so_many_denies_nothing_of_them():
    said = job("No, not needed. But I never want lists with more than five points from you.")
    assert refused(said, "No packing list is wanted.") == []


def test_a_digit_of_a_hash_proves_no_number():
    said = job("The build 3f9a1c7e-52d4-4b1a-9c0e-7d12aa84f6b3 took long.")
    assert refused(said, "The build took 52 minutes.")
    assert refused(said, "The build is 3f9a1c7e-52d4-4b1a-9c0e-7d12aa84f6b3.") == []


def test_windows_paths_are_paths():
    said = job(r"Save it in C:\Users\ana\reports\q3.xlsx and gs://acme-landing/in, please.")
    assert refused(said, r"The file goes to C:\Users\ana\reports\q3.xlsx.") == []
    assert refused(said, r"The file goes to C:\Users\ben\reports\q3.xlsx.")
    assert refused(said, "It goes to gs://acme-landing/in as well.") == []
    assert refused(said, "It goes to gs://acme-staging/in as well.")


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("I saw the dentist yesterday.", "They saw the dentist on 2 May 2027.", "on 1 May 2027."),
        ("The van comes next Friday.", "The van comes on 7 May.", "The van comes on 6 May."),
        ("Gestern war ich beim Zahnarzt.", "Am 2. Mai war der Zahnarzt.", "Am 4. Juni."),
        ("我昨天去看牙医了。", "5月2日去看牙医。", "5月9日去看牙医。"),
        ("Вчора я була у стоматолога, і він запізнився.", "2 травня 2027.", "5 травня 2027."),
        ("Hôm qua em đi khám răng ở phố cổ.", "Khám răng 2/5/2027.", "Khám răng 12/5/2027."),
        ("Das Abo endet am 15. Juli.", "Abo bis 15. Juli 2027.", "Abo bis 15. Juli 2031."),
        ("A szerződés tegnap jött.", "2027. május 2-án jött.", "2027. május 5-én jött."),
        ("Wczoraj byłem u dentysty.", "Był u dentysty 2 maja 2027.", "Był u dentysty 12 maja."),
    ],
)
def test_a_day_that_is_told_from_another_is_made_a_date(said, right, wrong):
    turns = job(said, days={1: date(2027, 5, 3)})
    assert refused(turns, right) == []
    assert refused(turns, wrong)
    assert refused(job(said), right)


def test_in_a_language_that_is_not_told_a_day_beside_that_of_the_turn_is_no_invention():
    said = (
        "yaar kal maine finally laptop liya, dukaan wale ka naam Gurpreet tha, warranty teen saal "
        "hai but battery pe sirf ek saal, office ka kaam isme nahi karunga"
    )
    turns = job(said, days={1: date(2027, 5, 3)})
    assert refused(turns, "Laptop 2 May 2027 ko liya.") == []
    assert refused(turns, "Laptop 12 May 2027 ko liya.")


def test_without_turns_cited_all_of_them_count():
    turns = job("Marta moves to Leeds.", "Greta stays in Bath.", first=4)
    [item] = judge(turns, SummaryDraft([Item("fact", "Greta stays in Bath.")])).items
    assert item.turns == (4, 5)


def test_a_name_may_be_known_from_the_notes_or_the_turn_before():
    known = [Item("fact", "Marta is the user's sister.", (1,), id="k")]
    turns = job("She moves to Leeds.", first=9, known=known, before=[Utterance("user", "And Ole?")])
    assert refused(turns, "Marta moves to Leeds.", (9,)) == []
    assert refused(turns, "Ole moves to Leeds.", (9,)) == []
    assert refused(turns, "Greta moves to Leeds.", (9,))


def test_what_is_superseded_may_be_said_to_have_been():
    known = [Item("fact", "The launch is on 3 May.", (1,), id="k")]
    turns = job("Make it the 5th of May.", first=9, known=known)
    text = "The launch is on 5 May; it was on 3 May."
    assert refused(turns, text, (9,))
    assert refused(turns, text, (9,), supersedes=("k",)) == []


@pytest.mark.parametrize(("text", "ok"), [("She said “so be it”.", True), ('"so is it"', False)])
def test_a_quotation_is_word_for_word(text, ok):
    assert (refused(job('She said: "So be it, then."'), text) == []) == ok


def test_capitals_tell_nothing_in_german():
    turns = job("Das Angebot ist da und es ist zu teuer für uns.")
    assert refused(turns, "Der Nutzer findet den Preis zu hoch.") == []


# --- negations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("I don't eat pork.", "The user does not eat pork.", "The user eats pork."),
        ("I eat pork.", "The user eats pork.", "The user does not eat pork."),
        ("No aisle seat, please.", "The user wants no aisle seat.", "An aisle seat is wanted."),
        ("It has not arrived.", "It hasn't arrived.", "It has arrived."),
        ("I can't wait to see Rome.", "The user longs to see Rome.", "The user won't see Rome."),
        ("We never signed it.", "It was not signed.", "It was signed."),
        ("The shop is closed.", "The shop is not open.", "The shop is open."),
    ],
)
def test_a_not_put_in_or_left_out_is_noticed(said, right, wrong):
    assert refused(job(said), right) == []
    assert refused(job(said), wrong)


# --- drafts -----------------------------------------------------------------------------------


def test_good_items_are_kept_where_others_are_refused():
    turns = job("Rent is 1,200 in Leeds.")
    verdict = judge(
        turns, SummaryDraft([Item("fact", "Rent is 1,200.", (1,)), Item("fact", "It is 1,300.")])
    )
    assert [item.text for item in verdict.items] == ["Rent is 1,200."]
    assert "1,300" in str(verdict.refused[0])


def test_a_draft_that_says_nothing_is_no_summary():
    with pytest.raises(SummaryError, match="empty"):
        judge(job("a"), SummaryDraft([]))


def test_an_instruction_is_superseded_by_nothing_but_an_instruction():
    known = [Item("instruction", "Always use francs.", (1,), id="k")]
    turns = job("From now on use euros.", first=5, known=known)
    fact = Item("fact", "They use euros.", (5,), ("k",))
    rule = Item("instruction", "From now on use euros.", (5,), ("k",))
    first, second = judge(turns, SummaryDraft([fact, rule])).items
    assert (first.supersedes, second.supersedes) == ((), ("k",))


def test_only_known_items_are_superseded():
    [item] = judge(job("So."), SummaryDraft([Item("fact", "So.", (1,), ("nothing",))])).items
    assert item.supersedes == ()


def test_an_instruction_that_was_overlooked_is_put_in():
    rule = "From now on, quote prices in francs."
    turns = job(f"Hello. {rule} Thanks.", "And now?")
    fact = Item("fact", "They spoke.", (1,))
    assert add_missed_instructions(turns, [fact]) == (fact, Item("instruction", rule, (1,)))
    kept = Item("instruction", rule.rstrip("."), (1,))
    assert add_missed_instructions(turns, [kept]) == (kept,)


@pytest.mark.parametrize(
    "said", ["Should I always use francs?", "I never answer the phone.", "He said from now on."]
)
def test_not_every_always_is_an_instruction(said):
    turns = job((said, "Always answer in French."))
    kinds = [item.kind for item in add_missed_instructions(turns, [])]
    assert kinds == []


# --- the figures ------------------------------------------------------------------------------


def judged():
    for case in CASES:
        turns = job((case["user"], case["assistant"]))
        yield from (("faithful", refused(turns, note)) for note in case["notes"])
        for kind, old, new in case["wrong"]:
            right = next(note for note in case["notes"] if old in note)
            yield kind, refused(turns, right.replace(old, new, 1))


def test_of_wrong_notes_nearly_all_are_caught_and_of_faithful_ones_few_refused():
    """The figures of `benchmarks/bench_gate.py`, which measures them in full."""
    results = list(judged())
    faithful = [bool(why) for kind, why in results if kind == "faithful"]
    wrong = [bool(why) for kind, why in results if kind != "faithful"]
    assert len(faithful) == 200
    assert len(wrong) >= 200
    assert sum(faithful) / len(faithful) <= 0.05
    assert sum(wrong) / len(wrong) >= 0.95


@pytest.mark.parametrize("language", sorted(one.stem for one in IN_LANGUAGES.glob("*.toml")))
def test_the_same_holds_in_every_language(language):
    """The figures of `benchmarks/bench_languages.py --columns notes`."""
    true, wrong = [], {"name": [], "other": []}
    for talk in tomllib.loads((IN_LANGUAGES / f"{language}.toml").read_text("utf-8"))["talk"]:
        turns = job(*map(tuple, talk["turns"]))
        gate = Gate(turns)
        items = [Item(kind, text, tuple(cited)) for kind, cited, text in talk["notes"]]
        true += [bool(gate.judge([item]).refused) for item in items]
        for kind, old, new in talk["wrong"]:
            right = next(item for item in items if old in item.text)
            changed = Item(right.kind, right.text.replace(old, new, 1), right.turns)
            wrong["name" if kind == "name" else "other"].append(bool(gate.judge([changed]).refused))
    assert sum(true) <= 0.04 * len(true)
    assert sum(wrong["other"]) >= 0.94 * len(wrong["other"])
    assert sum(wrong["name"]) >= 0.65 * len(wrong["name"])


# --- the extractive summarizer ----------------------------------------------------------------


def talked():
    return job(
        ("Hello there! How are you?", "Fine, thanks. How can I help?"),
        ("My flight LH1842 leaves Munich at 18:05 on 5 March.", "Noted."),
        ("From now on, answer in French.", "D'accord."),
        ("We decided to rent, not to buy.", "A good choice, I think so too."),
        max_tokens=100,
    )


def test_it_takes_what_has_numbers_names_and_wishes_and_leaves_small_talk():
    items = extract(talked())
    texts = [item.text for item in items]
    assert "user: My flight LH1842 leaves Munich at 18:05 on 5 March." in texts
    assert Item("instruction", "From now on, answer in French.", (3,)) in items
    assert ("decision", (4,)) in [(item.kind, item.turns) for item in items]
    assert not any("How can I help" in text or "Hello" in text for text in texts)
    assert [item.turns for item in items] == sorted(item.turns for item in items)


def test_it_keeps_to_its_room_and_says_the_same_each_time():
    assert extract(talked()) == extract(talked())
    for room in (30, 60, 200, 1_000):
        items = extract(
            job(*[f"Part {n} costs {n * 7} francs." for n in range(60)], max_tokens=room)
        )
        assert 1 <= len(items) <= max(1, room // 12)


@pytest.mark.parametrize(
    "told",
    [
        ["我的家庭医生诊所在菩提路二楼。", "我对花生严重过敏。", "妹妹叫林晓雯，在南京读大学。"],
        ["かかりつけ医は桜通りの二階です。", "ピーナッツに重いアレルギーがあります。"],
        ["คลินิกหมอประจำของฉันอยู่ถนนโพธิ์ชั้นสอง", "ฉันแพ้ถั่วลิสงอย่างรุนแรง"],
    ],
)
def test_it_takes_what_is_said_in_scripts_without_blanks(told):
    items = extract(job(*((one, "好的。") for one in told)))
    assert [f"user: {one}" for one in told] == [
        item.text for item in items if item.text.startswith("user")
    ]


def test_its_own_words_pass_the_gate():
    for case in CASES:
        turns = job((case["user"], case["assistant"]))
        verdict = judge(turns, ExtractiveSummarizer()(turns))
        assert verdict.items
        assert not verdict.refused


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_it_never_fails_and_never_makes_anything_up(texts):
    turns = job(*texts)
    for item in extract(turns):
        said = texts[item.turns[0] - 1]
        told = item.text.removeprefix("user: ").removeprefix("sent by the user: ")
        assert told in said or item.kind == "instruction"


def test_what_is_known_is_not_said_again():
    known = [Item("fact", "user: My flight LH1842 leaves Munich at 18:05 on 5 March.", (2,))]
    turns = talked()
    again = SummaryJob(1, turns.exchanges, known=known, max_tokens=1_000)
    assert known[0].text not in [item.text for item in extract(again)]
