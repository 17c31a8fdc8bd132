"""The command `funnel`: where people drop off on their way to a link."""

from __future__ import annotations

import json
from typing import Any

import click

from bot_linking.core.funnel_report import DAYS, MOST_DAYS
from bot_linking.core.links import WAYS
from bot_linking.operators.cli import Here, command, json_option, page_option
from bot_linking.operators.terminal import Column, Row, print_rows, say

_STAGE = (
    Column("stage", "STAGE", is_whole=True),
    Column("people", "PEOPLE", is_whole=True),
    Column("of_the_last", "OF THE LAST", is_whole=True),
    Column("lost", "LOST", is_whole=True),
    Column("median", "MEDIAN", is_whole=True),
    Column("ninetieth", "90 % WITHIN", is_whole=True),
)


def commands(here: Here) -> list[click.Command]:
    """`funnel`."""
    return [_funnel(here)]


def _funnel(here: Here) -> click.Command:
    @command("funnel", examples=("funnel", "funnel --days 7 --way web", "funnel --json | jq .stages"))
    @click.option("--days", type=click.IntRange(1, MOST_DAYS), default=DAYS, show_default=True)
    @page_option
    @click.option("--way", type=click.Choice(WAYS), help="One way alone: a value of `Link.source`.")
    @json_option
    def funnel(days: int, page_id: str | None, way: str | None, as_json: bool) -> None:
        """How many people come to which stage of linking, where they leave, and how long it takes them."""
        linking = here().app.extensions["bot_linking"]
        found = linking.funnel(days, page_id=page_id, way=way)
        if as_json:
            click.echo(json.dumps(found))
            return
        print_rows(_STAGE, rows_of(found), nothing="nothing was counted")
        beside = {"cancelled": found["cancelled"], "abandoned": found["abandoned"], **found["refused"]}
        for name, count in beside.items():
            if count:
                say(f"{name}: {count}")

    return funnel


def rows_of(funnel: dict[str, Any]) -> list[Row]:
    """A row for each stage: people, their share of the stage before in per cent, how many left, seconds."""
    rows, before = list[Row](), None
    for stage, people in funnel["stages"].items():
        times = funnel["seconds"].get(stage, {})
        part = f"{100 * people / before:.0f} %" if before else None
        rows.append(
            {
                "stage": stage,
                "people": people,
                "of_the_last": part,
                "lost": max(0, before - people) if before else None,
                "median": _seconds(times.get("median")),
                "ninetieth": _seconds(times.get("ninetieth")),
            }
        )
        before = people
    return rows


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:g} s"
