"""The operator's page in a browser: it fits at each width, light and dark, and axe finds nothing. Without
script a person is found and unlinked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import pytest
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.funnel import STAGES
from bot_linking.core.identifiers import Identifiers
from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = [(width, scheme) for width in (320, 1280, 1920) for scheme in SCHEMES]
LOOKED_AT_BY_AXE = {(320, "light"), (1280, "dark")}  # it takes a second for each
PLACES = {
    "": "heading",
    "/funnel": "Where people leave, in 30 days",
    "/people?q={psid}": "Person",
    "/people?q=ada@example.com": "Person",
    "/person/erase?page={page}&psid={psid}": "Erase this person?",
    "/messages": "Messages that could not be sent",
    "/keys": "Pages and keys",
    "/acts": "What operators did",
}


@pytest.fixture
def site(tmp_path: Path, messenger: Simulator, bot_server: BotServer) -> Iterator[str]:
    """A bot that has something to show on every page; returns the address of its operator's page."""
    app = Flask("desk", instance_path=str(tmp_path))
    app.config.update(messenger.settings_for_bot())
    app.config.update(
        BOT_LINKING_DATABASE=f"sqlite:///{tmp_path}/links.db",
        BOT_LINKING_PUBLIC_URL=bot_server.url,
        BOT_LINKING_DELIVERY="worker",
        SECRET_KEY="k" * 32,
    )
    linking = AccountLinking(authenticate=lambda name, password: None, operator=lambda: "Olivia Longname")
    linking.init_app(app)
    bot_server.serve(app)
    here, psid = linking._here(), messenger.people[0].psid
    for stage in STAGES:
        here.funnel.reach(stage, "login", None, since=linking.now() - 4000)
    here.funnel.reach(STAGES[0], "login", None)
    linking.core.bind(psid, Identifiers("ada", "ada@example.com", "+18900001111"), source="api")
    for number in range(3):
        _bury(linking, messenger.page_id, psid, number)
    Keys(linking.core).create("n" * 64)
    here.store.save_act("Olivia", "show", linking.now(), page_id=messenger.page_id, psid=psid)
    here.funnel.pass_by("webhook", "signature_wrong")
    here.funnel.pass_by("message", "sent")
    yield f"{bot_server.url}/linking/operator"
    linking.store.close()


def _bury(linking: AccountLinking, page_id: str, psid: str, number: int) -> None:
    def work(tx: Any) -> None:
        tx.put(
            "queue_dead",
            page_id=page_id,
            psid=psid,
            kind="linked",
            payload="null",
            reason=f"code 551, subcode 1545041: {'unbroken' * 8 * number}",
            now=linking.now(),
        )

    linking.store.engine.write(work)


def _small_targets(page: Page) -> list[str]:
    """Buttons and fields below 44 pixels, and links of the navigation."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('.button, input:not([type=hidden]), select, nav a')]
             .filter(each => each.getBoundingClientRect().height < 43.5).map(each => each.outerHTML)"""
    )
    return found


def test_every_page_fits_and_is_for_everybody(site: str, messenger: Simulator, chromium: Browser) -> None:
    from axe_playwright_python.sync_playwright import Axe

    faults = list[str]()

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    said = list[str]()
    page = chromium.new_page()
    page.on("console", hear)
    for place, title in PLACES.items():
        address = place.format(page=messenger.page_id, psid=messenger.people[0].psid)
        answer = page.goto(site + address, timeout=120_000)
        assert answer is not None
        for width, scheme in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            where = f"{place} at {width} {scheme}"
            heading = page.get_by_role("heading", level=1).inner_text()
            if answer.status != 200 or not (title in heading or title == "heading"):
                faults.append(f"{where}: {answer.status} {heading}")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{where}: scrolls sideways")
            faults += [f"{where}: {target}" for target in _small_targets(page)]
            if (width, scheme) in LOOKED_AT_BY_AXE:
                found = Axe().run(page).response["violations"]
                faults += [f"{where}: {each['id']} {each['nodes'][0]['html'][:200]}" for each in found]
    page.close()
    assert faults + said == []


def test_a_person_is_found_and_unlinked_by_keyboard_and_forms_alone(
    site: str, messenger: Simulator, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site, timeout=120_000)
    page.get_by_role("link", name="People").press("Enter")
    page.get_by_role("searchbox").fill(messenger.people[0].psid)
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="Unlink").click()
    page.get_by_role("button", name="Unlink").press("Enter")
    assert page.get_by_role("status").inner_text() == "The person is unlinked."
    assert page.get_by_text("Olivia Longname").count() == 2  # in the head, and in the history
    context.close()
