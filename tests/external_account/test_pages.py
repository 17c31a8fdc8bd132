"""Several pages: a PSID belongs to its page, and no page moves another page's account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot_linking import Account
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.identifiers import Identifiers
from tests.bots import NewBot
from tests.external_account.test_link_mirror import Pair
from tests.wire import OTHER_PSID, PAGE, PSID, batch, linked_event, unlinked_event

from .shop import KEYS
from .test_link_mirror import new_pair

__all__ = ["new_pair"]

ONE, TWO, THREE = "1001", "2002", "3003"
SECRETS = {ONE: "secret-of-page-one", TWO: "secret-of-page-two", THREE: "secret-of-page-three"}


@pytest.fixture
def pair(new_bot: NewBot, new_pair: Callable[..., Pair]) -> Pair:
    """A bot of three pages with an app secret each, whose site knows accounts by the user name."""
    pages = {
        page: {
            "access_token": f"token-of-{page}",
            "app_secret": secret,
            "verify_token": "v3rify-of-the-tests",
        }
        for page, secret in SECRETS.items()
    }
    bot = new_bot(
        PAGES=pages,
        PAGE_ID=None,
        APP_SECRET=None,
        PAGE_ACCESS_TOKEN=None,
        VERIFY_TOKEN=None,
        EXTERNAL_KEYS=KEYS,
        resolve_account=lambda username, *_: Account(username),
    )
    return new_pair(bot=bot)


def link(pair: Pair, page: str, number: int, psid: str = PSID) -> None:
    pair.bot.linking.core.bind(psid, Identifiers(username=str(number)), page, source="api")


def sign_in(pair: Pair, psid: str = PSID, **fields: Any) -> Any:
    headers = {"Authorization": f"Bearer {pair.back_end}"}
    body = {"unionID": psid, "platform": "messenger", **fields}
    return pair.bot.client().post("/ExternalAccount/shop/SignIn", json=body, headers=headers)


def token_of(pair: Pair, **fields: Any) -> str:
    answer = sign_in(pair, **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["data"]["access_token"])


def listed(pair: Pair, number: int, query: str = "") -> Any:
    headers = {"Authorization": f"Bearer {pair.external.create_token('shop', number)}"}
    return pair.bot.client().get(f"/ExternalAccount/shop{query}", headers=headers)


def test_a_link_on_another_page_leaves_the_first_ones_account_and_tokens(pair: Pair) -> None:
    link(pair, ONE, 1)
    token = token_of(pair)
    link(pair, TWO, 2)
    assert pair.user_of(token) == 1
    assert sorted(row[1:] for row in pair.bound()) == [(1, PSID, ONE), (2, PSID, TWO)]
    assert pair.user_of(token_of(pair, pageID=ONE)) == 1
    assert pair.user_of(token_of(pair, pageID=TWO)) == 2


def test_the_same_holds_where_another_pages_call_or_event_says_it(pair: Pair) -> None:
    """By the door itself: with a key of the other page, and by a webhook that the other page's secret
    signed."""
    link(pair, ONE, 1)
    token = token_of(pair)
    key = Keys(pair.bot.linking.core).create("two", [TWO])
    call = {
        "request": {"method": "account_link"},
        "recipient": {"id": PSID},
        "account_linking": {"status": "linked", "username": "2"},
    }
    client = pair.bot.client()
    assert client.post("/linking/api", json=call, headers={"APIKEY": key}).status_code == 200
    unlinked = batch(unlinked_event(page=TWO, at=pair.bot.clock.ms + 1), page=TWO)
    assert pair.bot.post(unlinked, SECRETS[TWO]).status_code == 200
    assert pair.bot.linking.link_of(PSID, TWO) is None
    forged = batch(unlinked_event(page=ONE, at=pair.bot.clock.ms + 1), page=ONE)
    pair.bot.post(forged, SECRETS[TWO])
    assert pair.user_of(token) == 1
    assert pair.user_of(token_of(pair)) == 1, "unambiguous again"


def test_an_ambiguous_id_is_refused_with_a_sentence_and_a_page_settles_it(pair: Pair) -> None:
    link(pair, ONE, 1)
    assert sign_in(pair).status_code == 200
    link(pair, TWO, 2)
    answer = sign_in(pair)
    assert (answer.status_code, answer.get_json()["data"]) == (400, None)
    assert answer.get_json()["error"].startswith("pageID is required")
    for page_id, number in ((ONE, 1), (TWO, 2), (int(TWO), 2), (float(TWO), 2)):
        assert pair.user_of(token_of(pair, pageID=page_id)) == number
    for nothing in ("", None):
        assert sign_in(pair, pageID=nothing).status_code == 400


@pytest.mark.parametrize("page_id", [THREE, "9999", "USER_ID"])
def test_a_page_on_which_the_id_is_not_linked_is_not_found(pair: Pair, page_id: str) -> None:
    link(pair, ONE, 1)
    answer = sign_in(pair, pageID=page_id)
    assert (answer.status_code, answer.get_json()["data"]) == (404, None)


@pytest.mark.parametrize("page_id", ["a b", "x" * 65, "é", 1.5, True, ["1"], 2**60, -1])
def test_a_page_id_that_is_none_is_refused_by_name(pair: Pair, page_id: Any) -> None:
    link(pair, ONE, 1)
    answer = sign_in(pair, pageID=page_id)
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith("pageID")


@pytest.mark.parametrize("fraction", ["1001.0000000000000000001", "1000.99999999999999999999"])
def test_a_fraction_that_a_float_rounds_to_a_page_is_no_page(pair: Pair, fraction: str) -> None:
    link(pair, ONE, 1)
    body = f'{{"unionID": "{PSID}", "platform": "messenger", "pageID": {fraction}}}'
    headers = {"Authorization": f"Bearer {pair.back_end}", "Content-Type": "application/json"}
    answer = pair.bot.client().post("/ExternalAccount/shop/SignIn", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith("pageID")


def test_a_page_says_nothing_of_other_platforms(pair: Pair) -> None:
    headers = {"Authorization": f"Bearer {pair.external.create_token('shop', 7)}"}
    body = {"unionID": PSID, "platform": "wechat"}
    assert pair.bot.client().post("/ExternalAccount/shop", json=body, headers=headers).status_code == 200
    assert sign_in(pair, platform="wechat", pageID="9999").status_code == 200


def test_the_list_shows_all_or_one_pages_and_the_same_ids(pair: Pair) -> None:
    link(pair, ONE, 1)
    link(pair, TWO, 1)
    link(pair, TWO, 1, OTHER_PSID)
    everything = listed(pair, 1).get_json()["data"]
    assert [account["unionID"] for account in everything] == [PSID, PSID, OTHER_PSID]
    assert len({account["id"] for account in everything}) == 3
    assert {account["platform"] for account in everything} == {"messenger"}
    of_one = listed(pair, 1, f"?pageID={ONE}").get_json()["data"]
    of_two = listed(pair, 1, f"?pageID={TWO}").get_json()["data"]
    assert (of_one, of_two) == (everything[:1], everything[1:])
    assert listed(pair, 1, f"?pageID={THREE}").get_json() == {"code": 200, "data": [], "error": ""}
    for query, status in (
        ("?pageID=9999", 404),
        ("?pageID=a%20b", 400),
        (f"?pageID={ONE}&pageID={TWO}", 400),
    ):
        answer = listed(pair, 1, query)
        assert (answer.status_code, answer.get_json()["data"]) == (status, [])
    assert listed(pair, 1, "?pageID=").get_json()["data"] == everything


def test_unlinking_and_erasing_on_one_page_leave_the_others(pair: Pair) -> None:
    for page, number in ((ONE, 1), (TWO, 2), (THREE, 3)):
        link(pair, page, number)
    tokens = {page: token_of(pair, pageID=page) for page in (ONE, TWO, THREE)}
    pair.bot.linking.unlink(PSID, ONE)
    assert [pair.user_of(token) for token in tokens.values()] == [None, 2, 3]
    pair.bot.linking.erase(PSID, TWO)
    assert [pair.user_of(token) for token in tokens.values()] == [None, None, 3]
    link(pair, ONE, 4)
    assert pair.user_of(token_of(pair, pageID=ONE)) == 4
    pair.bot.linking.erase(PSID)
    assert pair.bound() == []


def test_another_user_on_the_same_page_takes_the_pair_and_ends_the_tokens(pair: Pair) -> None:
    link(pair, ONE, 1)
    link(pair, TWO, 2)
    tokens = [token_of(pair, pageID=page) for page in (ONE, TWO)]
    link(pair, TWO, 3)
    assert [pair.user_of(token) for token in tokens] == [1, None]
    assert sorted(row[1:] for row in pair.bound()) == [(1, PSID, ONE), (3, PSID, TWO)]
    link(pair, ONE, 5)
    assert sorted(row[1:] for row in pair.bound()) == [(3, PSID, TWO), (5, PSID, ONE)]


def test_a_new_application_binds_every_page(pair: Pair) -> None:
    link(pair, ONE, 1)
    link(pair, TWO, 2)
    pair.external.create_app("late")
    rows = sorted(row for row in pair.bound() if row[0] == "late")
    assert rows == [("late", 1, PSID, ONE), ("late", 2, PSID, TWO)]


def test_with_one_page_nothing_is_different_on_the_wire(new_pair: Callable[..., Pair]) -> None:
    pair = new_pair()
    pair.bot.post(batch(linked_event(pair.bot.browser().code(), at=pair.bot.clock.ms)))
    (account,) = listed(pair, 1).get_json()["data"]
    assert (account["unionID"], account["platform"]) == (PSID, "messenger")
    assert set(account) == {
        "id", "userID", "platformName", "platform", "unionID", "avatar", "data", "enable", "createDate",
        "lastUpdate",
    }  # fmt: skip
    assert sign_in(pair).status_code == sign_in(pair, pageID=PAGE).status_code == 200
