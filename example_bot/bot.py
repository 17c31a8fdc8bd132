"""The bot: text in, text out. What account linking added is marked."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Flask

from bot_linking import AccountLinking, GraphError, Link
from example_bot.mail import Mail
from example_bot.shop import Shop
from example_bot.site import Site

try:
    from example_bot import site_api
except ImportError:  # it needs the extra `bot-linking[external-account]`; the bot works without it
    site_api = None  # type: ignore[assignment]

HELP = "I can tell you about your orders and points. Try: orders, points, log in, log out."
SUGGESTIONS = ("help", "orders", "points", "log in", "log out")
GET_STARTED = "GET_STARTED"

_log = logging.getLogger("example_bot")


def add_bot(
    app: Flask, shop: Shop, site: Site, *, mail: Mail, clock: Callable[[], float] = time.time
) -> AccountLinking:
    """Put the bot into the app: its `/webhook` and what it answers."""

    # Linking: who the customers are, what they are told by e-mail, and where the pages go.
    linking = AccountLinking(
        authenticate=shop.check_password,
        create_account=shop.sign_up,
        current_account=site.current_account,
        resolve_account=shop.find_account,
        notify_owner=mail.notify_owner,
        on_conflict="ask",
        clock=clock,
    )
    app.register_blueprint(linking.blueprint, url_prefix="/linking")

    # Linking: a linked person's bot may call the shop's own API for them.
    api = site_api.SiteAPI(app, linking, shop) if site_api else None
    app.extensions["example_bot.site_api"] = api

    @app.post("/webhook")
    @linking.webhook  # Linking: verifies, takes the account linking events, lets everything else through.
    def webhook() -> str:
        for event in linking.events():
            if "text" in event.get("message", ()):
                answer(event)
            elif event.get("postback", {}).get("payload") == GET_STARTED:
                say(event, HELP)
        return "ok"

    def answer(event: dict[str, Any]) -> None:
        text = event["message"]["text"].strip().lower()
        if event["message"].get("is_echo"):
            return
        command = commands.get(text, help_)
        with_code = re.fullmatch(r"points ([0-9]{6})", text)
        try:
            if with_code:
                points(event, with_code[1])
            else:
                command(event)
        except GraphError as problem:
            _log.warning("not answered: %s", problem)

    def say(event: dict[str, Any], text: str) -> None:
        replies = [{"content_type": "text", "title": word, "payload": word} for word in SUGGESTIONS]
        linking.bot.send_message(event["sender"]["id"], {"text": text, "quick_replies": replies})

    def help_(event: dict[str, Any]) -> None:
        say(event, HELP)

    # Linking: asks for a login where one is needed, and goes on automatically afterwards.
    @linking.login_required(
        text="Log in to see your orders.",
        cancelled=lambda event: say(event, "No problem. Ask me again whenever you like."),
    )
    def orders(event: dict[str, Any], link: Link) -> None:
        say(event, "\n".join(shop.orders_of(link.account_id)) or "You have no orders yet.")

    @linking.login_required(text="Log in to see your points.")
    def points(event: dict[str, Any], link: Link, code: str | None = None) -> None:
        try:
            found = api.points_of(link.psid, code) if api else None
        except site_api.SignInRefused as refusal:
            say(event, str(refusal))
            return
        found = shop.points_of(link.account_id) if found is None else found
        say(event, f"You have {found} points, {link.username}.")

    def log_in(event: dict[str, Any]) -> None:  # Linking: asks, or offers the way out
        psid = event["sender"]["id"]
        if link := linking.link_of(psid):
            linking.bot.send_message(
                psid, linking.logout_message(f"You are logged in as {link.username}. Log out?", psid=psid)
            )
        else:
            linking.prompt_login(psid, "Log in to connect this chat with your account.")

    def link(event: dict[str, Any]) -> None:  # Linking: for any browser
        linking.prompt_login(event["sender"]["id"], "Connect this chat in your browser.", by="web")

    def forget(event: dict[str, Any]) -> None:  # Linking: asks once more, and only then deletes
        linking.bot.send_message(event["sender"]["id"], linking.erasure_message())

    def log_out(event: dict[str, Any]) -> None:  # Linking
        psid = event["sender"]["id"]
        if linking.link_of(psid):
            linking.bot.send_message(psid, linking.logout_message("Do you want to log out?", psid=psid))
        else:
            say(event, "You are not logged in.")

    commands = {
        "orders": orders,
        "points": points,
        "log in": log_in,
        "log out": log_out,
        "link": link,
        "delete my data": forget,
    }
    return linking
