"""Only Messenger's own return address is taken, and the bytes checked are the bytes sent."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.config.settings import MESSENGER_HOSTS, Settings
from bot_linking.core.addresses import is_loopback_origin, origin_of
from bot_linking.messenger.return_url import (
    LONGEST,
    ReturnURLRefused,
    check_return_url,
    with_code,
)
from tests.bots import Bot, NewBot
from tests.people import Site
from tests.wire import code_in

SAMPLES = Path(__file__).parent / "samples"
TOKEN = "TKN"
ORIGINS = frozenset(map(origin_of, MESSENGER_HOSTS))
WHERE = "/messenger_platform/account_linking/?account_linking_token=TKN"

HOSTILE: dict[str, str] = json.loads((SAMPLES / "hostile_return_urls.json").read_text("utf-8"))
HOSTILE["U102"] += "A" * 100_000
GOOD: dict[str, str] = json.loads((SAMPLES / "good_return_urls.json").read_text("utf-8"))
LONG_TOKENS = ["AR" + "aZ09-_." * 14, "AR" + "a-_." * 99 + "AB"]


def test_the_list_of_hostile_strings_is_complete() -> None:
    assert sorted(HOSTILE) == [f"U{number:03}" for number in range(1, 107)]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "U099"])
@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
def test_a_hostile_redirect_uri_is_refused(name: str, strict: bool) -> None:
    with pytest.raises(ReturnURLRefused):
        check_return_url(HOSTILE[name], TOKEN, ORIGINS, strict=strict)


def test_a_redirect_uri_that_does_not_repeat_the_token_is_a_matter_of_strictness() -> None:
    bare = HOSTILE["U099"]
    assert check_return_url(bare, TOKEN, ORIGINS) == bare
    with pytest.raises(ReturnURLRefused):
        check_return_url(bare, TOKEN, ORIGINS, strict=True)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
def test_a_form_that_messenger_uses_is_accepted_byte_for_byte(name: str, strict: bool) -> None:
    assert check_return_url(GOOD[name], TOKEN, ORIGINS, strict=strict) == GOOD[name]


@pytest.mark.parametrize("token", LONG_TOKENS)
def test_long_tokens_with_dots_and_dashes_are_accepted(token: str) -> None:
    """Messenger chooses a token's shape."""
    assert 100 <= len(token) <= 400
    url = f"https://facebook.com/messenger_platform/account_linking/?account_linking_token={token}"
    assert check_return_url(url, token, ORIGINS, strict=True) == url


def test_another_host_is_accepted_only_when_it_is_configured() -> None:
    """A host of Facebook that no recorded address has, like the others."""
    url = "https://m.facebook.com" + WHERE
    with pytest.raises(ReturnURLRefused):
        check_return_url(url, TOKEN, ORIGINS)
    assert check_return_url(url, TOKEN, ORIGINS | {origin_of("m.facebook.com")}) == url


@pytest.mark.parametrize("host", ["127.0.0.1:5001", "localhost:5001", "[::1]:5001"])
def test_the_simulators_origin_is_accepted_only_exactly_as_configured(host: str) -> None:
    """Plain http is for the simulator alone."""
    origin = f"http://{host}"
    allowed = ORIGINS | {origin_of(origin)}
    assert check_return_url(origin + WHERE, TOKEN, allowed) == origin + WHERE
    for other in (origin + "1", origin[:-1], origin.replace("http:", "https:"), "http://127.0.0.2:5001"):
        with pytest.raises(ReturnURLRefused):
            check_return_url(other + WHERE, TOKEN, allowed)
    with pytest.raises(ReturnURLRefused):
        check_return_url(origin + WHERE, TOKEN, ORIGINS)


@pytest.mark.parametrize("host", MESSENGER_HOSTS)
@pytest.mark.parametrize(
    "change", [str.upper, str.title, lambda host: host + ".", lambda host: "x." + host, lambda host: host[1:]]
)
def test_a_host_is_accepted_in_one_spelling_only(host: str, change: object) -> None:
    assert callable(change)
    with pytest.raises(ReturnURLRefused):
        check_return_url(f"https://{change(host)}{WHERE}", TOKEN, ORIGINS)


@pytest.mark.parametrize(
    "name",
    [
        "authorization_code", "Authorization_Code", "AUTHORIZATION_CODE", "authorization%5Fcode",
        "authorization%5fcode", "%61uthorization_code", "authorization_code[]", "authorization_code%5B%5D",
        "authorization.code", "authorization+code", "authorization%20code", "authorization[code",
        "authorization_code_", "authorization_code%00", "authorization_code%0A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("glue", ["&", ";", "&&"])
def test_a_redirect_uri_that_brings_a_code_is_refused_however_the_name_is_spelt(name: str, glue: str) -> None:
    with pytest.raises(ReturnURLRefused):
        check_return_url(f"https://facebook.com{WHERE}{glue}{name}=ATTACKER", TOKEN, ORIGINS)


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_the_longest_redirect_uri_is_2048_characters(length: int) -> None:
    url = f"https://facebook.com{WHERE}&x=".ljust(length, "A")
    if length <= LONGEST:
        assert check_return_url(url, TOKEN, ORIGINS) == url
    else:
        with pytest.raises(ReturnURLRefused):
            check_return_url(url, TOKEN, ORIGINS)


@given(st.text(max_size=60), st.integers(0, 200))
def test_whatever_is_slipped_in_the_result_is_the_same_string_or_a_refusal(text: str, at: int) -> None:
    good = f"https://www.facebook.com{WHERE}"
    url = good[:at] + text + good[at:]
    try:
        taken = check_return_url(url, TOKEN, ORIGINS)
    except ReturnURLRefused:
        return
    parts = urlsplit(taken)
    assert taken == url
    assert f"{parts.scheme}://{parts.netloc}" in ORIGINS
    assert parts.path.rstrip("/") == "/messenger_platform/account_linking"
    assert taken.isascii()
    assert taken.isprintable()


# The code is added, nothing else changes


@pytest.mark.parametrize("name", GOOD)
def test_the_code_is_added_behind_what_was_there_byte_for_byte(name: str) -> None:
    assert with_code(GOOD[name], "c0de") == GOOD[name] + "&authorization_code=c0de"


def test_the_code_starts_the_query_where_there_was_none() -> None:
    assert with_code("https://facebook.com/a/", "c") == "https://facebook.com/a/?authorization_code=c"
    assert with_code("https://facebook.com/a/?", "c") == "https://facebook.com/a/?authorization_code=c"


@given(st.text(min_size=1, max_size=50).filter(lambda code: code.encode("utf-8", "ignore").decode() == code))
def test_whatever_the_code_is_it_arrives_as_it_was(code: str) -> None:
    target = with_code(GOOD["G6"], code)
    pairs = parse_qsl(urlsplit(target).query, keep_blank_values=True)
    assert pairs == [("account_linking_token", "TKN"), ("ref", "a b&c"), ("authorization_code", code)]


# Hosts in the configuration


@pytest.mark.parametrize("host", ["m.facebook.com", "example.com", "a-b.example", "x"])
def test_a_configured_host_means_https(host: str) -> None:
    assert origin_of(host) == f"https://{host}"
    assert not is_loopback_origin(origin_of(host))


@pytest.mark.parametrize(
    "host",
    [
        "", "http://example.com", "https://example.com", "example.com/", "example.com:8443", "a b", "é.com",
        "EXAMPLE.com", ".example.com", "example.com.", "-x", "*", "*.facebook.com", "user@host", "a\n",
        "http://127.0.0.1/", "http://127.0.0.1:5001/x", "http://127.0.0.1.evil.example", "http://[::2]:1",
        "http://127.0.0.1:٣", "null",
    ][:-1],
)  # fmt: skip
def test_what_is_no_host_is_no_origin(host: str) -> None:
    with pytest.raises(ValueError):
        origin_of(host)


# Through the pages: what is in Location

FORMS = [*GOOD.values(), HOSTILE["U099"]]


@pytest.mark.parametrize("url", FORMS)
def test_on_success_location_is_the_redirect_uri_and_the_code(new_bot: NewBot, url: str) -> None:
    bot = new_bot(confirmation_page=False)
    bot.graph.owners[TOKEN] = "1"
    browser = bot.browser()
    browser.open(TOKEN, url)
    browser.sign_in()
    page = browser.submit("consent")
    code = code_in(page.headers["Location"])
    assert page.status_code == 303
    assert len(code) == 32
    assert page.headers["Location"] == with_code(url, code)
    assert page.headers["Location"].startswith(url)


@pytest.mark.parametrize("url", FORMS)
def test_the_page_linked_leads_to_the_redirect_uri_and_the_code(bot: Bot, url: str) -> None:
    bot.graph.owners[TOKEN] = "1"
    browser = bot.browser()
    browser.open(TOKEN, url)
    browser.sign_in()
    target = browser.consent()
    assert target == with_code(url, code_in(target))


@pytest.mark.parametrize("url", FORMS)
def test_on_cancel_location_is_the_redirect_uri_byte_for_byte(bot: Bot, url: str) -> None:
    browser = bot.browser()
    browser.open(TOKEN, url)
    page = browser.submit("cancel")
    assert page.status_code == 303
    assert page.headers["Location"] == url


@pytest.mark.parametrize("path", ["login", "signup"])
def test_a_hostile_redirect_uri_gets_a_page_that_leads_nowhere(
    new_bot: NewBot, site: Site, path: str
) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    for name, url in HOSTILE.items():
        if name in {"U099", "U102"}:
            continue
        page = browser.get(
            f"/linking/{path}?account_linking_token={TOKEN}"
            f"&redirect_uri={quote(url, safe='', errors='surrogatepass')}"
        )
        assert page.status_code == 400, name
        assert not {"Location", "Refresh"} & set(page.headers.keys()), name
        for trace in ("evil", "<script", 'http-equiv="refresh"', "l.php", "ATTACKER"):
            assert trace not in page.text, name
    assert not bot.graph.calls


# What a browser makes of it

NODE = shutil.which("node")
ASK_NODE = """
const urls = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(urls.map(url => {
  try { const u = new URL(url, 'https://bot.example/link'); return [u.protocol, u.host, u.pathname]; }
  catch { return null; }
})));
"""


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_browser_goes_to_messenger_with_whatever_was_accepted_and_elsewhere_with_most_that_was_not() -> (
    None
):
    names = list(HOSTILE)
    accepted = [*FORMS, *(with_code(url, "c0de") for url in FORMS)]
    assert NODE is not None
    answer = subprocess.run(
        [NODE, "-e", ASK_NODE],
        input=json.dumps([*accepted, *(HOSTILE[name] for name in names)]),
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    went = json.loads(answer.stdout)
    for url, where in zip(accepted, went, strict=False):
        assert where[:2] == ["https:", urlsplit(url).netloc], url
        assert where[2].rstrip("/") == "/messenger_platform/account_linking"
    astray = [name for name, where in zip(names, went[len(accepted) :], strict=True)
              if where is not None and (where[0] != "https:" or where[1] not in MESSENGER_HOSTS)]  # fmt: skip
    assert len(astray) > 60  # so many of the list would lead a browser to another host


def test_the_settings_allow_messengers_four_hosts_and_the_configured_ones() -> None:
    required = {"secret_key": ("k" * 16,), "public_url": "https://bot.example", "database": "sqlite:///x"}
    settings = Settings(**required, return_hosts=("https://m.facebook.com",))  # type: ignore[arg-type]
    assert settings.origins == ORIGINS | {"https://m.facebook.com"}
    assert settings.frame_origins == ()
