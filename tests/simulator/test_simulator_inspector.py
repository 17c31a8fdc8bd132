"""The chat page's tools in a browser: people, the inspector of the wire log, clock, faults, links, menus."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from bot_linking.simulator import Person, Simulator

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot
from .test_simulator_extensions import read
from .test_simulator_page import _no_violations

WIDTHS = [320, 390, 768, 1280]
PEOPLE = (
    Person(ADA, "Ada", "Lovelace"),
    Person(GRACE, "Grace", "Hopper", device="desktop"),
    Person("24680135793579", "Katherine", "Johnson", european=True),
    Person("24680135794680", "Wolfeschlegelsteinhausenbergerdorff", "Maximiliana-Theodora von und zu"),
    Person("24680135795791", "Edsger", "Dijkstra"),
)


@pytest.fixture
def talkative(bot: ReceivingBot, graph: GraphClient) -> ReceivingBot:
    def answer(event: dict[str, Any]) -> None:
        if "message" in event:
            graph.send({"text": f"You said {event['message']['text']}."}, event["sender"]["id"])

    bot.answer = answer
    return bot


def open_page(chromium: Any, sim: Simulator, *, width: int = 1280, height: int = 800, **given: Any) -> Any:
    page = chromium.new_page(viewport={"width": width, "height": height}, **given)
    page.goto(sim.url)
    page.locator("[data-psid]").first.wait_for()
    return page


def show_tools(page: Any) -> None:
    toggle = page.get_by_role("button", name="Wire and faults")
    if toggle.is_visible():
        toggle.click()


@pytest.mark.parametrize("width", WIDTHS)
def test_five_people_with_long_names_fit(chromium: Any, bot: ReceivingBot, width: int) -> None:
    with Simulator(bot.webhook_url, people=PEOPLE) as sim:
        page = open_page(chromium, sim, width=width)
        page.locator("[data-psid]").nth(4).wait_for()
        _no_violations(page, f"five people at {width}")
        for place, person in enumerate(PEOPLE):
            page.locator("[data-psid]").nth(place).click()
            page.locator(f'[data-psid="{person.psid}"][aria-pressed="true"]').wait_for()
        name = page.locator("[data-psid]").nth(3).locator(".name").bounding_box()
        phone = page.locator(".phone").bounding_box()
        assert name["x"] + name["width"] <= phone["x"] or name["y"] + name["height"] <= phone["y"]
        page.close()


def test_a_reload_keeps_the_person(chromium: Any, sim: Simulator, talkative: ReceivingBot) -> None:
    page = open_page(chromium, sim)
    page.get_by_role("button", name="Grace").click()
    page.get_by_label("Message", exact=True).fill("hello")
    page.keyboard.press("Enter")
    page.get_by_role("log").get_by_text("You said hello.").wait_for()
    page.reload()
    page.get_by_role("log").get_by_text("You said hello.").wait_for()
    assert page.locator('[aria-pressed="true"][data-psid]').get_attribute("data-psid") == GRACE
    assert sim.messages(ADA) == []
    page.close()


def test_somebody_new_comes_and_leaves(chromium: Any, sim: Simulator, talkative: ReceivingBot) -> None:
    page = open_page(chromium, sim, width=390)
    page.get_by_role("button", name="People and links").click()
    _no_violations(page, "people and links")
    page.get_by_label("First name").fill("Mary <b>")
    page.get_by_label("Chats on a").select_option("desktop")
    page.get_by_role("button", name="New person").click()
    page.get_by_role("button", name="Mary <b>").wait_for()
    mary = sim.people[-1]
    assert (mary.first_name, mary.device, mary.european) == ("Mary <b>", "desktop", False)
    page.get_by_text("The page may not write now").wait_for()
    page.get_by_label("Message", exact=True).fill("hello")
    page.keyboard.press("Enter")
    page.get_by_role("log").get_by_text("You said hello.").wait_for()
    page.get_by_text("The page may write for 24 h").wait_for()
    page.get_by_role("button", name="People and links").click()
    page.get_by_role("button", name=re.compile("Forget Mary")).click()
    page.locator(f'[data-psid="{ADA}"][aria-pressed="true"]').wait_for()
    assert sim.person(mary.psid) is None
    assert page.get_by_role("log").get_by_text("You said hello.").count() == 0
    page.close()


def test_the_page_goes_on_when_everybody_has_left(chromium: Any, sim: Simulator) -> None:
    page = open_page(chromium, sim)
    for psid in (ADA, GRACE):
        sim.forget(psid)
    page.locator("#chat").wait_for(state="hidden")
    page.get_by_role("button", name="People and links").click()
    page.get_by_role("button", name="New person").click()
    page.locator('[data-psid][aria-pressed="true"]').wait_for()
    page.get_by_label("Message", exact=True).wait_for()
    page.close()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (900, 800), (1280, 800)])
def test_many_people_and_a_long_wire_stay_within_the_window(
    chromium: Any, bot: ReceivingBot, width: int, height: int
) -> None:
    """The page itself never scrolls; the columns do, from top to bottom."""
    people = [Person(str(7000 + number), f"Person{number}", "Doe") for number in range(9)]
    with Simulator(bot.webhook_url, people=people) as sim:
        page = open_page(chromium, sim, width=width, height=height)
        show_tools(page)
        for number in range(40):
            sim.say(people[0].psid, f"message {number}")
        page.locator("#wire li", has_text="message 39").first.wait_for()
        room = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert page.evaluate(room) == [width, height]
        assert (
            page.evaluate(
                "(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.querySelector('.left'))"
            )
            == 0
        )
        if width >= 900:
            words = page.locator(".brand").evaluate("brand => [brand.scrollHeight, brand.clientHeight]")
            assert words[0] == words[1] > 0
        page.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_wire_is_an_inspector(chromium: Any, sim: Simulator, talkative: ReceivingBot, width: int) -> None:
    page = open_page(chromium, sim, width=width)
    talkative.statuses = [500]
    sim.say(ADA, "orders")
    assert sim.wait_until(lambda: sim.messages(ADA))
    sim.say(GRACE, "points")
    assert sim.wait_until(lambda: sim.messages(GRACE))
    show_tools(page)
    line = page.locator("#wire li", has_text="message “orders”")
    line.get_by_text("2 tries").wait_for()
    assert re.search(
        r"\d\d:\d\d:\d\d\s*→.*message “orders”\s*200\s*\d+ ms", line.inner_text().replace("\n", " ")
    )
    page.locator("#wire li", has_text="POST messages: “You said orders.”").wait_for()
    line.locator("summary").click()
    shown = line.locator("pre")
    shown.get_by_text('"text": "orders"').wait_for()
    _no_violations(page, f"an open line at {width}")
    line.get_by_role("button", name="Response").click()
    assert shown.inner_text() == "200\n\nEVENT_RECEIVED"
    line.get_by_role("button", name="Headers").click()
    assert f"X-Hub-Signature-256: {talkative.signatures[0]}" in shown.inner_text()
    line.get_by_role("button", name="Send again").click()
    line.get_by_text("Sent").wait_for()
    assert sim.wait_until(lambda: len(talkative.bodies) == 4)
    page.close()


def test_lines_stand_in_the_order_in_which_they_began(
    chromium: Any, sim: Simulator, talkative: ReceivingBot
) -> None:
    page = open_page(chromium, sim)
    sim.say(ADA, "orders")
    page.locator("#wire li").nth(1).wait_for()
    texts = page.locator("#wire .what").all_inner_texts()
    assert texts == ["POST messages: “You said orders.”", "message “orders”"]  # newest first
    page.close()


def test_the_wire_is_filtered_by_person_kind_and_failure(
    chromium: Any, sim: Simulator, talkative: ReceivingBot, graph: GraphClient
) -> None:
    page = open_page(chromium, sim)
    sim.say(ADA, "orders")
    sim.say(GRACE, "points")
    assert sim.wait_until(lambda: sim.messages(ADA) and sim.messages(GRACE))
    graph.send({"text": "x" * 2001}, GRACE)
    visible = page.locator("#wire li:visible")
    page.locator("#wire li").nth(4).wait_for()
    page.get_by_label("Person").select_option("Grace")
    assert visible.count() == 3
    page.get_by_label("Kind").select_option("message")
    assert visible.locator(".what").all_inner_texts() == ["message “points”"]
    page.get_by_label("Kind").select_option("")
    page.get_by_label("failed").check()
    assert visible.count() == 1
    assert "2000 are allowed" in visible.inner_text()
    page.get_by_label("Person").select_option("Ada")
    page.get_by_text("Nothing that fits the filter.").wait_for()
    page.close()


def test_a_line_is_copied_as_json_and_as_curl(chromium: Any, sim: Simulator, talkative: ReceivingBot) -> None:
    page = open_page(chromium, sim)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sim.say(ADA, "orders")
    line = page.locator("#wire li", has_text="message “orders”")
    line.locator("summary").click()
    line.get_by_role("button", name="Copy as curl").click()
    line.get_by_text("Copied").wait_for()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl -i -X POST {talkative.webhook_url} ")
    assert talkative.signatures[0] in command
    line.get_by_role("button", name="Copy as JSON").click()
    clipboard = "navigator.clipboard.readText()"
    assert sim.wait_until(lambda: page.evaluate(clipboard).startswith("{"))
    copied = json.loads(page.evaluate(clipboard))
    assert copied["request"]["body"] == json.loads(talkative.bodies[0])
    assert copied["request"]["headers"]["X-Hub-Signature-256"] == talkative.signatures[0]
    assert copied["response"] == {"status": 200, "body": "EVENT_RECEIVED"}
    page.close()


def test_a_webhook_is_edited_and_sent_signed_anew(
    chromium: Any, sim: Simulator, talkative: ReceivingBot
) -> None:
    page = open_page(chromium, sim, width=320)
    sim.say(ADA, "orders")
    show_tools(page)
    line = page.locator("#wire li", has_text="message “orders”")
    line.locator("summary").click()
    line.get_by_role("button", name="Edit and send").click()
    editor = line.get_by_label("Body, signed anew when it is sent")
    _no_violations(page, "the editor")
    editor.fill("{")
    line.get_by_role("button", name="Send", exact=True).click()
    show_tools(page)
    page.get_by_text("That cannot be sent").wait_for()
    show_tools(page)
    editor.fill(talkative.bodies[0].decode().replace("orders", "points"))
    line.get_by_role("button", name="Send", exact=True).click()
    page.locator("#wire li", has_text="message “points”").wait_for()
    assert talkative.signatures[1] == talkative.expected_signature(talkative.bodies[1], sim.app_secret)
    page.close()


def test_the_clock_goes_forward_by_buttons(chromium: Any, sim: Simulator, graph: GraphClient) -> None:
    page = open_page(chromium, sim)
    for label, ahead in (
        ("+5 min", "5 min"),
        ("+1 h", "1 h 5 min"),
        ("+25 h", "1 d 2 h"),
        ("+31 days", "32 d 2 h"),
    ):
        page.get_by_role("button", name=label, exact=True).click()
        page.locator("#ahead", has_text=f"{ahead} ahead").wait_for()
    assert sim.clock.ahead == 300 + 3600 + 25 * 3600 + 31 * 86400
    page.get_by_text("The page may not write now").wait_for()
    assert graph.send({"text": "hi"}).json()["error"]["error_subcode"] == 2018278
    page.close()


def test_faults_are_chips_that_say_what_they_do(chromium: Any, sim: Simulator) -> None:
    page = open_page(chromium, sim, width=390)
    show_tools(page)
    chip = page.get_by_role("switch", name="Graph down")
    assert chip.get_attribute("aria-checked") == "false"
    chip.focus()
    page.keyboard.press("Space")
    page.get_by_text("Graph down: Every Graph call answers 503.").wait_for()
    assert sim.switches.graph_down
    assert chip.get_attribute("aria-checked") == "true"
    assert page.locator("#fault-count").inner_text() == "1"
    assert page.get_by_role("switch").count() == len(sim.switches.as_dict()) - 1  # delay is a number
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_with_forced_colours_what_is_on_looks_another_than_what_is_off(
    chromium: Any, sim: Simulator, talkative: ReceivingBot, width: int
) -> None:
    page = open_page(chromium, sim, width=width, forced_colors="active")
    sim.say(ADA, "orders")
    page.get_by_role("log").get_by_text("You said orders.").wait_for()
    look = "(element) => [getComputedStyle(element).backgroundColor, getComputedStyle(element).color]"
    chosen, other = (page.locator("[data-psid]").nth(place).evaluate(look) for place in (0, 1))
    assert chosen != other
    bubble = page.locator(".row.person .bubble")
    assert bubble.evaluate("(element) => parseFloat(getComputedStyle(element).borderTopWidth)") >= 1
    show_tools(page)
    page.get_by_role("switch", name="Graph down").click()
    page.get_by_role("switch", name="Graph down", checked=True).wait_for()
    on, off = (page.get_by_role("switch", name=name).evaluate(look) for name in ("Graph down", "Batch"))
    assert on != off
    page.close()


def test_text_follows_the_text_size_of_the_browser(
    chromium: Any, sim: Simulator, talkative: ReceivingBot
) -> None:
    page = open_page(chromium, sim, width=390)
    sim.say(ADA, "orders")
    page.get_by_role("log").get_by_text("You said orders.").wait_for()
    size = "(element) => parseFloat(getComputedStyle(element).fontSize)"
    places = [".bubble", "#text", "#link-state", ".first", "#wire-title", "#wire summary", ".pills button"]
    before = [page.locator(place).first.evaluate(size) for place in places]
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    after = [page.locator(place).first.evaluate(size) for place in places]
    assert after == [2 * each for each in before]
    _no_violations(page, "text at 200 %")
    page.close()


def test_who_reads_above_is_told_of_new_messages_below(
    chromium: Any, sim: Simulator, talkative: ReceivingBot, graph: GraphClient
) -> None:
    page = open_page(chromium, sim, width=390)
    for number in range(40):
        graph.send({"text": f"line {number}"})
    page.get_by_text("line 39", exact=True).wait_for()
    newer = page.get_by_role("button", name="New messages below")
    assert newer.is_hidden()
    page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    graph.send({"text": "the newest"})
    newer.click()
    newer.wait_for(state="hidden")
    assert page.locator("#log").evaluate("(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 80")
    page.close()


def test_tab_reaches_the_switches_while_the_webview_is_open(
    chromium: Any, sim: Simulator, talkative: ReceivingBot, graph: GraphClient
) -> None:
    talkative.pages = {"/login": lambda request: Response("<title>Log in</title>", mimetype="text/html")}
    button = {"type": "account_link", "url": f"{talkative.url}/login"}
    template = {"template_type": "button", "text": "Log in", "buttons": [button]}
    graph.send({"attachment": {"type": "template", "payload": template}})
    page = open_page(chromium, sim)
    page.get_by_role("log").get_by_role("button", name="Log In").click()
    dialog = page.get_by_role("dialog", name=talkative.url.removeprefix("http://"))
    dialog.wait_for()
    assert (
        dialog.get_attribute("aria-modal") is None
    )  # it does not hold the keyboard: faults are flipped meanwhile
    page.get_by_role("switch", name="Graph down").click()
    assert sim.wait_until(lambda: sim.switches.graph_down)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.close()


def test_a_quick_reply_that_asks_for_the_address_sends_the_address(
    chromium: Any, sim: Simulator, talkative: ReceivingBot, graph: GraphClient
) -> None:
    graph.send({"text": "Your address?", "quick_replies": [{"content_type": "user_email"}]})
    page = open_page(chromium, sim)
    page.get_by_role("group", name="Quick replies").get_by_role("button").click()
    page.get_by_role("log").get_by_text("You said ada@example.com.").wait_for()
    page.close()


def test_an_m_me_link_in_a_browser_asks_who_opens_it(
    chromium: Any, sim: Simulator, bot: ReceivingBot
) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{sim.url}/m.me/acme?ref=bl.abc")
    dialog = page.get_by_role("dialog", name="Who opens this link?")
    dialog.wait_for()
    _no_violations(page, "who opens this link")
    assert bot.bodies == []
    dialog.get_by_role("button", name="Grace Hopper").click()
    dialog.wait_for(state="hidden")
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.events[0]["referral"]["ref"] == "bl.abc"
    assert bot.events[0]["sender"]["id"] == GRACE
    page.reload()  # and not once more
    page.locator(f'[data-psid="{GRACE}"][aria-pressed="true"]').wait_for()
    assert dialog.is_hidden()
    assert len(bot.bodies) == 1
    page.close()


def test_somebody_new_follows_a_link_and_taps_get_started(
    chromium: Any, sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    graph.call("POST", "me/messenger_profile", json={"get_started": {"payload": "BEGIN"}})
    page = chromium.new_page(viewport={"width": 320, "height": 568})
    page.goto(f"{sim.url}/m.me/acme?ref=bl.abc")
    page.get_by_role("button", name="Somebody new").click()
    begin = page.get_by_role("button", name="Get Started")
    begin.wait_for()
    assert page.get_by_label("Message", exact=True).is_hidden()
    _no_violations(page, "get started")
    begin.click()
    page.get_by_label("Message", exact=True).wait_for()
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.events[0]["postback"]["referral"]["ref"] == "bl.abc"
    page.close()


def test_a_link_is_opened_by_hand_as_from_a_qr_code(chromium: Any, sim: Simulator, bot: ReceivingBot) -> None:
    page = open_page(chromium, sim)
    page.get_by_role("button", name="People and links").click()
    address = page.get_by_label("What is behind the link or the QR code")
    address.fill("https://m.me/another?ref=x")
    page.get_by_role("button", name="Open it as Ada").click()
    page.get_by_text("leads to another page").wait_for()
    address.fill("https://m.me/acme?ref=bl.qr")
    page.get_by_role("button", name="Open it as Ada").click()
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.events[0]["referral"]["ref"] == "bl.qr"
    page.close()


MENU_PAGE = """<!doctype html><html lang="en"><title>Menu</title><main><h1>Account</h1>
<form method="post"><input type="hidden" name="signed_request"></form><p id="said"></p></main>
<script>
window.extAsyncInit = () => MessengerExtensions.getSupportedFeatures((features) => {
  MessengerExtensions.getContext("%s", (context) => {
    document.forms[0].signed_request.value = context.signed_request;
    document.forms[0].submit();
  }, (code, message) => { document.getElementById("said").textContent = `${code} ${message}`; });
});
</script><script src="%s/en_US/messenger.Extensions.js"></script>"""
DONE_PAGE = """<!doctype html><html lang="en"><title>Done</title><main><h1>Connected</h1></main>
<script>window.extAsyncInit = () => setTimeout(() => MessengerExtensions.requestCloseBrowser(), 300);</script>
<script src="%s/en_US/messenger.Extensions.js"></script>"""


@pytest.fixture
def with_menu(sim: Simulator, bot: ReceivingBot, graph: GraphClient) -> list[str]:
    """A bot with a page of extensions in its menu; returns what that page has posted."""
    posted: list[str] = []

    def show(request: Request) -> Response:
        if request.method == "POST":
            posted.append(request.form["signed_request"])
            return Response(DONE_PAGE % sim.url, mimetype="text/html")
        app_id = "1" if "wrong" in request.args else sim.app_id
        return Response(MENU_PAGE % (app_id, sim.url), mimetype="text/html")

    bot.pages = {"/menu": show}
    item = {"type": "web_url", "title": "Account", "url": f"{bot.url}/menu", "messenger_extensions": True}
    wrong = {**item, "title": "Wrong app", "url": f"{bot.url}/menu?wrong=1"}
    profile = {
        "get_started": {"payload": "BEGIN"},
        "whitelisted_domains": [bot.url],
        "persistent_menu": [{"locale": "default", "call_to_actions": [item, wrong]}],
    }
    assert graph.call("POST", "me/messenger_profile", json=profile).ok
    return posted


@pytest.mark.parametrize("width", [320, 1280])
def test_a_page_in_the_menu_learns_who_it_is_and_closes_itself(
    chromium: Any, sim: Simulator, with_menu: list[str], width: int
) -> None:
    page = open_page(chromium, sim, width=width)
    page.get_by_role("button", name="Menu").click()
    _no_violations(page, "the menu")
    page.get_by_role("button", name="Account", exact=True).click()
    assert sim.wait_until(lambda: with_menu)  # so the webview has opened
    page.locator("#webview").wait_for(state="hidden")
    [signed] = with_menu
    assert read(signed, sim.app_secret)["psid"] == ADA
    page.close()


def test_a_wrong_app_id_is_told_to_the_page(chromium: Any, sim: Simulator, with_menu: list[str]) -> None:
    page = open_page(chromium, sim)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Wrong app").click()
    page.frame_locator("#webview-frame").get_by_text("not the id of the app").wait_for()
    assert with_menu == []
    page.close()


def test_on_a_desktop_the_sdk_never_begins(
    chromium: Any, sim: Simulator, bot: ReceivingBot, with_menu: list[str]
) -> None:
    desktop = sim.add_person("Alan", device="desktop", begun=True)
    page = open_page(chromium, sim)
    page.get_by_role("button", name="Alan").click()
    page.get_by_role("button", name="Menu").click()
    link = page.get_by_role("link", name="Account", exact=True)  # a tab of its own, and no webview
    assert link.get_attribute("target") == "_blank"
    page.goto(link.get_attribute("href"))
    page.wait_for_timeout(500)
    assert with_menu == []
    assert not sim.has_extensions(desktop.psid)
    page.close()
