"""Turns a statement for one row into a statement for many, whose values are sent as arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot_linking.stores.sql import PARAMETER, load_statements

_NUMBERS = {
    *("now", "at", "event_ms", "code_tick", "unlinked_ms", "linked_at", "updated_at", "expires_at"),
    *("heard_at", "newest", "unlinked_tick"),
}
_INSERT = re.compile(r"(insert into \w+ \([^)]*\))\s*values \((.*?)\)\s*(on conflict .*)?", re.DOTALL)
_UPDATE = re.compile(r"(update \w+ set .*?)\s+where\s+(.*)", re.DOTALL)
_DELETE = re.compile(r"(delete from \w+)\s+where\s+(.*)", re.DOTALL)


def load_sets(names: Iterable[str]) -> dict[str, str]:
    """Name to the statement for many rows: from `sets.sql` where it is written there, otherwise made from the
    statement for one."""
    own = load_statements("sets.sql", room="bot_linking.stores.postgres")
    statements = load_statements() | load_statements("statements_postgres.sql")
    return {name: for_many(statements[name]) for name in names if name not in own} | own


def for_many(statement: str) -> str:
    """An insert, update or delete for one row as one for many. Each parameter becomes an array, and rows are
    inserted in the order of the arrays. A `returning` goes.

    `delete from t where a = :a` becomes `delete from t using unnest(:a) as given (p_a) where a = p_a`.
    """
    text = re.sub(r"\s+returning\s.*", "", re.sub(r"--[^\n]*\n", "", statement), flags=re.DOTALL).strip()
    given, text = _given(text), PARAMETER.sub(r"p_\1", text)
    if match := _INSERT.fullmatch(text):
        into, values, conflict = match.groups()
        return " ".join([into, "select", values, "from", given, "order by p_nth", conflict or ""]).strip()
    if match := _UPDATE.fullmatch(text):
        return f"{match[1]} from {given} where {match[2]}"
    match = _DELETE.fullmatch(text)
    assert match is not None, text
    return f"{match[1]} using {given} where {match[2]}"


def _given(text: str) -> str:
    names = list(dict.fromkeys(PARAMETER.findall(text)))
    arrays = (f"cast(:{name} as {'bigint' if name in _NUMBERS else 'text'}[])" for name in names)
    columns = (f"p_{name}" for name in names)
    return f"unnest({', '.join(arrays)}) with ordinality as given ({', '.join(columns)}, p_nth)"
