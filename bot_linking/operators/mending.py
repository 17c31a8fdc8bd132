"""The command `setup`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from bot_linking.operators.cli import Here, command, json_option
from bot_linking.operators.terminal import paint, safe

if TYPE_CHECKING:
    from bot_linking.operators.setup import Plan, Step

_COLOURS = {"ok": "green", "added": "green", "missing": "yellow", "wrong": "red"}


def commands(here: Here) -> list[click.Command]:
    """`setup`."""
    return [_setup(here)]


def _setup(here: Here) -> click.Command:
    @command("setup", examples=("setup --dry-run", "setup --menu"))
    @click.option(
        "--dry-run", is_flag=True, help="Say what is missing and write nothing; then exit status 1."
    )
    @click.option("--menu", "with_menu", is_flag=True, help="Add our item to the persistent menu, too.")
    @json_option
    def setup(dry_run: bool, with_menu: bool, as_json: bool) -> None:
        """Subscribe the pages and the app to what linking needs, and fill the pages' profile.

        Nothing that is there is removed. Run twice, it does nothing the second time. Exit status 0 only when
        all is as it should be.
        """
        steps = []
        for page_id, step in _steps(here, _plan(here, dry_run=dry_run, with_menu=with_menu)):
            steps.append(step)
            if as_json:
                click.echo(json.dumps({"page_id": page_id, **step._asdict()}))
            else:
                named = f"page {page_id}: " if page_id else ""
                click.echo(f"{paint(f'{step.state:7}', _COLOURS[step.state])}  {safe(named + step.what)}")
        sys.exit(any(step.state in ("missing", "wrong") for step in steps))

    return setup


def _plan(here: Here, *, dry_run: bool, with_menu: bool) -> Plan:
    from bot_linking.operators.setup import Plan, origin_of_pages

    installed = here()
    if with_menu and installed.settings.app_id is None:
        raise click.ClickException("the item of the menu needs BOT_LINKING_APP_ID")
    domain = origin_of_pages(installed.login_url) if installed.settings.app_id else None
    item = installed.app.extensions["bot_linking"].menu_button() if with_menu else None
    return Plan(login_url=installed.login_url, domain=domain, menu_item=item, dry_run=dry_run)


def _steps(here: Here, plan: Plan) -> Iterator[tuple[str | None, Step]]:
    """The steps of each page, with its id where there are several, each app's after those of its first
    page."""
    from bot_linking.operators.setup import Step, app_of, set_up_app, set_up_page

    installed = here()
    installed.pages.require_all()
    pages = installed.pages.all()
    apps = {page.app_secret: page for page in reversed(pages)}  # one page of each app
    for page in pages:
        graph = installed.bots.graph_of(page.id)
        app_id = installed.settings.app_id or app_of(graph)
        for step in set_up_page(graph, app_id, plan):
            yield (page.id if len(pages) > 1 else None), step
        if apps.get(page.app_secret) is page:
            if app_id is None:
                yield None, Step("wrong", "the app's subscription: set BOT_LINKING_APP_ID")
                continue
            for step in set_up_app(graph, app_id, page, plan):
                yield None, step
