"""The chat page in a browser: a conversation, the webview, the switches; and axe-core finds nothing."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from bot_linking.simulator import Simulator

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot, template

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
ENDS_IN_SIGHT = "at => at.getBoundingClientRect().bottom < innerHeight"
_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 19 10"><rect width="19" height="10"/></svg>'
_LOGIN = (
    '<!doctype html><html lang="en"><title>Log in</title><main><h1>Log in</h1>'
    '<form method="post"><button>Allow</button></form></main>'
)


@pytest.fixture
def talking_bot(bot: ReceivingBot, graph: GraphClient) -> ReceivingBot:
    """Give the bot something to say, and a login page."""
    log_in = {"type": "account_link", "url": f"{bot.url}/login?rid=7"}
    replies: dict[str, dict[str, Any]] = {
        "help": {
            "text": "I can show <b>orders</b>.",
            "quick_replies": [{"content_type": "text", "title": "Show orders", "payload": "ORDERS"}],
        },
        "Show orders": template(
            "generic",
            elements=[
                {"title": "Walking boots", "subtitle": "On its way", "image_url": f"{bot.url}/boots.svg"},
                {"title": "Lamp", "subtitle": "Delivered", "buttons": [{"type": "account_unlink"}]},
            ],
        ),
        "log in": template("button", text="Who are you at Acme?", buttons=[log_in]),
    }

    def answer(event: dict[str, Any]) -> None:
        psid = event["sender"]["id"]
        if "account_linking" in event:
            graph.send({"text": f"You are {event['account_linking']['status']}."}, psid)
        else:
            graph.send(replies.get(event["message"]["text"], {"text": "Pardon?"}), psid)

    def login(request: Request) -> Response:
        if request.method == "POST":
            return redirect(request.args["redirect_uri"] + "&authorization_code=c", 303)
        return Response(_LOGIN, mimetype="text/html")

    bot.answer = answer
    bot.pages = {"/login": login, "/boots.svg": lambda request: Response(_PICTURE, mimetype="image/svg+xml")}
    return bot


def _no_violations(page: Any, moment: str) -> None:
    """Run axe-core on the page in light and in dark, and compare it with the width of the screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        which = [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]
        assert which == [], f"{moment}, {scheme}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        f"{moment}: wider than the screen"
    )


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_a_conversation_with_log_in_works_and_is_accessible(
    chromium: Any, sim: Simulator, talking_bot: ReceivingBot, width: int, height: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": height})
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    page.goto(sim.url)
    log = page.get_by_role("log")
    inside = page.frame_locator("#webview-frame")

    def close_when_seen(route: Any) -> None:
        inside.get_by_role("heading", name="Account linked").wait_for()
        route.continue_()

    page.route("**/return.js", close_when_seen)
    page.get_by_role("group", name="Suggestions").get_by_role("button", name="help", exact=True).click()
    log.get_by_text("I can show <b>orders</b>.").wait_for()  # markup of the bot stays text
    page.get_by_role("group", name="Quick replies").get_by_role("button", name="Show orders").click()
    log.get_by_text("Walking boots").wait_for()
    assert page.get_by_role("group", name="Quick replies").is_hidden()
    page.get_by_label("Message", exact=True).fill("log in")
    page.get_by_role("button", name="Send").click()
    log.get_by_role("button", name="Log In", exact=True).wait_for()
    _no_violations(page, "the chat")

    log.get_by_role("button", name="Log In", exact=True).click()
    webview = page.get_by_role("dialog")
    inside.get_by_role("button", name="Allow").wait_for()
    assert webview.get_by_role("heading").inner_text() == talking_bot.url.removeprefix("http://")
    _no_violations(page, "the webview")
    inside.get_by_role("button", name="Allow").click()
    log.get_by_text("You are linked.").wait_for()
    webview.wait_for(state="hidden")  # closes by itself, after the person has seen the end
    assert page.locator("#link-state").inner_text() == "Account linked"
    assert sim.is_linked(ADA)

    log.get_by_role("button", name="Log Out").click()
    log.get_by_text("You are unlinked.").wait_for()
    if width < 900:
        page.get_by_role("button", name="Wire and faults").click()
    page.get_by_role("switch", name="Redeliver").click()
    page.get_by_label("Delay").select_option("3")
    assert sim.wait_until(lambda: sim.switches.redeliver and sim.switches.delay == 3)
    page.get_by_role("list", name="Posts and calls, newest first").get_by_text("unlinked", exact=True).click()
    _no_violations(page, "wire and faults")
    assert complaints == []
    assert asked == {sim.url, talking_bot.url}, "no third party is asked for anything"
    page.close()


def test_the_newest_message_stays_in_sight_when_the_chat_gets_less_room(
    chromium: Any, sim: Simulator
) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(sim.url)
    for number in range(30):
        sim.say(ADA, f"hello {number}")
    newest = page.get_by_role("log").get_by_text("hello 29")
    newest.wait_for()
    page.wait_for_function(ENDS_IN_SIGHT, arg=newest.element_handle())
    page.set_viewport_size({"width": 390, "height": 500})
    page.wait_for_function(ENDS_IN_SIGHT, arg=newest.element_handle())
    page.close()


def test_the_end_of_the_newest_message_stays_in_sight_when_the_chat_gets_narrower(
    chromium: Any, sim: Simulator
) -> None:
    """Its lines wrap anew, so it needs more room than before."""
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(sim.url)
    for number in range(12):
        sim.say(ADA, f"{number} " + "many words that wrap " * 20)
    newest = page.get_by_role("log").get_by_text("11 many words")
    newest.wait_for()
    page.wait_for_function(ENDS_IN_SIGHT, arg=newest.element_handle())
    for width in (320, 390, 320):
        page.set_viewport_size({"width": width, "height": 600})
        page.wait_for_function(ENDS_IN_SIGHT, arg=newest.element_handle())
    page.close()


def test_the_chat_is_usable_at_320_pixels_and_shows_what_python_does(
    chromium: Any, sim: Simulator, talking_bot: ReceivingBot
) -> None:
    page = chromium.new_page(viewport={"width": 320, "height": 568})
    page.goto(sim.url)
    log = page.get_by_role("log")
    sim.say(ADA, "log in")
    log.get_by_role("button", name="Log In", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.get_by_role("button", name="Grace").click()
    log.get_by_text("Say something").wait_for()
    sim.say(GRACE, "hello")
    log.get_by_text("Pardon?").wait_for()
    assert log.get_by_text("Who are you at Acme?").count() == 0
    _no_violations(page, "320 pixels")
    page.close()


def test_nothing_can_be_said_before_the_page_knows_who_says_it(chromium: Any, sim: Simulator) -> None:
    page = chromium.new_page()
    held, is_holding = list[Any](), [True]

    def answer(route: Any) -> None:
        if is_holding[0]:
            held.append(route)
        else:
            route.continue_()

    page.route("**/simulator/state?*", answer)
    page.goto(sim.url)
    suggestions, words = (
        page.get_by_role("group", name="Suggestions"),
        page.get_by_label("Message", exact=True),
    )
    assert suggestions.is_hidden()
    assert words.is_hidden()
    is_holding[0] = False
    for route in held:
        route.continue_()
    suggestions.wait_for()
    words.wait_for()
    page.close()


def test_a_delivery_that_fails_shows_under_the_bubble(
    chromium: Any, sim: Simulator, bot: ReceivingBot
) -> None:
    page = chromium.new_page()
    page.goto(sim.url)
    bot.statuses = [500] * 3
    page.get_by_label("Message", exact=True).fill("anybody?")
    page.keyboard.press("Enter")
    page.get_by_text("Not delivered").wait_for()
    page.locator("#wire").get_by_text("3 tries · given up").wait_for()
    page.close()


def test_the_pages_where_a_login_ends_are_accessible(chromium: Any, sim: Simulator) -> None:
    page = chromium.new_page(viewport={"width": 320, "height": 568})
    for outcome, tail in (("not linked", ""), ("failed", "&authorization_code=c")):
        page.goto(f"{sim.url}/messenger_platform/account_linking/?account_linking_token=ARx{tail}")
        assert outcome in page.get_by_role("heading").inner_text()
        _no_violations(page, outcome)
    page.get_by_role("link", name="Back to the chat").click()
    page.get_by_role("log").wait_for()
    page.close()
