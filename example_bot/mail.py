"""What the shop writes to its customers by e-mail; beside a simulator it goes into its mailbox."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from bot_linking import OwnerNotice

TIMEOUT_S = 4
WHAT = {"linked": "connected with", "replaced": "connected with", "unlinked": "disconnected from"}

_log = logging.getLogger("example_bot")


class Mail:
    """Sends mails. A `graph_url` on this machine is a simulator's, which has a mailbox."""

    def __init__(self, graph_url: str) -> None:
        self.has_simulator = urlsplit(graph_url).hostname in {"127.0.0.1", "localhost", "::1"}
        self._mailbox = f"{graph_url.rstrip('/')}/simulator/mail" if self.has_simulator else None

    def notify_owner(self, notice: OwnerNotice) -> None:
        """Tell a customer what happened to their account. When it raises, the notice is tried again later."""
        to = notice.link.email or notice.link.username or notice.link.account_id
        text = f"A chat in Messenger was {WHAT[notice.kind]} your account at Acme ({notice.source})."
        if notice.undo_url:
            text += f"\nWas it not you? Undo it within seven days: {notice.undo_url}"
        self.send(to, f"A chat was {notice.kind}", text)

    def send(self, to: str, subject: str, text: str) -> None:
        if self._mailbox is None:
            _log.info("mail to a customer: %s", subject)  # a real shop would send it here
            return
        import requests  # here, so that a command of `flask linking` does not load it

        mail = {"to": to, "subject": subject, "text": text}
        with requests.Session() as http:
            http.trust_env = False
            http.post(
                self._mailbox, json=mail, headers={"X-Simulator": "bot"}, timeout=TIMEOUT_S
            ).raise_for_status()
