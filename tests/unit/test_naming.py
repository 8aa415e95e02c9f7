# SPDX-License-Identifier: Apache-2.0
"""What people are called is taken, in every script; what deceives whoever reads a list is not."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import NameAlike, NameTaken, NameUnfit, ResidentUnknown
from edge_gate.core.output import escape
from edge_gate.rules.lookalikes import PROTOTYPES
from edge_gate.rules.naming import FORGOTTEN_SHOWN, LONGEST_NAME, kept_name, kept_words, lookalike, normal
from edge_gate.store.database import Store
from edge_gate.store.people import residents
from tests.support.clocks import HeldClock

# Names as people have them: one a line, a script or an orthography at a time.
PEOPLE: Final = """
Ann; Bo; J. R. Smith; J.R.R. Tolkien; Mary-Jane Watson; O'Brien; O’Brien; D’Angelo; 't Hooft; ’t Hoff; Vincent van Gogh
Martin Luther King, Jr.; Ramón y Cajal; Mª Carmen; José Ortega; Núria Gal·la; Peña; Åsa; Øystein; Žižek; Łukasz; Şule
Ağaoğlu; Işık; İbrahim; Ţepeş; Țepeș; Gheorghe; Őrsi; Zoë; François; Çelik; Þóra; Ðórhallur; Æthelred; Müller; Weiß
Straße; Ħal; Ġorġ; Ngũgĩ wa Thiong'o; Thiongʼo; Kāʻanāʻanā; Kalākaua; ǃGaeb; Nǃxau; Ọláolúwa; Ẹniọlá; Əliyev; Ŋaari
Nguyễn Thị Ánh; Trần Đại Quang; Võ Nguyên Giáp; Ưng Hoàng Phúc; Tan Ah Kow @ Tan Teck; Raj a/l Kumar; Siti binti Ahmad
Ĳsbrand; Nuñez; Dvořák; Čapek; Ľudmila; Kristīne; Ğülay; Xóchitl; Tlālōc; Wałęsa; Mary Ann 2; Ann, flat 3
Анна Каренина; Лев Николаевич Толстой; Ђорђе; Љубица; Їжакевич; Є. П. Кирилюк; Ўзбек; Қанат; Нұрсұлтан; Ө. Батбаяр
Артём; Шостаковіч; Наталья-Мария; Мар'яна; Зоряна; Хӕрзиуӕг; Аҧсуа; Ӏиса
Γιώργος Παπαδόπουλος; Ἀριστοτέλης; Ελένη; Άννα; Νίκος Καζαντζάκης
Արամ Խաչատրյան; Մհեր; Նարեկ; გიორგი; შოთა რუსთაველი; ნინო
יוסף; שרה; דוד בן־גוריון-לוי; צ׳ארלס; מֹשֶׁה; רָחֵל
محمد; فاطمة الزهراء; أحمد بن محمد; عبد الله; مُحَمَّد; يحيى; إبراهيم; نورة; آدم
علی‌رضا; فاطمه‌زهرا; می‌نا; گل‌ناز; زهرا‌سادات; ژاله; پروین; چنگیز; بهروز
ګل مېنه; څوک; ډاکټر; عائشہ; ثریا; ڈاکٹر; گڑیا; ئەحمەد; ھېيتگاھ; ۋاڭ; ڪريم; ٻڍو
राम कुमार शर्मा; कृष्ण; क्‍षितिज; श्री; ज्ञान; मैत्रेयी; रवीन्द्र; प्रियङ्का; डॉ. वर्मा
রবীন্দ্রনাথ ঠাকুর; জ্যোতি; র‍্যাব; শেখ হাসিনা; ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ; ગાંધી; ଜଗନ୍ନାଥ; தமிழ்ச்செல்வி; ஸ்ரீனிவாசன்
శ్రీనివాస్; విశ్వనాథ్; ಕೃಷ್ಣ; ರಾಮ; മോഹൻലാൽ; അമ്മു; ක්‍රිෂාන්; ශ්‍රී; ලක්ෂ්මී
สมชาย; น้ำฝน; ปราโมทย์; ชื่นจิตร; เพ็ญศรี; ສົມພອນ; ນ້ຳ; កុសល; ស្រីពៅ; အောင်ဆန်းစုကြည်; မြင့်; བསྟན་འཛིན; རྒྱ་མཚོ
王小明; 欧阳娜娜; 阿里木·买买提; 古丽娜尔·艾山; 𠮷田; 𠀋; 㐂; 龍; 髙橋; 﨑山; 佐々木; 〇〇; 王Leo
山田 太郎; さくら; タロウ; マイケル・ジャクソン; ヨーコ; あゆみ; 渡邉; ﾔﾏﾀﾞ ﾀﾛｳ
김민준; 남궁 민; 李 영애; 박지성; ㄅㄆ; ꆈꌠ
ᏍᏏᏉᏯ; አበበ ቢቂላ; ኃይለ ሥላሴ; ትዕግሥት; ᠮᠣᠩᠭᠣᠯ; ⵎⴰⵙⵉⵏ; ߒߞߏ; ꤊꤢ꤬; ᱥᱟᱱᱛᱟᱲᱤ; ܝܘܚܢܢ; ޙަސަން; ᐃᓄᒃ; ᜃ; 𞤀𞤣𞤢𞤥
"""
NAMES: Final = [each.strip() for line in PEOPLE.strip().splitlines() for each in line.split(";")]
DECEIVES: Final = {
    "what stands in a name's place": [FORGOTTEN_SHOWN, "（forgotten）", "❨forgotten❩", "⟮forgotten⟯", "﴾forgotten﴿"],
    "what cannot be seen": [
        *("", " ", "\u3164", "\uffa0", "\u115f", "\u1160", "\u2800", "\u180e", "\u00ad", "\u034f", "\u200b", "\u2060"),
        *("\u200d", "\u200c", "\ufeff", "\U0001d159", "\u17b4", "\u061c", "\ufe0f", "\U000e0101", "\U000e0041"),
        *("Ann\u3164", "Ann\u2800", "An\u200bn", "A\u200dnn", "A\u200cnn", "Ann\u00ad", "An\u034fn", "Ann\ufe0f"),
    ],
    "two scripts in a word": ["Аlice", "Alicе", "Αnna", "Ρaul", "Вob", "Ꭺnn", "аnn", "Оl", "Ivаn", "Ann①", "Ꮪam"],
    "letters in costume": ["𝐀lice", "𝓐𝓷𝓷", "Ⓐnn", "Aⁿⁿ", "🄰nn", "𝔸nn", "Annᵃ", "𝖠𝗇𝗇"],
    "a terminal's words": ["Ann\x1b[2J", "Ann\nBob", "Ann\x00", "Ann\u2028Bob", "\u202egpj", "\u2067Ann", "\ud800"],
    "heaps of marks": ["A\u0301\u0301nn", "n" + "\u0300\u0301\u0302\u0303\u0304\u0305", "\u0301Ann", "Ann \u0301"],
    "no name": ["-", "...", "'", "·", "👤", "Ann 👤", "<b>Ann</b>", "[Ann]", "Ann|Bob", "\u2713", "Ann\ue000", "?"],
}  # fmt: skip
# What is enrolled already, and what looks like it.
TWINS: Final = [
    ("Alice", ["alice", "ALICE", "AIice", "A1ice", "АӀісе", "Alıce", "aLiCe", " Alice "]),
    ("Ace", ["Асе", "аСе", "ACE"]),
    ("Carmen", ["Carrnen", "carmen"]),
    ("O'Brien", ["O’Brien", "O‘Brien", "0'Brien"]),
    ("Mary-Jane", ["Mary‐Jane", "mary-jane"]),
    ("Roman", ["Rornan"]),
    ("Paul", ["PauI"]),
    ("Straße", ["Strasse", "STRASSE"]),
    ("صادق", ["صادق"]),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", bytes(32), HeldClock()) as opened:
        yield opened


def enrol(store: Store, name: str) -> None:
    """As the verb of the gate does."""
    residents.refuse_alike(store, kept_name(name))
    residents.add(store, name)


@pytest.mark.parametrize("name", NAMES)
def test_what_somebody_is_called_is_a_name_and_is_kept_as_it_is_written(name: str) -> None:
    kept = kept_name(name)
    assert unicodedata.normalize("NFKC", kept).replace("\u200c", "") == unicodedata.normalize("NFKC", name).replace(
        "\u200c", ""
    )
    assert kept_name(kept) == kept == kept_words(name)
    assert escape(kept) == kept, "and shown as it is"


def test_all_of_them_can_live_in_one_house(store: Store) -> None:
    """Two of the table that look alike are told at once here; a joiner is no difference that can be seen."""
    for name in NAMES:
        try:
            enrol(store, name)
        except NameAlike:
            assert name in {"O’Brien", "Straße"}


@pytest.mark.parametrize("name", [name for names in DECEIVES.values() for name in names], ids=ascii)
def test_what_deceives_is_no_name_and_no_words(name: str) -> None:
    with pytest.raises(NameUnfit) as refused:
        kept_name(name)
    assert str(refused.value).isprintable(), "and the refusal is safe to print"


@pytest.mark.parametrize("name", [*DECEIVES["what cannot be seen"], *DECEIVES["two scripts in a word"]], ids=ascii)
def test_who_gave_consent_is_held_to_the_same(name: str) -> None:
    with pytest.raises(NameUnfit):
        kept_words(name)
    assert kept_words("her mother (by phone): Анна Smith; flat 3") == "her mother (by phone): Анна Smith; flat 3"


@pytest.mark.parametrize(("name", "twin"), [(name, twin) for name, twins in TWINS for twin in twins])
def test_a_name_that_looks_like_one_that_is_enrolled_is_refused_and_says_which(
    store: Store, name: str, twin: str
) -> None:
    enrol(store, "Bo")
    enrol(store, name)
    with pytest.raises(NameTaken) as refused:
        enrol(store, twin)
    assert repr(name) in str(refused.value)
    assert [each.name for each in residents.everyone_known(store) if each.name not in ("Bo", name)] == []


@pytest.mark.parametrize("name", ["Alicia", "José", "Alice B.", "Alice, flat 2", "Элис"])
def test_a_name_that_can_be_told_apart_is_taken(store: Store, name: str) -> None:
    for each in ("Alice", "Jose"):
        enrol(store, each)
    enrol(store, name)
    assert residents.find(store, name).name == name


def test_a_name_of_before_the_rule_is_still_found_shown_and_forgotten(store: Store) -> None:
    """Stores have them: nothing is lost, and who has one can go."""
    for number, name in enumerate(("(forgotten)", "\u3164", "Аlice", "A\u200dnn", "علی‌ا", "Two  blanks", "ann", "Ann")):
        row = {"id": str(UUID(int=number)), "name": name, "created_at": "2026-01-01T00:00:00.000+00:00"}
        store.insert("resident", row)
        assert residents.find(store, name).id == str(UUID(int=number))
    assert len(residents.everyone_known(store)) == 8
    with pytest.raises(NameAlike):
        enrol(store, "Alice")
    for number, name in enumerate(("(forgotten)", "\u3164", "Аlice", "A\u200dnn")):
        assert residents.forget(store, name)
        with pytest.raises(ResidentUnknown):
            residents.find(store, str(UUID(int=number)))


@given(st.text(max_size=LONGEST_NAME + 10))
def test_any_text_is_refused_or_is_kept_in_one_form_that_shows_as_it_is(text: str) -> None:
    try:
        kept = kept_name(text)
    except NameUnfit as refused:
        assert str(refused).isprintable()
        return
    assert kept_name(kept) == normal(kept) == kept and escape(kept) == kept
    assert not set(kept) & set("()[]<>") and any(each.isalnum() for each in kept)
    assert not any(unicodedata.category(each) in ("Cc", "Cs", "Co", "Zl", "Zp", "So") for each in kept)


@given(st.sampled_from(NAMES), st.data())
def test_a_name_with_something_that_cannot_be_seen_is_refused_or_is_the_same_name(
    name: str, data: st.DataObject
) -> None:
    hidden = data.draw(st.sampled_from("\u200b\u200c\u200d\u2060\u00ad\u034f\u3164\u2800\ufeff\u202e\ufe0f\u00a0"))
    at = data.draw(st.integers(0, len(name)))
    changed = name[:at] + hidden + name[at:]
    try:
        kept = kept_name(changed)
    except NameUnfit:
        return
    assert hidden == "\u00a0" or lookalike(kept, kept_name(name)) is not None


@given(st.sampled_from(NAMES), st.data())
def test_a_name_in_which_letters_were_exchanged_for_their_likes_is_refused_or_found_alike(
    name: str, data: st.DataObject
) -> None:
    kept = kept_name(name)
    likes = [(like, of) for like, of in PROTOTYPES.items() if of in kept]
    if not likes:
        return
    like, of = data.draw(st.sampled_from(likes))
    changed = kept.replace(of, like)
    try:
        deceiving = kept_name(changed)
    except NameUnfit:
        return
    assert lookalike(deceiving, f"Bo\n{kept}\nAnn") == kept


def test_no_prototype_looks_like_another_so_that_the_order_does_not_matter() -> None:
    assert not [of for of in PROTOTYPES.values() if set(of) & PROTOTYPES.keys()]


@given(st.lists(st.sampled_from(NAMES), unique=True, max_size=8), st.sampled_from(NAMES))
def test_the_like_of_a_list_is_the_like_of_one_of_its_lines(names: list[str], name: str) -> None:
    alone = [each for each in names if lookalike(name, each) is not None]
    assert (lookalike(name, "\n".join(names)) in alone) if alone else lookalike(name, "\n".join(names)) is None
