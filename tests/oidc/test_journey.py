"""Signing in at an identity provider over real HTTP: the whole way, and every wrong answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from joserfc import jwt
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse

from bot_linking import Account, ConfigurationError
from bot_linking.oidc import OIDC
from bot_linking.oidc.discovery import AGAIN_S, BETWEEN_KEYS_S, KEPT_S, Discovery
from bot_linking.oidc.errors import ProviderAway
from bot_linking.testing import refresh_of
from tests.bots import Bot, Clock, NewBot
from tests.browser import Browser
from tests.people import ADA
from tests.webview.guarded import guarded
from tests.wire import PSID, SITE, batch, code_in, linked_event

from .provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    answer_query,
    oidc_of,
    signed_by_text,
    signing_key,
    unsigned,
)

FAILED = "The login there did not work."


@pytest.fixture
def provider(httpserver_ipv4: HTTPServer, clock: Clock) -> Provider:
    """Beside the Graph, on a server of its own."""
    provider = Provider(httpserver_ipv4)
    provider.seconds = clock
    return provider


@pytest.fixture
def bot(new_bot: NewBot, provider: Provider) -> Bot:
    return new_bot(oidc=oidc_of(provider))


def led_there(bot: Bot) -> tuple[Browser, str]:
    """A browser that pressed the button, and the provider's address that it is led to."""
    browser = bot.browser()
    browser.open()
    browser.submit("oidc")
    browser.follow()
    target = refresh_of(browser.page.text)
    assert target is not None
    return browser, target


def back(browser: Browser, answer: dict[str, str]) -> TestResponse:
    """The page that an answer leads to."""
    page = browser.get(f"/linking/oidc?{answer_query(answer)}")
    return browser.follow() if page.status_code == 303 else page


def refused(browser: Browser, page: TestResponse, *words: str) -> None:
    """The attempt's own page shows the refusal on each visit, and no person is signed in."""
    assert browser.form("oidc")
    for word in words or (FAILED,):
        assert word in page.text
    if browser.location.startswith("/linking/login/"):
        assert all(word in browser.get(browser.location).text for word in words or (FAILED,))


def test_who_signs_in_there_consents_and_is_linked(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    assert target.startswith(f"{provider.issuer}/authorize?")
    assert browser.page.headers["Referrer-Policy"] == "no-referrer"
    back(browser, provider.sign_in(target))
    assert "Ada L." in browser.page.text
    bot.post(batch(linked_event(code_in(browser.consent()), at=bot.clock.ms)))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == ADA.id


def test_without_a_password_the_provider_is_the_only_way(new_bot: NewBot, provider: Provider) -> None:
    browser = new_bot(oidc=oidc_of(provider), authenticate=None).browser()
    page = browser.open().text
    assert 'name="password"' not in page
    assert "Log in with Example ID" in page
    assert "Please log in at Acme first" not in page


def test_a_second_factor_still_follows(new_bot: NewBot, provider: Provider) -> None:
    world = guarded(new_bot, ADA.id, oidc=oidc_of(provider))
    browser, target = led_there(world.bot)
    back(browser, provider.sign_in(target))
    assert browser.form("second-factor")
    assert not world.rows()["codes"]


def test_the_way_there_survives_a_reload_and_writes_nothing(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    before = bot.rows()["attempts"]
    for _ in range(2):
        assert refresh_of(browser.get(browser.location).text) == target
    assert browser.client.head(browser.location, base_url=SITE).status_code == 200
    answer = provider.sign_in(target)
    head = browser.client.head(f"/linking/oidc?{answer_query(answer)}", base_url=SITE)
    assert head.status_code == 405
    assert bot.rows()["attempts"] == before
    back(browser, answer)
    assert browser.form("consent")


def test_no_secret_of_the_answer_is_kept_or_shown(bot: Bot, provider: Provider) -> None:
    _, target = led_there(bot)
    stored = repr(bot.rows()["attempts"])
    for name in ("state", "nonce", "code_challenge"):
        found = re.search(rf"[?&]{name}=([^&]+)", target)
        assert found is not None
        assert found[1].rpartition(".")[2] not in stored
    assert CLIENT_SECRET not in repr(oidc_of(provider))


# Refusals


def test_who_declines_there_reads_so_and_may_try_again(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    state = provider.sign_in(target)["state"]
    page = back(browser, {"error": "access_denied", "state": state})
    refused(browser, page, "You did not log in there")
    assert bot.linking.funnel()["refused"] == {"login_provider_denied": 1}
    browser.submit("oidc")
    browser.follow()
    again = refresh_of(browser.page.text)
    assert again is not None
    back(browser, provider.sign_in(again))
    assert browser.form("consent")


def test_a_person_without_an_account_is_told(bot: Bot, provider: Provider) -> None:
    provider.subject = "mallory"
    browser, target = led_there(bot)
    refused(browser, back(browser, provider.sign_in(target)), "No account here belongs to that login.")


def test_a_host_that_fails_is_logged_without_the_claims(
    new_bot: NewBot, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    def account_of(claims: Any) -> Account | None:
        raise LookupError(f"no account of {claims}")

    browser, target = led_there(new_bot(oidc=oidc_of(provider, account_of=account_of)))
    refused(browser, back(browser, provider.sign_in(target)))
    assert "LookupError" in caplog.text
    assert "nonce" not in caplog.text


def test_an_answer_that_comes_again_does_nothing(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    answer = provider.sign_in(target)
    back(browser, answer)
    before, calls = bot.rows()["attempts"], len(provider.calls)
    assert back(browser, answer).status_code == 200
    assert browser.form("consent")
    assert bot.rows()["attempts"] == before
    assert len(provider.calls) == calls


def test_a_refused_answer_is_not_taken_again(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    answer = provider.sign_in(target)
    back(browser, {"error": "access_denied", "state": answer["state"]})
    refused(browser, back(browser, answer), "You did not log in there")


@pytest.mark.parametrize("kind", ["tampered", "short", "none", "twice", "unknown"])
def test_a_state_that_was_not_given_out_changes_nothing(bot: Bot, provider: Provider, kind: str) -> None:
    browser, target = led_there(bot)
    answer = provider.sign_in(target)
    state = answer["state"]
    states = {
        "tampered": [state[:-1] + ("A" if state[-1] != "A" else "B")], "short": [state[:-1]], "none": [],
        "twice": [state, state], "unknown": ["x" * 22 + state[22:]],
    }[kind]  # fmt: skip
    before = bot.rows()["attempts"]
    query = "&".join([f"code={answer['code']}", *(f"state={each}" for each in states)])
    assert browser.get(f"/linking/oidc?{query}").status_code == 400
    assert bot.rows()["attempts"] == before
    assert "token" not in provider.calls
    back(browser, answer)
    assert browser.form("consent"), "the answer that was asked for is still taken"


def test_another_browsers_answer_is_no_ones(bot: Bot, provider: Provider) -> None:
    """An attacker signs in as themselves and sends the address that leads back to a victim."""
    _, target = led_there(bot)
    answer = provider.sign_in(target)
    victim, own = led_there(bot)
    before = bot.rows()["attempts"]
    assert victim.get(f"/linking/oidc?{answer_query(answer)}").status_code == 400
    mixed = {"code": answer["code"], "state": provider.sign_in(own)["state"]}
    assert bot.rows()["attempts"] == before
    refused(victim, back(victim, mixed))


def test_an_answer_that_comes_too_late_is_refused(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    bot.clock.advance(601)
    refused(browser, back(browser, provider.sign_in(target)), "took too long")


@pytest.mark.parametrize(
    ("always", "named", "is_taken"),
    [
        (True, True, True),
        (True, False, False),
        (False, False, True),
        (False, True, True),
        (False, None, False),
    ],
)
def test_an_answer_names_its_provider(
    bot: Bot, provider: Provider, always: bool, named: bool | None, is_taken: bool
) -> None:
    """An `iss` must be right. It must be there where the provider says that it always is."""
    provider.metadata = {"authorization_response_iss_parameter_supported": always}
    browser, target = led_there(bot)
    answer = provider.sign_in(target)
    if named or named is None:
        answer["iss"] = provider.issuer if named else "https://evil.example"
    page = back(browser, answer)
    if is_taken:
        assert browser.form("consent")
    else:
        refused(browser, page)
        assert "token" not in provider.calls


SPOILED: dict[str, Any] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another client's": {"aud": "another"},
    "no audience": {"aud": None},
    "several audiences without azp": {"aud": [CLIENT_ID, "another"]},
    "azp of another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "another issuer's": {"iss": "https://evil.example"},
    "expired": {"exp": -61},
    "no expiry": {"exp": None},
    "of the future": {"iat": 61},
    "old": {"iat": -700},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a wrong at_hash": {"at_hash": "x"},
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_token_with_a_wrong_claim_is_refused(bot: Bot, provider: Provider, kind: str) -> None:
    def spoil(claims: dict[str, Any]) -> dict[str, Any]:
        changed = dict(claims)
        for name, value in SPOILED[kind].items():
            changed[name] = int(provider.seconds()) + value if name in ("exp", "iat") and value else value
        return {name: value for name, value in changed.items() if value is not None}

    provider.spoil = spoil
    browser, target = led_there(bot)
    refused(browser, back(browser, provider.sign_in(target)))
    assert not bot.rows()["codes"]


@pytest.mark.parametrize("seconds", [-59, 59])
def test_clocks_may_differ_by_less_than_a_minute(bot: Bot, provider: Provider, seconds: int) -> None:
    provider.seconds = lambda: bot.clock.seconds + seconds
    browser, target = led_there(bot)
    back(browser, provider.sign_in(target))
    assert browser.form("consent")


def strange(provider: Provider, kind: str) -> Any:
    other = signing_key("k1", "another")
    public = provider.keys[0].as_pem(private=False)
    return {
        "none": unsigned,
        "another key": lambda claims: jwt.encode({"alg": "RS256", "kid": "k1"}, claims, other),
        "HS256 with the public key": lambda claims: signed_by_text(claims, public),
        "HS256 with the secret": lambda claims: signed_by_text(claims, CLIENT_SECRET.encode()),
        "unknown key": lambda claims: provider.signed(claims, kid="k9"),
        "no token": lambda claims: None,
        "garbage": lambda claims: "a.b.c",
        "not ascii": lambda claims: "é",
        "long": lambda claims: "x" * 40_000,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "none", "another key", "HS256 with the public key", "HS256 with the secret", "unknown key",
        "no token", "garbage", "not ascii", "long",
    ],
)  # fmt: skip
def test_a_token_that_the_provider_did_not_sign_is_refused(bot: Bot, provider: Provider, kind: str) -> None:
    provider.sign = strange(provider, kind)
    browser, target = led_there(bot)
    refused(browser, back(browser, provider.sign_in(target)))
    assert not bot.rows()["codes"]


def test_keys_are_read_again_for_one_that_is_new_and_once_a_minute(provider: Provider) -> None:
    seconds = [1000.0]
    discovery = Discovery(provider.issuer, now=lambda: seconds[0])
    assert len(discovery.keys("k1")) == 1
    provider.keys.append(signing_key("k2"))
    assert discovery.keys("k2") == []
    seconds[0] += BETWEEN_KEYS_S + 1
    assert len(discovery.keys("k2")) == 1
    for number in range(20):
        discovery.keys(f"unknown {number}")
    assert provider.calls.count("jwks") == 2
    assert provider.calls.count("openid-configuration") == 1


def test_who_signs_in_after_the_keys_were_changed_is_taken(
    bot: Bot, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, target = led_there(bot)
    back(browser, provider.sign_in(target))
    assert browser.form("consent")
    provider.keys = [signing_key("k2")]
    monkeypatch.setattr("bot_linking.oidc.discovery.BETWEEN_KEYS_S", -1.0)
    browser, target = led_there(bot)
    back(browser, provider.sign_in(target))
    assert browser.form("consent")


def test_while_the_provider_is_away_the_page_says_so(bot: Bot, provider: Provider) -> None:
    provider.is_down = True
    browser = bot.browser()
    browser.open()
    browser.submit("oidc")
    refused(browser, browser.follow(), "We cannot reach that login just now.")
    assert browser.sign_in().status_code == 200


def test_a_provider_that_is_away_is_not_waited_for_by_one_person_after_the_other(provider: Provider) -> None:
    """Each would wait in a thread that webhooks need, too."""
    seconds = [1000.0]
    discovery = Discovery(provider.issuer, now=lambda: seconds[0])
    provider.is_down = True
    for _ in range(20):
        with pytest.raises(ProviderAway):
            discovery.metadata()
    assert provider.calls == ["openid-configuration"]
    provider.is_down = False
    seconds[0] += AGAIN_S + 1
    assert discovery.metadata().token_endpoint == f"{provider.issuer}/token"


def test_an_hour_later_what_was_read_stands_in_for_a_provider_that_is_away(provider: Provider) -> None:
    seconds = [1000.0]
    discovery = Discovery(provider.issuer, now=lambda: seconds[0])
    read = discovery.metadata()
    provider.is_down = True
    seconds[0] += KEPT_S + 1
    for _ in range(20):
        assert discovery.metadata() == read
    assert provider.calls.count("openid-configuration") == 2


def test_a_slow_provider_takes_no_place_of_a_password(new_bot: NewBot, provider: Provider) -> None:
    bot = new_bot(oidc=oidc_of(provider), SIGN_IN_CONCURRENCY=1)
    browser, target = led_there(bot)
    meanwhile: list[TestResponse] = []

    def spoil(claims: dict[str, Any]) -> dict[str, Any]:
        other = bot.browser()
        other.open()
        meanwhile.append(other.submit("login", username="grace", password="hopper-1906"))
        return claims

    provider.spoil = spoil
    back(browser, provider.sign_in(target))
    assert browser.form("consent")
    assert [page.status_code for page in meanwhile] == [303]


def test_a_provider_that_goes_away_meanwhile_signs_nobody_in(bot: Bot, provider: Provider) -> None:
    browser, target = led_there(bot)
    answer = provider.sign_in(target)
    provider.is_down = True
    refused(browser, back(browser, answer), "We cannot reach that login just now.")


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"}, {"jwks_uri": None},
     {"authorization_endpoint": "javascript:alert(1)"}, {"padding": "x" * 300_000},
     {"token_endpoint_auth_methods_supported": 5}],
    ids=["issuer", "plain http", "no keys", "no address", "too large", "no list"],
)  # fmt: skip
def test_a_discovery_document_that_is_not_right_is_no_provider(
    bot: Bot, provider: Provider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    browser = bot.browser()
    browser.open()
    browser.submit("oidc")
    refused(browser, browser.follow(), "We cannot reach that login just now.")


# Set-up


@pytest.mark.parametrize(
    "given",
    [{"issuer": "http://id.example"}, {"issuer": "id.example"}, {"issuer": "https://id.example?x=1"},
     {"issuer": ""}, {"client_id": ""}, {"client_secret": ""}, {"account_of": None}, {"scope": "email"}],
)  # fmt: skip
def test_a_mistake_in_the_set_up_is_named_without_a_value(given: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "issuer": "https://id.example",
        "client_id": "c",
        "client_secret": "very secret",
        "account_of": print,
    }
    with pytest.raises(ConfigurationError) as problem:
        OIDC(**right | given)
    assert next(iter(given)) in str(problem.value)
    assert "very secret" not in str(problem.value)


def test_without_it_the_pages_are_not_there(new_bot: NewBot) -> None:
    browser = new_bot().browser()
    browser.open()
    ticket = browser.form("login").fields
    assert browser.post("/linking/oidc", ticket).status_code == 404
    assert browser.get("/linking/oidc?code=x&state=y").status_code == 404


def test_an_answer_in_an_access_log_is_masked() -> None:
    from bot_linking.doors.redaction import redact

    line = redact('"GET /linking/oidc?code=abc&state=def HTTP/1.1" 303')
    assert line == '"GET /linking/oidc?*** HTTP/1.1" 303'


def test_authlib_is_not_imported_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = (
        "import sys, bot_linking, bot_linking.oidc; print('authlib' in sys.modules, 'joserfc' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.split() == ["False", "False"]
