"""Log In, the way back, Log Out: what Messenger does around the bot's login page."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests

from bot_linking.simulator import Outcome, Simulator

from .receiving_bot import ADA, GRACE, Clock, GraphClient, ReceivingBot

LOGIN = "http://127.0.0.1:5000/linking/login"


def redirect_uri(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["redirect_uri"]


def token_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["account_linking_token"]


def test_messenger_opens_the_url_with_token_first_and_redirect_uri_second(sim: Simulator) -> None:
    url = sim.open_login(ADA, LOGIN)
    token = token_of(url)
    back = f"{sim.url}/messenger_platform/account_linking/?account_linking_token={token}"
    assert re.fullmatch(r"AR[A-Za-z0-9_-]{108}", token)
    assert redirect_uri(url) == back
    assert url.startswith(f"{LOGIN}?account_linking_token={token}&redirect_uri=http%3A%2F%2F127.0.0.1%3A")
    assert unquote(url.split("redirect_uri=")[1]) == back


@pytest.mark.parametrize(
    ("button", "begins"),
    [
        (LOGIN, LOGIN + "?account_linking_token="),
        (LOGIN + "?rid=123", LOGIN + "?rid=123&account_linking_token="),
        (LOGIN + "?", LOGIN + "?account_linking_token="),
        ("https://bot.example/login", "https://bot.example/login?account_linking_token="),
    ],
)
def test_the_buttons_own_query_stays_in_front(sim: Simulator, button: str, begins: str) -> None:
    assert sim.open_login(ADA, button).startswith(begins)


def test_each_opening_has_a_token_of_its_own(sim: Simulator) -> None:
    assert len({token_of(sim.open_login(ADA, LOGIN)) for _ in range(20)}) == 20


@pytest.mark.parametrize("url", ["http://bot.example/login", "javascript:alert(1)", "ftp://127.0.0.1/", ""])
def test_log_in_opens_no_other_address(sim: Simulator, url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        sim.open_login(ADA, url)


@pytest.mark.parametrize("slash", ["", "/"])
def test_coming_back_with_a_code_links_and_tells_the_bot(
    sim: Simulator, bot: ReceivingBot, slash: str
) -> None:
    url = redirect_uri(sim.open_login(ADA, LOGIN)).replace("account_linking/?", f"account_linking{slash}?")
    page = requests.get(url + "&authorization_code=c%2B1", timeout=30)
    assert page.status_code == 200
    assert "Account linked" in page.text
    assert sim.is_linked(ADA)
    assert not sim.is_linked(GRACE)
    assert sim.wait_until(lambda: bot.bodies)
    [event] = bot.events
    assert event["sender"] == {"id": ADA}
    assert event["recipient"] == {"id": sim.page_id}
    assert event["account_linking"] == {"status": "linked", "authorization_code": "c+1"}
    assert bot.signatures == [bot.expected_signature(bot.bodies[0], sim.app_secret)]


@pytest.mark.parametrize("tail", ["", "&authorization_code="])
def test_coming_back_without_a_code_links_nothing(sim: Simulator, tail: str) -> None:
    page = requests.get(redirect_uri(sim.open_login(ADA, LOGIN)) + tail, timeout=30)
    assert "Account not linked" in page.text
    assert not sim.is_linked(ADA)
    assert sim.deliveries == []


def test_a_token_dies_after_five_minutes(sim: Simulator, clock: Clock) -> None:
    clock.stand_still()
    early, late = (redirect_uri(sim.open_login(ADA, LOGIN)) for _ in range(2))
    clock.ahead = 299
    assert sim.return_to(early + "&authorization_code=c") is Outcome.LINKED
    clock.ahead = 301
    assert sim.return_to(late + "&authorization_code=c") is Outcome.EXPIRED
    page = requests.get(late + "&authorization_code=c", timeout=30)
    assert "Account linking failed" in page.text
    assert "five minutes" in page.text


def test_a_token_is_used_once_even_when_fifty_come_at_the_same_time(
    sim: Simulator, bot: ReceivingBot
) -> None:
    url = redirect_uri(sim.open_login(ADA, LOGIN)) + "&authorization_code=c"
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(sim.return_to, [url] * 50))
    assert outcomes.count(Outcome.LINKED) == 1
    assert outcomes.count(Outcome.USED) == 49
    assert sim.wait_until(lambda: bot.bodies)
    assert len(bot.events) == 1
    assert "used already" in requests.get(url, timeout=30).text


def test_a_token_that_nobody_minted_links_nothing(sim: Simulator) -> None:
    url = f"{sim.url}/messenger_platform/account_linking/?account_linking_token=ARx&authorization_code=c"
    assert sim.return_to(url) is Outcome.UNKNOWN
    assert "Account linking failed" in requests.get(url, timeout=30).text
    assert sim.deliveries == []


def test_the_switch_makes_every_token_an_expired_one(sim: Simulator) -> None:
    sim.switches.expired_linking_token = True
    url = redirect_uri(sim.open_login(ADA, LOGIN)) + "&authorization_code=c"
    assert sim.return_to(url) is Outcome.EXPIRED
    assert not sim.is_linked(ADA)


def test_linking_fails_when_the_page_does_not_subscribe_to_it(sim: Simulator) -> None:
    sim.page_fields = ["messages"]
    url = redirect_uri(sim.open_login(ADA, LOGIN)) + "&authorization_code=c"
    assert sim.return_to(url) is Outcome.UNSUBSCRIBED
    assert not sim.is_linked(ADA)
    assert "messaging_account_linking" in requests.get(url, timeout=30).text


def test_a_head_request_uses_nothing_up(sim: Simulator) -> None:
    url = redirect_uri(sim.open_login(ADA, LOGIN)) + "&authorization_code=c"
    assert requests.head(url, timeout=30).status_code == 200
    assert not sim.is_linked(ADA)
    assert sim.return_to(url) is Outcome.LINKED


@pytest.mark.parametrize("url", ["https://facebook.com/messenger_platform/account_linking/", "{}/elsewhere"])
def test_only_the_return_address_is_a_return_address(sim: Simulator, url: str) -> None:
    with pytest.raises(ValueError, match="not the return address"):
        sim.return_to(url.format(sim.url))


def test_the_return_page_may_be_framed_by_the_chat_only_and_leaks_no_referrer(sim: Simulator) -> None:
    page = requests.get(redirect_uri(sim.open_login(ADA, LOGIN)), timeout=30)
    assert "frame-ancestors 'self' http://127.0.0.1:*" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "ARx" not in page.text


def link(sim: Simulator, bot: ReceivingBot) -> None:
    sim.return_to(redirect_uri(sim.open_login(ADA, LOGIN)) + "&authorization_code=c")
    assert sim.wait_until(lambda: bot.bodies)


def notes(sim: Simulator, psid: str = ADA) -> list[str]:
    return [entry["text"] for entry in sim.conversation(psid)["entries"] if entry["from"] == "note"]


def test_it_says_why_the_bot_is_quiet_after_five_changes_within_an_hour(sim: Simulator) -> None:
    def link_and_unlink() -> None:
        sim.finish_login(token_of(sim.open_login(ADA, LOGIN)), "c")
        sim.unlink(ADA)

    link_and_unlink()
    link_and_unlink()
    assert not [note for note in notes(sim) if "five" in note]
    link_and_unlink()
    assert len([note for note in notes(sim) if "five" in note]) == 1  # with the sixth
    assert notes(sim, GRACE) == []
    sim.clock.advance(3600)
    link_and_unlink()
    assert len([note for note in notes(sim) if "five" in note]) == 1


def test_the_clock_goes_forward_only(sim: Simulator, clock: Clock) -> None:
    before = sim.clock()
    sim.clock.advance(300)
    assert sim.clock() >= before + 300
    assert sim.clock.ahead == 300
    for wrong in (-1, True, "1", float("nan")):
        with pytest.raises(ValueError, match="forward"):
            sim.clock.advance(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "too_far", [float("inf"), 1e300, 10**400, 101 * 365 * 86_400], ids=["inf", "float", "int", "years"]
)
def test_the_clock_goes_forward_by_a_hundred_years_at_most(sim: Simulator, too_far: float) -> None:
    """Later times fit no date, so each further event would fail."""
    sim.clock.advance(99 * 365 * 86_400)
    for seconds in (too_far, 2 * 365 * 86_400):
        with pytest.raises(ValueError, match="a hundred years"):
            sim.clock.advance(seconds)
    assert sim.clock.ahead == 99 * 365 * 86_400
    assert sim.say(ADA, "still here")["timestamp"] > 0


def test_log_out_tells_the_bot_once_and_without_a_code(sim: Simulator, bot: ReceivingBot) -> None:
    link(sim, bot)
    event = sim.tap(ADA, {"type": "account_unlink"})
    assert isinstance(event, dict)
    assert event["account_linking"] == {"status": "unlinked"}
    assert not sim.is_linked(ADA)
    assert sim.wait_until(lambda: len(bot.bodies) == 2)
    assert bot.events[1] == event
    assert sim.tap(ADA, {"type": "account_unlink"}) is None


def test_the_unlink_call_tells_the_bot_too(sim: Simulator, bot: ReceivingBot, graph: GraphClient) -> None:
    link(sim, bot)
    answer = graph.call("POST", "v26.0/me/unlink_accounts", json={"psid": ADA})
    assert answer.json() == {"result": "unlink account success"}
    assert sim.wait_until(lambda: len(bot.bodies) == 2)
    assert bot.events[1]["account_linking"] == {"status": "unlinked"}


def test_unlinking_somebody_who_is_not_linked_succeeds_and_tells_nobody(
    sim: Simulator, graph: GraphClient
) -> None:
    answer = graph.call("POST", "v26.0/me/unlink_accounts", json={"psid": ADA})
    assert answer.json() == {"result": "unlink account success"}
    assert sim.deliveries == []


def test_a_postback_carries_title_and_payload(sim: Simulator, bot: ReceivingBot) -> None:
    sim.tap(ADA, {"type": "postback", "title": "Start", "payload": "START"})
    assert sim.wait_until(lambda: bot.bodies)
    postback = bot.events[0]["postback"]
    assert (postback["title"], postback["payload"]) == ("Start", "START")
    assert postback["mid"]


def test_a_quick_reply_is_a_message_with_a_payload(sim: Simulator, bot: ReceivingBot) -> None:
    sim.tap(ADA, {"content_type": "text", "title": "Yes", "payload": "YES"})
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.events[0]["message"]["text"] == "Yes"
    assert bot.events[0]["message"]["quick_reply"] == {"payload": "YES"}


def test_a_link_and_log_in_return_what_opens(sim: Simulator) -> None:
    assert (
        sim.tap(ADA, {"type": "web_url", "title": "Shop", "url": "https://shop.example/"})
        == "https://shop.example/"
    )
    opened = sim.tap(ADA, {"type": "account_link", "url": LOGIN})
    assert isinstance(opened, str)
    assert opened.startswith(LOGIN + "?account_linking_token=AR")
    with pytest.raises(ValueError, match="no button"):
        sim.tap(ADA, {"type": "phone_number"})


def test_nobody_but_the_known_people_can_act(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="nobody here"):
        sim.say("1", "x")
    with pytest.raises(ValueError, match="nobody here"):
        sim.messages("1")
    with pytest.raises(ValueError, match="nobody here"):
        sim.open_login("1", LOGIN)
