"""The verbs of the chat: buttons, messages, and the prompt of a handler that needs a login."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, overload

from bot_linking.core.errors import GiveUp
from bot_linking.core.links import Link
from bot_linking.core.text import escaped
from bot_linking.interrupted import call_of, person_of
from bot_linking.messenger import buttons
from bot_linking.messenger.buttons import Button, Message
from bot_linking.messenger.senders import names_no_sender
from bot_linking.verbs.people import People
from bot_linking.verbs.ways_in import runnable

_log = logging.getLogger("bot_linking")


class Chat(People):
    """Buttons and messages for any client, and the prompt to log in."""

    GiveUp = GiveUp
    """For a handler to raise that must not be run again."""

    def login_button(self, *, page_id: str | None = None) -> Button:
        """`{"type": "account_link", "url": ...}`, for any template of your own. With several pages, name the
        page: the login then asks Graph with that page's token alone."""
        return self._here().login_button(page_id)

    def logout_button(self) -> Button:
        """`{"type": "account_unlink"}`. Messenger's button ends only a link that its Log In button made; for
        any other link see `logout_message(psid=)`."""
        return buttons.logout_button()

    def login_message(
        self,
        text: str | None = None,
        *,
        title: str | None = None,
        subtitle: str | None = None,
        image_url: str | None = None,
        page_id: str | None = None,
        psid: str | None = None,
        by: str = "auto",
    ) -> Message:
        """A `message` object with a Log In button, for any client's send call.

        With the `psid` of the person, it has an address for any browser where the button cannot work; `by` is
        as in `prompt_login`. It is a button template, or a generic template when there is a title, subtitle
        or picture. `ValueError` for what Messenger would refuse: text over 640 characters, a title or
        subtitle over 80, an address that is not https.
        """
        here = self._here()
        text = text or here.messages.login_prompt(here.settings.locale)
        looks = {"title": title, "subtitle": subtitle, "image_url": image_url}
        return here.choice.message(psid, page_id, text, here.settings.locale, by=_way(by), **looks)

    def logout_message(
        self,
        text: str | None = None,
        *,
        title: str | None = None,
        subtitle: str | None = None,
        image_url: str | None = None,
        page_id: str | None = None,
        psid: str | None = None,
    ) -> Message:
        """A `message` object with a Log Out button, in the shapes of `login_message`.

        Messenger's own button ends only a link that its Log In button made. With the `psid` of the person,
        the message has a button that works on every way.
        """
        here = self._here()
        locale = here.settings.locale
        text = text or here.messages.logout_prompt(locale)
        link = self.link_of(psid, page_id) if psid is not None else None
        button = buttons.way_out(link.source, locale) if link is not None else self.logout_button()
        return buttons.message_with(button, text, title=title, subtitle=subtitle, image_url=image_url)

    @property
    def bot(self) -> Any:
        """The pymessenger Bot of the only page: your own, or one made from the configuration."""
        return self.bot_of()

    def bot_of(self, page_id: str | None = None) -> Any:
        """The pymessenger Bot of a page, with time-outs, one pooled connection, and `GraphError`."""
        return self._here().bots.of(page_id)

    def prompt_login(
        self,
        psid: str,
        text: str | None = None,
        *,
        resume: Any = None,
        page_id: str | None = None,
        by: str = "auto",
    ) -> None:
        """Ask a person to log in. Raises `GraphError` when Messenger does not take the message.

        `resume`, any JSON value, comes back as `event.resume` of the linked event, within an hour. `by` is
        `"login"` (the Log In button), `"web"` (an address for any browser), or `"auto"`: the button, and the
        address where the button cannot work, as `BOT_LINKING_WAYS` says.
        """
        self._here().prompts.send(psid, text, resume=resume, page_id=page_id, by=_way(by))

    @overload
    def login_required(self, handler: Callable[..., Any]) -> Callable[..., Any]: ...
    @overload
    def login_required(
        self, *, text: str | None = None, cancelled: Callable[..., Any] | None = None, by: str = "auto"
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
    def login_required(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        text: str | None = None,
        cancelled: Callable[..., Any] | None = None,
        by: str = "auto",
    ) -> Any:
        """Decorates a handler of events: runs it with the link, or prompts for a login and runs it
        afterwards.

            @linking.login_required(text="Log in to see your orders.")
            def orders(event, link): ...

        The handler is called as `handler(event, link, *args, **kwargs)`; `event` is a webhook event or a
        PSID, and the rest are JSON values. An event that no person made (an echo, a read, a delivery) prompts
        no one, and a message that Messenger delivers twice prompts once.

        After the login it runs from the outbox: at least once, in another thread and perhaps another process,
        in a new app and request context whose base is `BOT_LINKING_PUBLIC_URL`. So take the person from the
        event, and nothing from the former request. When it raises, it is run again with growing pauses for a
        day; after `GiveUp` it is not, and the person, linked before or not, gets one sentence of regret.
        `cancelled(event, *args, **kwargs)` is called when the person declines. `by` is as in `prompt_login`.
        """
        by = _way(by)

        def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
            runs = runnable(handler)
            name = self._interrupted.add(handler, runs, cancelled)

            @wraps(handler)
            def guarded(event: Any, *args: Any, **kwargs: Any) -> Any:
                if names_no_sender(event):
                    return None
                psid, page_id = person_of(event)
                link = self.link_of(psid, page_id)
                if link is not None:
                    return self._run_now(link, partial(runs, event, link, *args, **kwargs))
                call = call_of(name, event, args, kwargs)
                return self._here().prompts.require(event, psid, page_id, text=text, call=call, by=by)

            return guarded

        return decorate if handler is None else decorate(handler)

    def _run_now(self, link: Link, run: Callable[[], Any]) -> Any:
        """What gives up is no error of the webhook's: Messenger would deliver it again."""
        try:
            return run()
        except GiveUp as problem:
            _log.warning("a handler gave up: %s", escaped(str(problem)))
            self._here().linking.queue(link.page_id, link.psid, "sorry", None)
            return None


def _way(by: str) -> str:
    if by not in ("auto", "login", "web"):
        raise ValueError("by is auto, login or web")
    return by
