"""By which terms texts are found, in any language."""

import pytest
from turnfold_stores.search.stemming import language_of, stem
from turnfold_stores.search.terms import alternatives, asked_for, terms, words

SAID = {
    "en": ("We painted the two old boats.", "Which boat did I paint?"),
    "de": ("Wir haben die alten Häuser gestrichen.", "Welches Haus ist das?"),
    "nl": ("Ik heb twee katten en een hond.", "Welke kat heb ik?"),
    "fr": ("J'ai réservé une table avec mes amies.", "Qui a fait la réservation avec l'amie ?"),
    "es": ("Mis perros viven en Córdoba.", "¿Dónde vive mi perro?"),
    "it": ("Le mie sorelle abitano a Bari.", "Dove abita mia sorella?"),
    "pt": ("As minhas irmãs moram no Porto.", "Onde mora a minha irmã?"),
    "pl": ("Moja siostra mieszka w Gdańsku.", "Gdzie mieszkają moje siostry?"),
    "ru": ("Моя машина стоит на синей парковке.", "Где я оставил машину?"),
    "tr": ("Arabam şu mavi bölgede.", "Arabayı nerede bıraktım, hangi bölge?"),
    "ar": ("تعيش أختي في القاهرة", "أين المدرسة في قاهرة هذه؟"),
    "hi": ("मेरी बहनें दिल्ली में रहती हैं।", "मेरी बहन कहाँ है?"),
    "sv": ("Mina systrar bor i Lund.", "Var bor min syster?"),
    "el": ("Το αυτοκίνητο είναι στο υπόγειο.", "Πού είναι τα αυτοκίνητα;"),
    "fi": ("Minun autoni on sinisellä alueella.", "Missä on autot?"),
    "hu": ("Az autók a kék zónában vannak.", "Hol van az autó?"),
    "hy": ("Իմ քույրը ապրում է Գյումրիում և ունի շուն։", "Որտեղ է ապրում քույրս, կամ շունը"),
    "ta": ("என் வீடு மதுரையில் உள்ளது.", "வீடு எங்கே?"),
    "zh": ("我的家庭医生诊所在菩提路。", "哪个医生？"),
    "ja": ("かかりつけの病院は二階です。", "どの病院ですか？"),
    "ko": ("강아지의 이름은 콩이입니다.", "강아지 이름이 뭐예요?"),
    "th": ("หมอของฉันอยู่ที่ถนนสีลม", "คลินิกหมออยู่ถนนอะไร"),
}  # fmt: skip


@pytest.mark.parametrize("language", SAID)
def test_a_question_meets_other_forms_of_its_words(language):
    text, question = SAID[language]
    assert language_of(text) == language
    found = set(terms(text))
    assert any(found.intersection(one) for one in alternatives(question)), alternatives(question)


def test_a_word_of_any_script_has_a_term():
    first = ["".join(map(chr, range(code, code + 64))) for code in range(0, 0x20000, 64)]
    for letters in (one for one in first if any(map(str.isalpha, one))):
        assert terms(letters)
        assert alternatives(letters)


@pytest.mark.parametrize("language", SAID)
def test_in_one_text_a_word_of_a_question_has_one_term(language):
    found = set(terms(SAID[language][0]))
    for one in alternatives(" ".join(question for _, question in SAID.values())):
        assert len(found.intersection(one)) <= 1


def test_a_question_without_small_words_meets_texts_of_any_language():
    for text in ("Mis perros viven aquí con la tía.", "Perro perdido"):
        assert any(set(terms(text)).intersection(one) for one in alternatives("perros"))


def test_a_stem_of_another_language_is_not_met():
    """In French "wine" would have the stem of "win"."""
    (wine,) = alternatives("wine")
    assert set(terms("We will win this")).isdisjoint(wine)
    assert set(terms("That wine is good")) & set(wine)


def test_case_accents_strokes_and_forms_of_unicode_do_not_matter():
    assert words("CAFÉ café cafe\u0301 ｃａｆｅ") == ["cafe"] * 4
    assert words("Łódź Straße Ærø İzmir") == ["lodz", "strasse", "aero", "izmir"]
    assert words("ПРИВЕТ ёлка й") == ["привет", "елка", "и"]
    assert words("أُخْتي") == words("اختي")


def test_signs_belong_to_their_letters():
    assert words("हिन्दी की कक्षा") == ["हिन्दी", "की", "कक्षा"]
    assert words("ガ カ") == ["ガ", "カ"]


def test_digits_of_every_script_are_digits():
    assert words("٣٤ ३४ ３４ 34") == ["34"] * 4


def test_scripts_without_blanks_are_cut_into_pairs():
    assert words("日本酒") == ["日", "本", "酒", "日本", "本酒"]
    assert words("Python3を使う") == ["python3", "を", "使", "う"]
    assert words("แมว") == ["แม", "มว"]


def test_small_words_are_left_out_but_where_there_are_no_others():
    assert terms("the house and the garden") == ["hous", "garden"]
    assert terms("that it is") == ["that", "it", "is"]
    assert terms("das Haus und der Garten") == ["haus·de", "gart·de"]
    assert alternatives("die") == [(word,) for word in terms("die")] or alternatives("die")


def test_a_store_is_asked_for_a_bounded_number_of_terms():
    question = " ".join(f"word{'x' * n}" for n in range(1, 60)) * 2
    assert len(asked_for(question)) < 1_000
    assert len(asked_for("的医院" * 500 + " ".join(map(chr, range(0x4E00, 0x4F00))))) < 100


def test_stems_are_for_comparing():
    assert stem("Bücher", "de") == stem("Buch", "de") == "buch"
    assert stem("Martą", "pl") == stem("Marta", "pl")
    assert stem("boats") == stem("boat") == "boat"
    assert stem("boats", "xx") == "boats"
    assert stem("x" * 100 + "s") == "x" * 100 + "s"


def test_the_language_of_a_text_is_that_of_most_of_its_small_words():
    assert language_of("") == language_of("AX-42 / 17") == ""
    assert language_of('He said "die Katze" and then it was gone') == "en"
    assert language_of("Мы живём здесь, not there") == "ru"
