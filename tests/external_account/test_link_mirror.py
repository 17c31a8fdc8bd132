"""With a bot in the same app, every door that links a person binds them, and every door that unlinks
unbinds."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any
from unittest.mock import Mock

import pyotp
import pytest

from bot_linking import Account, AccountLinked
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.identifiers import Identifiers
from bot_linking.external_account import ExternalAccount
from bot_linking.external_account.errors import AppKeyRefused
from bot_linking.external_account.link_mirror import decimal_user_id
from tests.bots import Bot, NewBot
from tests.wire import OTHER_PSID, OTHER_TOKEN, PAGE, PSID, batch, linked_event, unlinked_event

from .shop import KEYS, Authenticator


@dataclass
class Pair:
    """A bot and ExternalAccount in one app, and the application's back end."""

    bot: Bot
    external: ExternalAccount
    back_end: str

    def sign_in(self, psid: str = PSID) -> Any:
        return self.bot.client().post(
            "/ExternalAccount/shop/SignIn",
            json={"unionID": psid, "platform": "messenger"},
            headers={"Authorization": f"Bearer {self.back_end}"},
        )

    def token(self, psid: str = PSID) -> str:
        answer = self.sign_in(psid)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["data"]["access_token"])

    def user_of(self, token: str) -> int | None:
        with self.bot.app.app_context():
            return self.external.user_of(f"Bearer {token}", "shop")

    def bound(self) -> list[tuple[Any, ...]]:
        """Application, user, PSID and page of each bound account."""
        rows = self.bot.rows()["external_accounts"]
        return [(row[1], row[2], row[12] or row[4], row[9]) for row in rows]


@pytest.fixture
def new_pair(new_bot: NewBot) -> Callable[..., Pair]:
    def make(*, app_key: str | None = "shop", bot: Bot | None = None, **given: Any) -> Pair:
        settings = {"EXTERNAL_KEYS": KEYS} | {key: value for key, value in given.items() if key.isupper()}
        arguments = {key: value for key, value in given.items() if not key.isupper()}
        bot = bot or new_bot(**settings)
        external = ExternalAccount(bot.linking, **arguments)
        bot.app.register_blueprint(external.blueprint)
        return Pair(bot, external, external.create_app(app_key) if app_key else "")

    return make


@pytest.fixture
def pair(new_pair: Callable[..., Pair]) -> Pair:
    return new_pair()


def test_a_login_binds_the_psid_to_the_accounts_user(pair: Pair) -> None:
    pair.bot.link()
    assert pair.bound() == [("shop", 1, PSID, PAGE)]
    assert pair.user_of(pair.token()) == 1
    with pair.bot.app.app_context():
        token = pair.external.create_token("shop", 1)
    listed = pair.bot.client().get("/ExternalAccount/shop", headers={"Authorization": f"Bearer {token}"})
    (account,) = listed.get_json()["data"]
    assert (account["platform"], account["platformName"], account["unionID"]) == (
        "messenger",
        "Messenger",
        PSID,
    )


def by_log_out(pair: Pair) -> None:
    pair.bot.post(batch(unlinked_event(at=pair.bot.clock.ms + 1)))


def by_python(pair: Pair) -> None:
    assert pair.bot.linking.unlink(PSID)


def by_api(pair: Pair) -> None:
    key = Keys(pair.bot.linking.core).create("shop")
    call = {
        "request": {"method": "account_link"},
        "recipient": {"id": PSID},
        "account_linking": {"status": "unlinked"},
    }
    answer = pair.bot.client().post("/linking/api", json=call, headers={"APIKEY": key})
    assert answer.status_code == 200


def by_cli(pair: Pair) -> None:
    assert pair.bot.app.test_cli_runner().invoke(args=["linking", "unlink", PSID]).exit_code == 0


def by_erase(pair: Pair) -> None:
    pair.bot.linking.erase(PSID)


@pytest.mark.parametrize("door", [by_log_out, by_python, by_api, by_cli, by_erase])
def test_whichever_door_unlinks_unbinds_and_ends_the_tokens(pair: Pair, door: Callable[[Pair], None]) -> None:
    pair.bot.link()
    pair.bot.link(OTHER_PSID, OTHER_TOKEN)
    token, others = pair.token(), pair.token(OTHER_PSID)
    door(pair)
    assert pair.bound() == [("shop", 1, OTHER_PSID, PAGE)]
    assert (pair.user_of(token), pair.user_of(others)) == (None, 1)
    assert pair.sign_in().status_code == 404


def test_the_api_binds_and_moves_with_the_account(new_bot: NewBot, new_pair: Callable[..., Pair]) -> None:
    """A call that links to another user's account ends the former user's tokens."""
    pair = new_pair(bot=new_bot(EXTERNAL_KEYS=KEYS, resolve_account=lambda username, *_: Account(username)))
    key = Keys(pair.bot.linking.core).create("shop")

    def link(username: str) -> None:
        call = {
            "request": {"method": "account_link"}, "recipient": {"id": PSID},
            "account_linking": {"status": "linked", "username": username},
        }  # fmt: skip
        assert pair.bot.client().post("/linking/api", json=call, headers={"APIKEY": key}).status_code == 200

    link("41")
    token = pair.token()
    assert pair.user_of(token) == 41
    link("42")
    assert pair.user_of(token) is None
    assert pair.user_of(pair.token()) == 42
    assert pair.bound() == [("shop", 42, PSID, PAGE)]
    link("nobody")
    assert pair.bound() == []


@pytest.mark.parametrize("platform", ["messenger", "Messenger", "MESSENGER"])
@pytest.mark.parametrize("scopes", [["bind"], ["accounts", "bind"], ["accounts", "bind", "signin"]])
def test_no_call_binds_platform_messenger_whatever_its_token_may_do(
    pair: Pair, platform: str, scopes: list[str]
) -> None:
    """Neither another person's PSID nor one's own, linked or not; all answers are alike."""
    pair.bot.link()
    for user_id in (1, 666):
        headers = {"Authorization": f"Bearer {pair.external.create_token('shop', user_id, scopes)}"}
        for psid in (PSID, OTHER_PSID):
            body = {"unionID": psid, "platform": platform}
            answer = pair.bot.client().post("/ExternalAccount/shop", json=body, headers=headers)
            assert (answer.status_code, answer.get_json()["data"]) == (403, False)
            assert "linking" in answer.get_json()["error"]
    assert pair.bound() == [("shop", 1, PSID, PAGE)]
    assert pair.sign_in(OTHER_PSID).status_code == 404


def test_what_a_link_bound_is_removed_by_unlinking_alone_and_may_be_changed(pair: Pair) -> None:
    pair.bot.link()
    headers = {"Authorization": f"Bearer {pair.external.create_token('shop', 1)}"}
    client = pair.bot.client()
    (account,) = client.get("/ExternalAccount/shop", headers=headers).get_json()["data"]
    path = f"/ExternalAccount/shop/{account['id']}"
    answer = client.delete(path, headers=headers)
    assert (answer.status_code, answer.get_json()["data"]) == (403, False)
    assert "unlinking" in answer.get_json()["error"]
    changes = {"avatar": "https://img.example/a.png", "data": "level 3", "enable": False}
    assert client.put(path, headers=headers, json=changes).status_code == 200
    assert pair.sign_in().status_code == 403
    assert client.put(path, headers=headers, json=account | {"enable": True}).status_code == 200
    (after,) = client.get("/ExternalAccount/shop", headers=headers).get_json()["data"]
    assert after == account | changes | {"enable": True, "lastUpdate": after["lastUpdate"]}
    stranger = {"Authorization": f"Bearer {pair.external.create_token('shop', 2)}"}
    assert client.delete(path, headers=stranger).status_code == 404, "another user's is none"
    pair.bot.linking.unlink(PSID)
    assert client.delete(path, headers=headers).status_code == 404


def test_a_pair_of_another_platform_with_the_same_id_is_left_alone(pair: Pair) -> None:
    token = pair.external.create_token("shop", 5)
    body, headers = {"unionID": PSID, "platform": "wechat"}, {"Authorization": f"Bearer {token}"}
    pair.bot.client().post("/ExternalAccount/shop", json=body, headers=headers)
    pair.bot.link()
    pair.bot.linking.unlink(PSID)
    pair.bot.linking.erase(PSID)
    assert pair.bound() == [("shop", 5, PSID, None)]


def test_who_was_linked_before_the_application_was_made_is_bound_with_it(
    new_pair: Callable[..., Pair],
) -> None:
    pair = new_pair(app_key=None)
    pair.bot.link()
    assert pair.bound() == []
    pair.back_end = pair.external.create_app("shop")
    assert pair.user_of(pair.token()) == 1


def test_an_application_that_was_half_made_is_finished_by_making_it_again(
    new_pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = new_pair(app_key=None)
    pair.bot.link()

    def fail(store: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as fault:
        fault.setattr(type(pair.bot.linking.store), "list_links", fail)
        with pytest.raises(StoreUnavailable):
            pair.external.create_app("shop")
    assert pair.bot.rows()["external_tokens"] == []
    pair.back_end = pair.external.create_app("shop")
    assert pair.bound() == [("shop", 1, PSID, PAGE)]
    assert pair.sign_in().status_code == 200
    pair.external.revoke_token(pair.back_end)
    with pytest.raises(AppKeyRefused):  # it is finished, also without a token
        pair.external.create_app("shop")


def test_a_half_made_application_has_no_tokens(
    new_pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = new_pair(app_key=None)
    monkeypatch.setattr(
        type(pair.bot.linking.store), "list_links", Mock(side_effect=StoreUnavailable("away"))
    )
    with pytest.raises(StoreUnavailable):
        pair.external.create_app("shop")
    with pytest.raises(AppKeyRefused):
        pair.external.create_token("shop", 1)


def test_of_two_who_make_an_application_at_once_one_gets_a_token(new_pair: Callable[..., Pair]) -> None:
    pair, got = new_pair(app_key=None), list[str]()

    def make() -> None:
        with suppress(AppKeyRefused):
            got.append(pair.external.create_app("shop"))

    threads = [Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(pair.bot.rows()["external_tokens"]) == 1


def test_a_link_is_bound_in_every_application_or_in_those_that_are_named(
    new_pair: Callable[..., Pair],
) -> None:
    pair = new_pair()
    pair.external.create_app("other")
    pair.bot.link()
    assert sorted(row[0] for row in pair.bound()) == ["other", "shop"]
    named = new_pair(EXTERNAL_APP="other", app_key=None)
    named.bot.linking.unlink(PSID)
    assert named.bound() == []
    named.bot.link()
    assert [row[0] for row in named.bound()] == ["other"]


def test_user_id_of_decides_and_a_link_never_fails_by_it(new_pair: Callable[..., Pair]) -> None:
    answers: dict[str, Any] = {
        "a": 1234, "b": None, "c": RuntimeError("no"), "d": "12", "e": True, "f": -1, "g": 2**63,
        "h": 2**63 - 1,
    }  # fmt: skip

    def user_id_of(account: Account) -> Any:
        assert account == Account.known_by(account.username)
        answer = answers[account.username or ""]
        if isinstance(answer, Exception):
            raise answer
        return answer

    pair = new_pair(user_id_of=user_id_of)
    seen = {}
    for name in answers:
        assert isinstance(
            pair.bot.linking.core.bind(PSID, Identifiers(username=name), PAGE, source="python"), AccountLinked
        )
        seen[name] = [row[1] for row in pair.bound()]
    assert seen == {name: [] for name in answers} | {"a": [1234], "h": [2**63 - 1]}


def test_a_user_who_is_told_by_the_user_name_changes_with_it(new_pair: Callable[..., Pair]) -> None:
    """The same account gets another user name: the former user's tokens end."""
    users = {"ada": 1, "countess": 2}
    pair = new_pair(user_id_of=lambda account: users.get(account.username))
    core = pair.bot.linking.core
    core.bind(PSID, Identifiers("ada"), PAGE, source="python")
    token = pair.token()
    pair.bot.linking.store.bind(
        PAGE, PSID, Identifiers("countess"), "api", core.now(), account=Account("ada", "countess")
    )
    assert (pair.user_of(token), pair.user_of(pair.token())) == (None, 2)


def test_a_failing_user_id_of_lets_nobody_pass_the_second_factor(new_pair: Callable[..., Pair]) -> None:
    def user_id_of(account: Account) -> int:
        raise RuntimeError("the customer register is away")

    browser = new_pair(user_id_of=user_id_of).bot.browser()
    browser.open()
    assert browser.sign_in().status_code == 503


@pytest.mark.parametrize(
    ("account_id", "user_id"),
    [
        ("0", 0), ("7", 7), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("007", None),
        ("-1", None), ("1.0", None), ("１", None), ("²", None), ("1 ", None), ("ada", None),
        ("9" * 255, None),
    ],
)  # fmt: skip
def test_an_account_id_in_decimal_is_a_user_id(account_id: str, user_id: int | None) -> None:
    assert decimal_user_id(Account(account_id)) == user_id


def test_link_and_binding_commit_together_or_not_at_all(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the binding fails, there is no link either."""
    code = pair.bot.browser().code()
    statements = pair.bot.linking.store.engine.statements  # type: ignore[attr-defined]
    monkeypatch.setitem(statements, "external_bind_link", "insert into external_accounts (id) values (null)")
    answer = pair.bot.post(batch(linked_event(code, at=pair.bot.clock.ms)))
    assert answer.status_code == 200
    assert pair.bot.linking.link_of(PSID) is None
    assert pair.bound() == []
    (dead,) = pair.bot.linking.store.list_dead()
    assert dead.kind == "event"


def test_a_stale_event_leaves_the_binding_as_it_is(pair: Pair) -> None:
    pair.bot.link()
    token = pair.token()
    assert pair.bot.post(batch(unlinked_event(at=pair.bot.clock.ms - 5000))).status_code == 200
    assert pair.user_of(token) == 1


def test_erasing_a_person_leaves_no_byte_of_their_psid_in_any_table(pair: Pair) -> None:
    pair.bot.link()
    pair.token()
    token = pair.external.create_token("shop", 9)
    body, headers = {"unionID": OTHER_PSID, "platform": "messenger"}, {"Authorization": f"Bearer {token}"}
    pair.bot.client().post("/ExternalAccount/shop", json=body, headers=headers)
    for psid in (PSID, OTHER_PSID):
        pair.bot.linking.erase(psid)
        assert psid not in json.dumps(pair.bot.rows(), default=str)


def test_the_second_factor_guards_the_linking_pages(pair: Pair) -> None:
    """A right password leads to the code, and the code to the consent. Each code works once for all doors."""
    enrolment = pair.external.enable_two_factor("shop", 1)
    totp = pyotp.parse_uri(enrolment.address)
    authenticator = Authenticator(totp, pair.bot.clock, enrolment.recovery_codes)  # type: ignore[arg-type]
    browser = pair.bot.browser()
    browser.open()
    page = browser.sign_in()
    assert browser.location.startswith("/linking/second-factor/")
    assert "consent" not in page.text
    for wrong in ("", authenticator.wrong()):
        assert browser.submit("second-factor", code=wrong).status_code == 303
        assert 'role="alert"' in browser.follow().text
    code = authenticator.code()
    assert browser.submit("second-factor", code=code).status_code == 303
    browser.follow()
    assert pair.bot.post(batch(linked_event(browser.consent().rpartition("=")[2]))).status_code == 200
    headers = {"Authorization": f"Bearer {pair.back_end}"}
    body = {"unionID": PSID, "platform": "messenger", "twoFactorCode": code}
    answer = pair.bot.client().post("/ExternalAccount/shop/SignIn", json=body, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("account_id", ["", "7" * 300, "\0"])
def test_a_text_that_is_no_account_id_has_no_user_in_an_export(pair: Pair, account_id: str) -> None:
    held = pair.bot.linking.export_account(account_id)
    assert (held["chats"], held["external_accounts"]) == ([], [])
