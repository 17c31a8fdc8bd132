"""A file of links: it is read and judged line by line, and staged until every line is known to be good."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot_linking.core.errors import BotLinkingError, PageUnknown, PayloadUnreadable
from bot_linking.core.identifiers import LONGEST
from bot_linking.core.links import Account, Link, from_ms, to_ms
from bot_linking.core.reading import is_storable, read_id, read_json
from bot_linking.operators.terminal import as_it_was

SOURCE = "import"
LINK_TEXTS = ("page_id", "psid", "account_id", *LONGEST)
AS_THEY_STAND = ("account_id", *LONGEST)  # the site's own words: " 7" is another account than "7"
LINK_TIMES = ("linked_at", "updated_at")
FIELDS = (*LINK_TEXTS, *LINK_TIMES)
NEEDED = ("psid", "account_id")
BATCH = 200  # people in one transaction, so that no webhook waits for long
_LONGEST_IDENTIFIER = 600  # more may not fit into an index of PostgreSQL's
_ROUNDED = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]+")  # what a spreadsheet makes of a long number
_DELIMITERS = (",", ";", "\t")

Values = Mapping[str, Any]


class BadLine(ValueError):
    """Why a line is no link. The text goes on after "line N: "."""


class FileRefused(BotLinkingError):
    """The file as a whole cannot be read as links."""

    slug = "file_refused"


class StagingFailed(BotLinkingError):
    """The temporary file does not take the lines, or does not give them back."""

    slug = "staging_failed"


def lines_of(file: Iterable[bytes], names: Mapping[str, str]) -> Iterator[tuple[int, Values | BadLine]]:
    """Each line's number (the first is 1, also where it is a head) and its values by the file's own names.

    The file is CSV with a head, or has a JSON object on each line; its first character says which. `names`
    maps fields of `Link` to names of the file. Raises `FileRefused` for a head that cannot be read, or lacks
    a needed column or one of `names`; after the last JSON line where none of them has one of `names`.
    """
    needed = {field: field for field in NEEDED} | dict(names)
    numbered = enumerate(file, start=1)
    for number, line in numbered:
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            rest = _with_first(number, line, numbered)
            is_json = line.lstrip().startswith(b"{")
            yield from _json_lines(rest, names) if is_json else _csv_lines(rest, needed)


def _with_first(number: int, line: bytes, rest: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield number, line
    yield from rest


def _json_lines(
    numbered: Iterable[tuple[int, bytes]], names: Mapping[str, str]
) -> Iterator[tuple[int, Values | BadLine]]:
    unseen = dict(names)  # a line may leave out what is optional, so only all lines can tell a wrong name
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            value = read_json(line)
        except PayloadUnreadable:
            value = None
        if not isinstance(value, dict):
            yield number, BadLine("is not a JSON object in UTF-8")
            continue
        unseen = {field: name for field, name in unseen.items() if name not in value}
        yield number, value
    for field, name in unseen.items():
        raise FileRefused(f"no line has {name}: say what it is called with --map {field}=NAME")


def _csv_lines(
    numbered: Iterator[tuple[int, bytes]], needed: Mapping[str, str]
) -> Iterator[tuple[int, Values | BadLine]]:
    first = 0

    def decoded() -> Iterator[str]:
        nonlocal first
        for number, line in numbered:
            first = first or number
            yield line.decode("utf-8", "surrogateescape")

    text = decoded()
    head_line = next(text)
    delimiter = max(_DELIMITERS, key=head_line.count)
    head = _head(_names(first, head_line, delimiter), needed)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        first = 0
        try:
            row = next(rows, None)
        except csv.Error as problem:
            yield first, BadLine(f"is not CSV: {problem}")
            continue
        if row is None:
            return
        if row:
            yield first, _row(head, row)


def _names(number: int, line: str, delimiter: str) -> list[str]:
    """What the head holds. Raises `FileRefused` for another encoding, kind of file, or line end."""
    problem = "is not text in UTF-8"
    if is_storable(line):
        try:
            return next(csv.reader([line], delimiter=delimiter))
        except csv.Error as found:
            problem = f"is not CSV: {found}"
    raise FileRefused(f"line {number} {problem}: save the file as CSV in UTF-8")


def _head(names: list[str], needed: Mapping[str, str]) -> list[str]:
    head = [name.strip() for name in names]
    if twice := {name for name in head if head.count(name) > 1}:
        raise FileRefused(f"the file has two columns with the name {sorted(twice)[0]!r}")
    for field, name in needed.items():
        if name not in head:
            problem = f"the file has no column {name}, but {', '.join(head)}"
            raise FileRefused(f"{problem}: say which it is with --map {field}=COLUMN")
    return head


def _row(head: list[str], row: list[str]) -> Values | BadLine:
    if len(row) != len(head):
        return BadLine(f"has {len(row)} value(s), and the head has {len(head)}")
    if any("\udc80" <= mark <= "\udcff" for value in row for mark in value):
        return BadLine("is not UTF-8")
    return dict(zip(head, map(as_it_was, row), strict=True))


class Judge:
    """Makes a link of a line's values. `names` maps fields of `Link` to names of the file, `only_page` gives
    the page of a line without one, `is_served` says whether a page is one of this bot."""

    def __init__(
        self,
        names: Mapping[str, str],
        *,
        only_page: Callable[[], str],
        is_served: Callable[[str], bool],
        now: int,
    ) -> None:
        self._names = {field: names.get(field, field) for field in FIELDS}
        self._only_page = only_page
        self._is_served = is_served
        self._default_page: str | BadLine | None = None
        self._now = from_ms(now)

    def link(self, values: Values) -> Link:
        """The link on one line. Raises `BadLine`."""
        given = {field: self._text(field, values) for field in FIELDS}
        identifiers = {name: self._identifier(name, given[name]) for name in LONGEST}
        updated_at = self._time("updated_at", given)
        linked_at = self._time("linked_at", given) or updated_at or self._now
        return Link(
            page_id=self._page(given["page_id"]),
            psid=self._id("psid", given["psid"]),
            account_id=self._account_id(given["account_id"]),
            **identifiers,
            source=SOURCE,
            linked_at=linked_at,
            updated_at=max(updated_at or linked_at, linked_at),
        )

    def _text(self, field: str, values: Values) -> str | None:
        value = values.get(self._names[field])
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            raise BadLine(f"{self._called(field)} is neither text nor a whole number")
        if value is None or field in AS_THEY_STAND:
            return value or None
        return value.strip() or None

    def _called(self, field: str) -> str:
        name = self._names[field]
        return field if name == field else f"{field} ({name})"

    def _id(self, field: str, value: str | None) -> str:
        if value is None:
            raise BadLine(f"{self._called(field)} is missing")
        if _ROUNDED.fullmatch(value):
            raise BadLine(f"{self._called(field)} is a number that a spreadsheet has rounded")
        if read_id(value) is None:
            raise BadLine(f"{self._called(field)} is not an id of Messenger's: 1 to 64 letters and digits")
        return value

    def _page(self, value: str | None) -> str:
        if value is None:
            return self._page_by_default()
        page_id = self._id("page_id", value)
        if not self._is_served(page_id):
            raise BadLine(f"{self._called('page_id')} {page_id} is not a page of this bot")
        return page_id

    def _page_by_default(self) -> str:
        """The only page. It is asked for once, since the answer may need a call to Graph."""
        if self._default_page is None:
            try:
                self._default_page = self._only_page()
            except PageUnknown as problem:
                self._default_page = BadLine(f"{self._called('page_id')} is missing: {problem}")
        if isinstance(self._default_page, BadLine):
            raise BadLine(*self._default_page.args)
        return self._default_page

    def _account_id(self, value: str | None) -> str:
        if value is None:
            raise BadLine(f"{self._called('account_id')} is missing")
        try:
            return Account(value).id
        except (TypeError, ValueError):
            name = self._called("account_id")
            raise BadLine(f"{name} is not Unicode text of 1 to 255 characters") from None

    def _identifier(self, name: str, value: str | None) -> str | None:
        if value is not None and not (len(value) <= _LONGEST_IDENTIFIER and is_storable(value)):
            raise BadLine(
                f"{self._called(name)} is not Unicode text of 1 to {_LONGEST_IDENTIFIER} characters"
            )
        return value

    def _time(self, field: str, given: Mapping[str, str | None]) -> datetime | None:
        value = given[field]
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise BadLine(f"{self._called(field)} is not a time like 2026-11-25T18:30:00Z") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not 0 <= to_ms(moment) <= to_ms(self._now):
            raise BadLine(f"{self._called(field)} is before 1970 or in the future")
        return moment


class Staged:
    """Good lines, in a temporary SQLite file that has no name and ends with the process. Each method may
    raise `StagingFailed`, as where the folder of temporary files is full."""

    def __init__(self, *, one_chat: bool) -> None:
        self._kept = sqlite3.connect("", isolation_level=None)
        columns = ", ".join(FIELDS)
        self._run(f"create table links (line integer primary key, {columns}, unique (page_id, psid))")
        if one_chat:
            self._run("create unique index one_chat on links (account_id)")
        self._run("begin")
        self.count = 0

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def _run(self, statement: str, values: Sequence[object] = ()) -> tuple[list[Any], int]:
        """The rows, and how many were written."""
        try:
            cursor = self._kept.execute(statement, values)
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.OperationalError as problem:
            where = "SQLITE_TMPDIR may name a folder with more room"
            raise StagingFailed(f"the lines do not fit into a temporary file: {problem}; {where}") from None

    def add(self, line: int, link: Link) -> None:
        """Stage a line. Raises `BadLine` when an earlier one names the same person on the same page, or with
        `one_chat` the same account: the later chat would end the earlier."""
        values = [getattr(link, name) for name in FIELDS]
        times = [to_ms(moment) for moment in values[-2:]]
        insert = f"insert or ignore into links values ({', '.join('?' * (len(FIELDS) + 1))})"  # noqa: S608
        _, is_added = self._run(insert, (line, *values[:-2], *times))
        if is_added:
            self.count += 1
            return
        earlier = "select line from links where page_id = ? and psid = ?"
        for (number,) in self._run(earlier, (link.page_id, link.psid))[0]:
            raise BadLine(f"names the same person as line {number}")
        [(number,)], _ = self._run("select line from links where account_id = ?", (link.account_id,))
        raise BadLine(f"names the same account as line {number}, and on_conflict leaves an account one chat")

    def drop(self, lines: Iterable[int]) -> None:
        """Take these lines out."""
        for line in lines:
            self.count -= self._run("delete from links where line = ?", (line,))[1]

    def batches(self) -> Iterator[dict[int, Link]]:
        """The links by their lines, `BATCH` at a time, in the order of the file."""
        last = 0
        select = f"select line, {', '.join(FIELDS)} from links where line > ? order by line limit {BATCH}"  # noqa: S608
        while rows := self._run(select, (last,))[0]:
            yield {line: _link(*columns) for line, *columns in rows}
            last = rows[-1][0]


def _link(*columns: Any) -> Link:
    page_id, psid, account_id, username, email, phone_number, linked_at, updated_at = columns
    times = from_ms(linked_at), from_ms(updated_at)
    return Link(page_id, psid, account_id, username, email, phone_number, SOURCE, *times)
