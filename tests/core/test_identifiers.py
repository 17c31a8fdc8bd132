"""The identifiers of a person, and the id that is made of them, which is never one of the site's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking import Account
from bot_linking.core import marks
from bot_linking.core.errors import IdentifierRefused
from bot_linking.core.identifiers import Identifiers, account_after
from bot_linking.core.links import Link, from_ms
from bot_linking.core.marks import folded, stripped

BLANK = [
    "",
    " ",
    "\u00a0",
    "\u3000 ",
    "\t\r\n",
    "\u200b",
    "\ufeff",
    "\u3164",
    "\u2800",
    "\u00ad\u2060",
    "\ufe0f",
]
ALIKE = {
    "mary-ann": [
        "mary‐ann",
        "mary‑ann",
        "mary–ann",
        "mary－ann",
        "ｍａｒｙ-ann",
        "mary\u200b-ann",
        "mary\u00ad-ann",
    ],
    "o'hara": ["o’hara", "oʼhara", "o‘hara"],
    "find ada": ["ﬁnd ada", "find\u00a0ada", "find\u3000 ada", "find\u2009ada", "f\u200dind ada"],
    "+44 1815": ["＋44 1815", "+４４ 1815", "+44\u202f1815"],
}


def link_of(account: Account) -> Link:
    return Link(
        "page", "psid", account.id, account.username, account.email, account.phone_number, "login",
        from_ms(0), from_ms(0),
    )  # fmt: skip


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("name", ["username", "email", "phone_number"])
def test_an_identifier_without_a_visible_character_counts_as_missing(name: str, blank: str) -> None:
    with pytest.raises(IdentifierRefused, match="is needed"):
        Identifiers(**{name: blank})
    given = Identifiers(**{"username": "ada", "email": "a@x", "phone_number": "1", name: blank})
    assert getattr(given, name) is None


@pytest.mark.parametrize(
    "typed", [" ada", "ada ", "\u3000ada\u00a0", "ada\r\n", "\ufeffada", "\u200b ada \u200b", "\tada"]
)
def test_invisible_characters_at_its_ends_are_removed(typed: str) -> None:
    assert Identifiers(username=typed).username == "ada"


@pytest.mark.parametrize(
    "typed", ["a\nb", "\0", "a\0", "\u202eada", "ada\u202c", "a\u2028b", "\x1b[2J", "\ud800"]
)
def test_characters_that_end_or_turn_a_line_are_refused(typed: str) -> None:
    with pytest.raises(IdentifierRefused):
        Identifiers(username=typed)


@pytest.mark.parametrize(("name", "typed"), [(name, typed) for name, all_ in ALIKE.items() for typed in all_])
def test_invisible_and_look_alike_characters_make_no_other_account(name: str, typed: str) -> None:
    assert Account.known_by(username=typed).id == Account.known_by(username=name).id
    assert Account.known_by(username=typed).username == typed


def test_letters_of_another_case_or_script_make_another_account() -> None:
    ids = {Account.known_by(username=name).id for name in ("ada", "Ada", "аda", "ada1", "用户", "ádá")}
    assert len(ids) == 6


@given(st.text(min_size=1, max_size=40))
def test_folding_is_stable_and_stripping_leaves_something_visible(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    left = stripped(text)
    assert left is None or (left in text and stripped(left) == left)


@given(st.text(st.characters(max_codepoint=0x7F), max_size=40))
def test_plain_names_are_read_as_the_general_rule_reads_them(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(marks, "_is_plain", lambda text: False)
        expected = folded(text), stripped(text)
    assert (folded(text), stripped(text)) == expected


@given(st.text(min_size=1, max_size=254))
def test_every_name_that_is_accepted_makes_an_id(text: str) -> None:
    try:
        given_now = Identifiers(username=text)
    except IdentifierRefused:
        return
    made = account_after(given_now, None, None)
    assert made.is_known_by_name
    assert made.id.startswith("username:")
    assert len(made.id) > len("username:")
    assert made.username == given_now.username


def test_a_name_that_grows_when_it_is_folded_is_known_by_its_digest() -> None:
    made = Account.known_by(username="\ufdfa" * 254)
    assert len(made.id) <= 255
    assert made.id != Account.known_by(username="\ufdfa" * 253).id


@pytest.mark.parametrize(
    ("given_now", "account_id"),
    [
        ({"username": "42"}, "username:42"),
        ({"email": "42"}, "email:42"),
        ({"phone_number": "42"}, "tel:42"),
        ({"username": "u", "email": "e@x", "phone_number": "1"}, "username:u"),
        ({"email": "e@x", "phone_number": "1"}, "email:e@x"),
    ],
)
def test_an_id_that_is_made_of_a_name_begins_with_the_kind_of_name(
    given_now: dict[str, str], account_id: str
) -> None:
    assert account_after(Identifiers(**given_now), None, None).id == account_id


def test_an_account_needs_one_name_to_be_known_by() -> None:
    with pytest.raises(ValueError, match="is needed"):
        Account.known_by()


def test_identifiers_that_were_kept_stay_without_a_check() -> None:
    """A name with a mark of direction, a long number, an empty address: what an earlier door accepted is
    kept."""
    before = link_of(
        Account("7", username="אבי\u200f", email="x" * 400, phone_number="+49 (0) 30 " + "1" * 40)
    )
    after = account_after(Identifiers(email="new@example.com"), before, None)
    assert (after.id, after.username, after.email) == ("7", "אבי\u200f", "new@example.com")
    assert after.phone_number == before.phone_number


def test_the_account_that_the_site_resolves_is_kept_as_it_is() -> None:
    resolved = Account("7", username="אבי\u200f", phone_number="1" * 99)
    after = account_after(Identifiers(email="a@x"), None, resolved)
    assert after == Account("7", "אבי\u200f", "a@x", "1" * 99)


def test_another_user_name_makes_another_account_and_any_other_identifier_the_same() -> None:
    before = link_of(Account("1", username="ada"))
    assert account_after(Identifiers(email="a@x"), before, None).id == "1"
    assert account_after(Identifiers(phone_number="2"), before, None).id == "1"
    assert account_after(Identifiers(username="ada"), before, None).id == "username:ada"
