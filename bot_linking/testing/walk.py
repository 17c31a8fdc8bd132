"""A person's browser on the linking pages, over real HTTP: sign in, consent, go back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from bot_linking.testing.pages import forms_of, refresh_of
from bot_linking.testing.ways import Ways

if TYPE_CHECKING:
    import requests


class LinkingWalk(Ways):
    """Walks the linking pages of a bot that talks to this simulated Messenger.

    `link` does everything; its steps are `open`, `sign_in` or `sign_up`, `consent` or `cancel`, and
    `go_back`. After each, `page` is the last answer (a `requests.Response`). A step that the present page
    does not offer raises `LookupError`.

    Other ways into a link: `open_web_link`, `digits` and `type_digits` for a web link; `open_menu` and
    `prove_by_context` for the menu; `m_me_link`, `arrive` and `reply` from the site to the chat.
    """

    def link(self, psid: str, username: str, password: str) -> None:
        """Tap the newest Log In button, sign in, consent, go back, and wait until the bot has the event.

        Raises `AssertionError` when the person is not linked at Messenger afterwards.
        """
        self.open(psid)
        self.sign_in(username, password)
        self.consent()
        self.go_back()
        told = self._messenger.wait_until(lambda: self._messenger.is_linked(psid) and self._was_told(psid))
        assert told, f"the login did not end in a link; the last page was {self.page.status_code}"

    # Steps

    def open(self, psid: str) -> requests.Response:
        """Tap the newest Log In button that the bot has sent to this person; waits for one to come."""
        opened = self._messenger.tap(psid, self.login_button(psid))
        return self.visit(str(opened))

    def sign_in(self, username: str, password: str) -> requests.Response:
        return self.submit("login", username=username, password=password)

    def sign_up(self, username: str, password: str, email: str = "") -> requests.Response:
        """Follow "Create an account", then fill its form."""
        url = self.page.url.replace("/login?", "/signup?", 1)
        self.visit(url)
        return self.submit("signup", username=username, email=email, password=password)

    def consent(self) -> requests.Response:
        """Press the button that links."""
        return self.submit("consent")

    def use_another_account(self) -> requests.Response:
        return self.submit("switch")

    def cancel(self) -> requests.Response:
        """Press Cancel, which leads back to Messenger without a code."""
        return self.submit("cancel")

    def go_back(self) -> requests.Response:
        """Go on from the page "Almost done", which leads back to Messenger; does nothing on other pages."""
        target = refresh_of(self.page.text)
        return self.page if target is None else self.visit(urljoin(self.page.url, target))

    def submit(self, form: str, **fields: str) -> requests.Response:
        """Send the form of this name (the last part of its address) with these fields filled in."""
        found = next((each for each in forms_of(self.page.text) if each.name == form), None)
        if found is None:
            raise LookupError(f"no {form} form on the page {self.page.url} ({self.page.status_code})")
        url = urljoin(self.page.url, found.action)
        return self.post(url, {**found.fields, **fields})

    # What can be seen

    def login_button(self, psid: str) -> dict[str, Any]:
        """The newest Log In button in the person's chat; waits for one, `LookupError` when none comes."""
        if not self._messenger.wait_until(lambda: self._find_button(psid)):
            raise LookupError(f"the bot sent no Log In button to {psid}")
        button = self._find_button(psid)
        assert button is not None
        return button

    def hears(self, psid: str, words: str, timeout: float = 60.0) -> bool:
        """Wait until the bot has said these words to the person, in a text or a template."""
        return self._messenger.wait_until(lambda: self._said(psid, words), timeout)

    # Inside

    def _find_button(self, psid: str) -> dict[str, Any] | None:
        for sent in reversed(self._messenger.messages(psid)):
            for button in _buttons_in(sent.get("message")):
                if button.get("type") == "account_link":
                    return button
        return None

    def _said(self, psid: str, words: str) -> bool:
        sent = self._messenger.messages(psid)
        return any(words in json.dumps(each, ensure_ascii=False) for each in sent)

    def _was_told(self, psid: str) -> bool:
        deliveries = self._messenger.deliveries
        return any(psid in each.people and b'"linked"' in each.body and each.accepted for each in deliveries)


def _buttons_in(message: Any) -> list[dict[str, Any]]:
    """The buttons of a button template, a generic template or a media template."""
    if not isinstance(message, dict):
        return []
    payload = message.get("attachment", {}).get("payload", {})
    found = list(payload.get("buttons", ()))
    for element in payload.get("elements", ()):
        found += element.get("buttons", ())
    return found
