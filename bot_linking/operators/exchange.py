"""Commands that exchange links with other systems: `import` and `export-links`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import click

from bot_linking.core.errors import StoreAbsent
from bot_linking.core.events import EventIgnored, LinkChanged, LinkingRefused, Outcome
from bot_linking.core.links import Link
from bot_linking.operators.cli import Here, command, json_option, page_option, refuse_beside
from bot_linking.operators.files import lines_in
from bot_linking.operators.people import REFUSALS, no_links
from bot_linking.operators.terminal import Bar, inert, say
from bot_linking.stores.opening import making

if TYPE_CHECKING:
    from bot_linking.operators.importing import Staged

    Importer = Callable[[list[Link]], Sequence[Sequence[Outcome]]]

_REFUSALS = REFUSALS | {
    "conflict_not_agreed": "the person is linked to another account; --replace puts the file's in its place"
}
COLUMNS = tuple(Link.__slots__)


def commands(here: Here) -> list[click.Command]:
    """`import` and `export-links`."""
    return [_import(here), _export_links(here)]


def _export_links(here: Here) -> click.Command:
    @command("export-links", examples=("export-links > links.csv", "export-links --json > links.jsonl"))
    @page_option
    @json_option
    def export_links(page_id: str | None, as_json: bool) -> None:
        """Print every link as CSV with a head, or as a JSON object a line: what `import` reads.

        In CSV a value that a spreadsheet would take for a formula has a ' before it; `import` takes it away.
        """
        links = (link for link in here().store.list_links() if page_id in (None, link.page_id))
        first = next(links, None)  # asked for before the head is printed: the store may be away
        if first is None:
            say(no_links(is_filtered=page_id is not None))
        rows = (link.as_dict() for link in chain([first] if first else [], links))
        if as_json:
            sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
            return
        _write_csv([inert(str(value or "")) for value in row.values()] for row in rows)

    return export_links


def _write_csv(rows: Iterable[Sequence[str]]) -> None:
    plain, quoting = (
        csv.writer(sys.stdout, lineterminator="\n", quoting=which)
        for which in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    plain.writerow(COLUMNS)
    for row in rows:  # before Python 3.13 a carriage return alone was no reason for quotes
        (quoting if any("\r" in value for value in row) else plain).writerow(row)


def _import(here: Here) -> click.Command:
    @command(
        "import",
        examples=("import links.csv", "import users.csv --map psid=fb_id --map account_id=uid"),
    )
    @click.argument("file", type=click.Path(readable=False))
    @click.option(
        "--map", "pairs", metavar="FIELD=NAME", multiple=True, help="What a field is called in the file."
    )
    @click.option("--skip-bad", is_flag=True, help="Import the good lines although others are bad.")
    @click.option("--replace", is_flag=True, help="Where on_conflict would ask, the file's account it is.")
    @click.option("--tell", is_flag=True, help="Send each person the confirmation, and tell the receivers.")
    @click.option("--dry-run", is_flag=True, help="Judge the lines and write nothing.")
    def import_(
        file: str, pairs: tuple[str, ...], skip_bad: bool, replace: bool, tell: bool, dry_run: bool
    ) -> None:
        """Link the people in a CSV or JSONL file. `-` reads standard input.

        The fields are those of a link: psid and account_id are needed; page_id is the only page by default;
        username, email, phone_number, linked_at and updated_at are optional. All lines are judged first: each
        bad one is named on stderr with its number, and then nothing is written and the exit status is 1.
        Run again, it changes nothing.
        """
        from bot_linking.operators.importing import FIELDS, Staged

        if dry_run:
            refuse_beside("--dry-run", tell=tell)
        names = _names(pairs, FIELDS)
        linking = here().linking
        with Staged(one_chat=linking.policy.leaves_one_chat) as staged:
            bad = _stage(here, lines_in(file), names, staged)
            bad += _judge(staged, partial(linking.import_links, replace=replace, judge_only=True))
            if bad and not skip_bad:
                raise click.ClickException(f"{bad} line(s) are bad; nothing was written")
            if dry_run:
                say(f"{staged.count} link(s) are good; nothing was written")
                return
            with making():
                counts = _write(staged, partial(linking.import_links, replace=replace, tell=tell))
        say(
            ", ".join(f"{count} {what}" for what, count in counts.items())
            + (f", {bad} left out" if bad else "")
        )
        if counts.get("refused"):
            raise click.ClickException(
                "what the refused were judged by has changed meanwhile; the rest was written"
            )

    return import_


def _names(pairs: Iterable[str], fields: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        field, separator, name = pair.partition("=")
        if not separator or not name or field not in fields:
            problem = f"{pair!r} is not FIELD=NAME with a field of {', '.join(fields)}"
            raise click.BadParameter(problem, param_hint="--map")
        if field in names:
            raise click.BadParameter(f"{field} is named twice", param_hint="--map")
        names[field] = name
    return names


def _stage(here: Here, file: Iterable[bytes], names: Mapping[str, str], staged: Staged) -> int:
    """Judge every line and stage the good ones. Returns how many were bad."""
    from bot_linking.operators.importing import BadLine, Judge, lines_of

    installed, bad = here(), 0
    judge = Judge(
        names,
        only_page=installed.linking.only_page,
        is_served=installed.pages.serves,
        now=installed.linking.now(),
    )
    for number, values in lines_of(file, names):
        try:
            if isinstance(values, BadLine):
                raise values
            staged.add(number, judge.link(values))
        except BadLine as problem:
            bad += 1
            say(f"line {number}: {problem}")
    return bad


def _judge(staged: Staged, judge: Importer) -> int:
    """Compare the lines with the links in the store. Returns how many `on_conflict` does not allow."""
    bad = 0
    with suppress(StoreAbsent):  # no link stands against these
        for links in staged.batches():
            refused = _refused(links, judge(list(links.values())))
            staged.drop(refused)
            bad += len(refused)
    return bad


def _refused(links: Mapping[int, Link], outcomes: Sequence[Sequence[Outcome]]) -> list[int]:
    """The numbers of the refused lines; each is said on stderr."""
    refused = []
    for line, (outcome, *_) in zip(links, outcomes, strict=True):
        if isinstance(outcome, LinkingRefused):
            say(f"line {line}: {_REFUSALS.get(outcome.reason, outcome.reason)}")
            refused.append(line)
    return refused


def _write(staged: Staged, write: Importer) -> dict[str, int]:
    counts = {"linked": 0, "changed": 0, "unchanged": 0}
    with Bar("importing") as bar:
        bar.begin(staged.count)
        for links in staged.batches():
            outcomes = write(list(links.values()))
            _refused(links, outcomes)
            for outcome, *_ in outcomes:
                counts[_what(outcome)] = counts.get(_what(outcome), 0) + 1
            bar.advance(len(links))
    return counts


def _what(outcome: Outcome) -> str:
    if isinstance(outcome, LinkingRefused):
        return "refused"
    if isinstance(outcome, EventIgnored):
        return "unchanged"
    return "changed" if isinstance(outcome, LinkChanged) else "linked"
