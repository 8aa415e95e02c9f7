# SPDX-License-Identifier: Apache-2.0
"""What people may be called: by whoever types a name, by the gate and by the store alike.

Allowed is what people are called, in any script; forbidden is what deceives whoever reads a list. Letters, marks and
digits, joiners where a script needs them, and the few signs that stand in names (PRECIS, RFC 8264; its context rules,
RFC 5892). No word of letters out of scripts that are not written together, and no name that looks like another one
(Unicode's UTS 39). Parentheses are no part of a name: what is shown in a name's place stands in them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from edge_gate.core.errors import NameUnfit
from edge_gate.rules.lookalikes import prototype

LONGEST_NAME: Final = 100
FORGOTTEN_SHOWN: Final = "(forgotten)"
"""What a list shows in the place of the name of somebody who was forgotten."""

# Apostrophes, hyphens, the dots of initials and between parts, the commas and signs of official names (Tan @ Ong, a/l),
# and what Hebrew, Armenian and Tibetan have in their place.
_SIGNS: Final = frozenset(" '\u2018\u2019-\u2010.,/@\u00b7\u30fb\u05f3\u05f4\u05be\u058a\u0f0b")
_SPACES: Final = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
# After a letter that joins to none that follows, the non-joiner of Persian changes nothing and can only hide.
_IDLE_JOINER: Final = re.compile(
    "(?<=[\u0622\u0623\u0624\u0625\u0627\u0629\u062f-\u0632\u0648\u0671\u0688\u0691\u0698\u06c0\u06d2])\u200c"
)
_BEFORE_VIRAMA: Final = re.compile("(?<=[\u0995-\u09b9])\u200d(?=\u09cd)")
# Letters that are another one in other clothes. Of those that are raised two stand in names: Ma. and No. in Spanish.
_COSTUMES: Final = ("<font>", "<circle>", "<square>", "<sub>", "<super>", "<vertical>", "<small>")
_RAISED: Final = "\u00aa\u00ba"
_WIDTHS: Final = ("<wide>", "<narrow>")
_MOST_MARKS: Final = 4
# Scripts by the first word of a letter's name in Unicode, where that is not the script's.
_SCRIPTS: Final = {"IDEOGRAPHIC": "CJK", "EXTENDED": "ARABIC", "FEMININE": "LATIN", "MASCULINE": "LATIN"}
_TOGETHER: Final = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
# Planes of rare Chinese characters. Every year brings some that this Python does not know yet.
_RARE_FROM, _RARE_TO = 0x20000, 0x3FFFD
# Signs of one look, and joiners, which have none.
_SAME: Final = {
    **dict.fromkeys("\u200c\u200d", ""),
    **dict.fromkeys("\u2018\u2019\u02bc\u02bb\u05f3\u02b9\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\ua78b\ua78c\u0374", "'"),
    **dict.fromkeys("\u2010\u058a\u05be", "-"),
    **dict.fromkeys("\u30fb\ua78f\u318d", "\u00b7"),
}


def normal(name: str) -> str:
    """Return the name as it is kept: in Unicode's form NFC and usual widths, with single blanks, and no idle joiner."""
    usual = "".join(
        unicodedata.normalize("NFKC", each) if unicodedata.decomposition(each).startswith(_WIDTHS) else each
        for each in name
    )
    return unicodedata.normalize("NFC", _IDLE_JOINER.sub("", _SPACES.sub(" ", usual).strip()))


def kept_name(name: str) -> str:
    """Return the name as it is kept. Raises NameUnfit for what nobody is called, or would deceive."""
    name = normal(name)
    if not name or len(name) > LONGEST_NAME:
        raise NameUnfit(f"a name has 1 to {LONGEST_NAME} characters, this one {len(name)}")
    for each in name:
        if not (_is_of_a_word(each) or each in _SIGNS):
            raise _forbidden(each)
    return _judged(name)


def kept_words(text: str) -> str:
    """Return a text about a person, such as who gave consent: a name, or words with any signs beside it.

    Raises NameUnfit as `kept_name` does.
    """
    text = normal(text)
    for each in text:
        if not (_is_of_a_word(each) or unicodedata.category(each)[0] == "P" or each in " +=<>|~$"):
            raise _forbidden(each)
    return _judged(text)


def lookalike(name: str, listed: str) -> str | None:
    """Return which of the listed names, one a line, cannot be told from this one by looking; None where all can."""
    for wanted, shapes in zip(_shapes(name), _shapes(listed), strict=True):
        if wanted in shapes and wanted in (lines := shapes.split("\n")):
            return listed.split("\n")[lines.index(wanted)]
    return None


def _shapes(text: str) -> tuple[str, str]:
    """Return what a text looks like to whoever minds no case: with cases made one first, and at last."""
    plain = unicodedata.normalize("NFKD", text)
    for each in _SAME.keys() & set(plain):
        plain = plain.replace(each, _SAME[each])
    return prototype(plain.casefold()), prototype(prototype(plain).casefold())


def _judged(text: str) -> str:
    if not any(unicodedata.category(each)[0] in "LN" for each in text):
        raise NameUnfit("a name has a letter")
    _judge_context(text)
    _judge_marks(text)
    for word in text.split():
        scripts = {script for each in word if (script := _script(each))}
        if len(scripts) > 1 and not any(scripts <= each for each in _TOGETHER):
            raise NameUnfit(
                f"in the word {word!r} are letters of {' and '.join(sorted(map(str.capitalize, scripts)))}, which look"
                " alike. Type the whole word in one script"
            )
    return text


def _is_of_a_word(character: str) -> bool:
    if _is_rare(character):
        return True
    if unicodedata.decomposition(character).startswith(_COSTUMES) and character not in _RAISED:
        return False
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd" or character in "\u3007\u200c\u200d"


def _judge_context(text: str) -> None:
    """Refuse what PRECIS disallows: what cannot be seen, and what is only allowed beside others, where it stands alone.

    Two are ours to judge: Chinese and Catalan have the middle dot between any letters, and Bengali a joiner before a
    virama as well as behind it.
    """
    from precis_i18n import get_profile  # two megabytes, for an enrolment

    plain = _BEFORE_VIRAMA.sub("-", text.replace("\u00b7", "-"))
    plain = "".join("\u4e00" if _is_rare(each) else each for each in plain)
    try:
        get_profile("FreeFormClass").enforce(plain)
    except UnicodeEncodeError as error:
        raise _forbidden(text[error.start], " there" if text[error.start] in "\u200c\u200d" else "") from error


def _judge_marks(text: str) -> None:
    before, marks = " ", list[str]()
    for each in unicodedata.normalize("NFD", text):
        category = unicodedata.category(each)
        if category[0] == "M" and before == " ":
            raise NameUnfit("a word begins with an accent or another mark that belongs on a letter")
        marks = [*marks, each] if category == "Mn" else []
        if len(marks) > _MOST_MARKS or marks[-2:] == [each, each]:
            raise NameUnfit("too many marks are heaped on one letter")
        before = each


def _script(character: str) -> str:
    """Return the script of a letter or digit; "" for what all scripts share."""
    if _is_rare(character):
        return "CJK"
    if unicodedata.category(character)[0] not in "LN" or character in "0123456789":
        return ""
    first = unicodedata.name(character, "").replace("-", " ").split()[:1]
    return "" if first == ["MODIFIER"] or not first else _SCRIPTS.get(first[0], first[0])


def _is_rare(character: str) -> bool:
    return _RARE_FROM <= ord(character) <= _RARE_TO


def _forbidden(character: str, where: str = "") -> NameUnfit:
    return NameUnfit(f"the character U+{ord(character):04X} cannot be part of a name{where}")
