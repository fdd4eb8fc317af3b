"""Small talk asks nothing of the past; a follow-up asks for what it follows up on."""

import pytest
from support.openings import FOLLOW_UPS, SMALL_TALK
from turnfold.recall.openings import is_asking
from turnfold.recall.query import read_opening, recall_probability, without_manner

BEFORE = "How much was the blue boat trailer?"


def wanted(text, *past, earlier=(BEFORE,)):
    """How likely an opening is taken to want the past."""
    asked = read_opening(text, earlier)
    return recall_probability(asked, past) if asked else 0.0


def test_small_talk_asks_nothing():
    assert len(set(SMALL_TALK)) == 100
    taken = [text for text in SMALL_TALK if wanted(text, BEFORE) > 0.05]
    assert len(taken) <= 5, taken


def test_a_follow_up_that_names_nothing_is_read_with_what_it_follows_up_on():
    cases = [(text, case.asked) for case in FOLLOW_UPS for text in case.openings]
    assert len(cases) == 50
    lost = [text for text, before in cases if before not in read_opening(text, [before]).query]
    assert len(lost) <= 5, lost


@pytest.mark.parametrize(
    "follow_up", ["Yes, and with her?", "Oui, et avec elle ?", "Sí, ¿y con ella?"]
)
def test_a_yes_with_a_follow_up_behind_it_is_no_small_talk(follow_up):
    past = "My sister plays the cello in Lisbon."
    assert past in read_opening(follow_up, [past]).query


def test_a_chain_of_follow_ups_goes_back_to_where_something_was_named():
    asked = read_opening("And the third?", ["And the second one?", BEFORE, "Of another matter."])
    assert asked.query.splitlines() == [BEFORE, "And the second one?", "And the third?"]
    assert {"trailer", "boat"} < asked.terms


def test_a_question_that_names_its_matter_stands_alone():
    question = "Which nuts can my sister not eat?"
    assert read_opening(question, [BEFORE]).query == question


@pytest.mark.parametrize(
    "text",
    [
        "Where did we leave the keys?",
        "où sont les clés ?",
        "鍵はどこですか？",
        "أين المفاتيح؟",
        "Tell me again where the keys are.",
        "and what of the keys",
    ],
)
def test_a_question_is_known_by_its_end_or_its_beginning(text):
    assert is_asking(text)


@pytest.mark.parametrize("text", ["The keys are here.", "Have a nice day!", "", "keys"])
def test_a_statement_is_not_taken_for_a_question(text):
    assert not is_asking(text)


ANY_LANGUAGE = {
    "de": ("Herzlichen Dank, sehr gut!", "Und wie viel der zweite?", "Wo wohnt meine Tante?"),
    "nl": ("Oké, heel goed, bedankt!", "En de andere?", "Waar woont mijn tante?"),
    "fr": ("Super, merci beaucoup !", "Et combien l'autre ?", "Où habite ma tante ?"),
    "es": ("¡Perfecto, mil gracias!", "¿Y cuánto el segundo?", "¿Dónde vive mi tía?"),
    "it": ("Va benissimo, grazie mille!", "E quanto il secondo?", "Dove abita mia zia?"),
    "pt": ("Tudo bem, muito obrigada!", "E quanto o outro?", "Onde mora a minha tia?"),
    "pl": ("Super, dzięki wielkie!", "A ile ten drugi?", "Gdzie mieszka moja ciocia?"),
    "ru": ("Понятно, большое спасибо!", "А сколько второй?", "Где живёт моя тётя?"),
    "tr": ("Tamam, çok sağ ol!", "Peki ya diğeri ne kadar?", "Teyzem nerede oturuyor?"),
    "ar": ("تمام، شكرا لك!", "وكم الثاني؟", "أين تسكن خالتي؟"),
    "hi": ("ठीक है, धन्यवाद!", "और दूसरा कितने का?", "मेरी मौसी कहाँ रहती है?"),
    "zh": ("好的，谢谢你！", "那第二个呢？", "我阿姨住在哪里？"),
    "ja": ("なるほど、ありがとう！", "二つ目はいくら？", "叔母はどこに住んでいますか？"),
    "ko": ("네, 정말 고마워요!", "두 번째는 얼마예요?", "이모는 어디에 사나요?"),
    "th": ("เข้าใจแล้ว ขอบคุณมากค่ะ", "แล้วอันที่สองเท่าไหร่", "คุณป้าอยู่ที่ไหน"),
    "uk": ("Чудово, щиро дякую!", "А скільки другий?", "Де живе моя тітка?"),
    "el": ("Εντάξει, ευχαριστώ πολύ!", "Και το δεύτερο πόσο;", "Πού μένει η θεία μου;"),
    "he": ("בסדר, תודה רבה!", "וכמה השני?", "איפה גרה דודה שלי?"),
}  # fmt: skip


@pytest.mark.parametrize("language", ANY_LANGUAGE)
def test_in_any_language(language):
    small_talk, follow_up, question = ANY_LANGUAGE[language]
    assert wanted(small_talk, small_talk) == 0
    assert is_asking(question)
    assert BEFORE in read_opening(follow_up, [BEFORE]).query
    assert read_opening(question, [BEFORE]).query == question


def test_a_language_that_nobody_wrote_down_is_told_by_its_marks_and_length():
    assert wanted("ขอบใจหลายๆ เด้อ", BEFORE) < 0.05
    assert wanted("Tadi mora živi moja tetka?", "Moja tetka živi u Splitu.") > 0.5
    assert "Splitu" in read_opening("A drugi?", ["Koliko košta stan u Splitu?"]).query


def test_a_question_is_still_one_with_a_short_remark_behind():
    assert is_asking("Wo wohnt meine Tante? Antworte bitte kurz.")
    assert not is_asking("Ach ja? " + "Wir waren den ganzen Tag am See. " * 4)


QUESTION = "In which unit do I want lengths?"


@pytest.mark.parametrize(
    "text",
    [
        "{} Answer in a few words.",
        "{} Please answer in German, in at most 3 sentences.",
        "{}\nReply with one word only, no preamble. Thanks!",
        "{} (Keep it short, please.)",
        "{} Don't explain.",
        "{} I only need the number.",
        "Answer in a few words. {}",
        "Briefly: {}",
        "Can you answer in one sentence? {}",
        "(one sentence, please) {} As a list.",
        "In which unit do I want lengths, in a few words?",
    ],
)
def test_how_to_answer_is_no_part_of_what_is_asked(text):
    assert read_opening(text.format(QUESTION)) == read_opening(QUESTION)


@pytest.mark.parametrize(
    "text",
    [
        "What did I say about keeping answers short?",
        'When I start with "short:", how many sentences may you use at most?',
        "How many words should an answer have?",
        "Which table, list or format did I choose?",
        "Shorter, please.",
    ],
)
def test_what_is_asked_about_answers_stays(text):
    assert without_manner(text) == text


@pytest.mark.parametrize(
    ("question", "manner"),
    [
        ("Wo steht mein Auto?", "In zwei Sätzen, bitte."),
        ("Waar staat mijn auto?", "Antwoord kort, zonder uitleg."),
        ("Où ai-je garé la voiture ?", "Réponds en une phrase."),
        ("¿Dónde está mi coche?", "Sé breve, sin explicaciones."),
        ("Dov'è la mia macchina?", "Rispondi in tre parole."),
        ("Onde está o meu carro?", "Em poucas palavras, por favor."),
        ("On és el meu cotxe?", "Respon breument, si us plau."),
        ("Unde este mașina mea?", "Răspunde scurt, te rog."),
        ("Gdzie stoi mój samochód?", "Odpowiedz jednym zdaniem, proszę."),
        ("Kde stojí moje auto?", "Odpověz stručně, prosím."),
        ("Var står min bil?", "Svara kort, utan förklaring."),
        ("Hvor står min bil?", "Svar i to sætninger, tak."),
        ("Hvor står bilen min?", "Svar med få ord, takk."),
        ("Missä autoni on?", "Vastaa lyhyesti, kiitos."),
        ("Hol van az autóm?", "Röviden válaszolj, kérlek."),
        ("Arabam nerede?", "Kısaca cevap ver, lütfen."),
        ("Di mana mobil saya?", "Jawab dengan singkat."),
        ("Xe của em ở đâu?", "Trả lời ngắn gọn nhé."),
        ("Где стоит моя машина?", "Ответь одним словом, пожалуйста."),
        ("Де стоїть моя машина?", "Відповідай коротко, будь ласка."),
        ("Πού είναι το αυτοκίνητό μου;", "Απάντησε με λίγες λέξεις."),
        ("أين سيارتي؟", "أجب في جملة واحدة من فضلك."),
        ("ماشین من کجاست؟", "کوتاه جواب بده لطفا."),
        ("איפה המכונית שלי?", "ענה בקצרה, בבקשה."),
        ("मेरी गाड़ी कहाँ है?", "संक्षेप में जवाब दो।"),
        ("আমার গাড়ি কোথায়?", "সংক্ষেপে উত্তর দিন।"),
        ("Որտե՞ղ է իմ մեքենան։", "Կարճ պատասխանիր, խնդրում եմ։"),
        ("என் கார் எங்கே?", "சுருக்கமாக பதில் சொல்லுங்கள்."),
        ("我的车停在哪里？", "请用一句话回答。"),
        ("車はどこに止めましたか？", "一言で答えてください。"),
        ("제 차는 어디에 있나요?", "짧게 대답해 주세요."),
        ("รถของฉันอยู่ที่ไหน?", "ตอบสั้นๆ นะครับ"),
        ("Wo steht mein Auto?", "Answer in one sentence."),
    ],
)
def test_how_to_answer_is_known_in_the_language_of_the_opening(question, manner):
    assert without_manner(f"{question} {manner}") == question
    assert without_manner(f"{question}\n({manner})") == question


@pytest.mark.parametrize(
    "text",
    [
        "Wie kurz soll eine Antwort sein?",
        "Combien de phrases au maximum pour la lettre à Zoé ?",
        "¿Qué palabras debía aprender, cuántas frases y qué poema?",
        "回答要多短？",
        "Коротко.",
        "Да, а у неё?",
        "Так, а у них?",
    ],
)
def test_what_is_asked_about_answers_stays_in_any_language(text):
    assert without_manner(text) == text


def test_a_question_whose_words_stand_in_the_past_wants_it_most():
    question = "What did the dentist say about my crown?"
    past = "The dentist said the crown costs 640 euros."
    assert wanted(question, past) > wanted(question, "The roses want lime-free compost.") > 0.5


def test_a_long_statement_that_brings_its_own_details_wants_little():
    story = "I planted the roses by the fence today and then the rain came. " * 8
    assert wanted(story, "The roses want lime-free compost in March.") < 0.05
    assert wanted(f"{story} Can you help me plan the beds?", story) < 0.5


def test_a_long_opening_is_looked_for_by_its_two_ends():
    words = [f"word{number}" for number in range(500)]
    query = read_opening(" ".join(words)).query.split()
    assert query == [*words[:80], *words[-80:]]


@pytest.mark.parametrize(
    "text",
    [
        "How did you recommend structuring the sprint?",
        "Which of the two varnishes you suggested dries faster?",
        "What was your advice about the lease?",
        "Was hast du mir zum Boot geraten?",
        "Quel vernis m'as-tu conseillé, et qu'as-tu dit du bois ?",
        "¿Qué barniz me recomendaste para el barco?",
        "你推荐的清漆叫什么？",
    ],
)
def test_what_the_assistant_said_is_asked_for(text):
    assert read_opening(text).of_assistant


@pytest.mark.parametrize(
    "text",
    [
        "Which varnish did I choose for the boat?",
        "Would you suggest a varnish for the boat?",
        "What did the dentist advise about my crown?",
        "Which varnish did my sister tell me about?",
        "Welchen Lack habe ich für das Boot genommen?",
    ],
)
def test_what_somebody_else_said_is_asked_for(text):
    assert not read_opening(text).of_assistant
