"""The events of one POST on PostgreSQL take few statements, and end as if they came one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")

from bot_linking.core.codes import digest_of, mint_code  # noqa: E402
from bot_linking.core.conflicts import Policy  # noqa: E402
from bot_linking.core.events import AccountLinked, LinkingEvent, LinkingRefused  # noqa: E402
from bot_linking.core.links import Account  # noqa: E402
from bot_linking.external_account.link_mirror import LinkMirror, decimal_user_id  # noqa: E402
from bot_linking.stores import open_store  # noqa: E402
from bot_linking.stores.notices import Notices  # noqa: E402
from bot_linking.stores.postgres.engine import PostgresEngine, to_psycopg  # noqa: E402
from bot_linking.stores.postgres.gathered import WAITING  # noqa: E402
from bot_linking.stores.postgres.sets import for_many, load_sets  # noqa: E402
from bot_linking.stores.sqlite.engine import SQLiteEngine  # noqa: E402
from bot_linking.stores.store import SQLStore  # noqa: E402
from tests import postgres  # noqa: E402

from .given import DATABASES, DAY, MINUTE, NOW, PAGE, attempt_for, link, linked, save_code, unlinked  # noqa: E402

COMPARED = (
    *(
        "links",
        "codes",
        "outbox",
        "history",
        "resumes",
        "unlinks_seen",
        "limits",
        "undos",
        "attempts",
        "bars",
    ),
    "external_accounts",
)
# What the database counts, or what is drawn by lot. A code that an event drops is the newest no more.
OWN = {"id", "change_id", "changed_tick", "unlinked_tick"}
OURS = {f"all of {table}": f"select * from {table}" for table in COMPARED} | {
    "prove": "update codes set proof = :proof where digest = :digest"
}
ACCOUNTS = ["1", "2", "name"]
NUMBERS = count(1000)
POLICIES = [
    Policy(),
    Policy("ask"),
    Policy("one_chat"),
    Policy(lambda case: "move" if case.link else "one_chat"),
]


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.schema_with_tables() as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    with closing(open_store(url)) as opened:
        _know_ours(opened)
        yield opened


def _know_ours(store: SQLStore) -> None:
    assert isinstance(store.engine, PostgresEngine | SQLiteEngine)
    is_psycopg = isinstance(store.engine, PostgresEngine)
    for name, statement in OURS.items():
        store.engine.statements[name] = to_psycopg(statement) if is_psycopg else statement


def _follow(store: SQLStore) -> None:
    """With both followers, and two applications of the API."""
    store.engine.extend("bot_linking_external_account", "bot_linking.external_account")
    store.followers += [Notices(), LinkMirror((), decimal_user_id)]
    for app in ("shop", "club"):
        _run(store, "external_save_app", app_key=app, now=NOW)


def _run(store: SQLStore, name: str, **values: Any) -> None:
    store.engine.write(lambda tx: tx.run(name, **values))


def statements_for(
    store: SQLStore, events: list[LinkingEvent], monkeypatch: pytest.MonkeyPatch, policy: Policy = POLICIES[0]
) -> int:
    """The number of statements that the server got for this POST."""
    sent, execute = [0], psycopg.Cursor.execute

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        sent[0] += 1
        return execute(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        store.receive(events, NOW, policy=policy)
    return sent[0]


def logins(store: SQLStore, many: int) -> list[LinkingEvent]:
    psids = [mint_code()[:16] for _ in range(many)]
    for psid in psids:
        store.save_resume(PAGE, psid, {"order": psid}, NOW)
    return [linked(save_code(store, attempt_for(psid=psid)), psid=psid) for psid in psids]


def log_outs(store: SQLStore, many: int) -> list[LinkingEvent]:
    psids = [mint_code()[:16] for _ in range(many)]
    for psid in psids:
        link(store, psid=psid)
    return [unlinked(psid=psid, at=NOW + 5) for psid in psids]


def wrong_codes(store: SQLStore, many: int) -> list[LinkingEvent]:
    return [linked(mint_code(), psid=mint_code()[:16]) for _ in range(many)]


def out_and_in(store: SQLStore, many: int) -> list[LinkingEvent]:
    """Each person logs out and, with another account, in again."""
    outs = log_outs(store, many // 2)
    codes = [save_code(store, attempt_for(Account(str(next(NUMBERS))), psid=out.psid)) for out in outs]
    ins = [linked(code, psid=out.psid, at=NOW + 6) for code, out in zip(codes, outs, strict=True)]
    return [each for pair in zip(outs, ins, strict=True) for each in pair]


def came_twice(store: SQLStore, many: int) -> list[LinkingEvent]:
    return [each for event in log_outs(store, many // 2) for each in (event, event)]


def one_person(store: SQLStore, many: int) -> list[LinkingEvent]:
    ins = [linked(save_code(store), at=NOW + 2 * nth) for nth in range(many // 2)]
    return [each for event in ins for each in (event, unlinked(at=(event.timestamp or 0) + 1))]


def wrong_codes_of_one(store: SQLStore, many: int) -> list[LinkingEvent]:
    psid = mint_code()[:16]
    return [linked(mint_code(), psid=psid) for _ in range(many)]


def of_chat_links(store: SQLStore, many: int) -> list[LinkingEvent]:
    events = logins(store, many)
    for event in events:
        _run(store, "prove", digest=event.digest, proof=event.psid)
    return events


KINDS = [logins, log_outs, wrong_codes, out_and_in, came_twice, one_person, wrong_codes_of_one, of_chat_links]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", POLICIES[::2])
def test_a_hundred_events_take_as_many_statements_as_two(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch, kind: Any, policy: Policy
) -> None:
    few = statements_for(store, kind(store, 2), monkeypatch, policy)
    assert statements_for(store, kind(store, 100), monkeypatch, policy) == few
    assert few < 30


@pytest.mark.parametrize("kind", KINDS)
def test_so_they_do_where_the_owner_is_told_and_the_api_has_the_pairs(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """Two applications; people who repeat take a round for each time."""
    _follow(store)
    few = statements_for(store, kind(store, 4), monkeypatch)
    many = statements_for(store, kind(store, 100), monkeypatch)
    assert few < 40
    assert many == few or kind is one_person


def test_a_hundred_events_of_all_kinds_take_few_statements(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [*logins(store, 40), *log_outs(store, 40), *wrong_codes(store, 20)]
    random.Random(7).shuffle(events)
    assert statements_for(store, events, monkeypatch) < 40


@pytest.mark.parametrize("seed", range(24))
def test_a_post_has_the_same_result_as_its_events_one_by_one(seed: int, tmp_path: Path) -> None:
    """A few people, accounts and codes in many events: repeated, stolen, stale, of other pages, without
    timestamps; with proofs, digits to type, bars, other chats of an account, and both followers. One by one
    they are applied by SQLite, which knows no sets."""
    policy = POLICIES[seed % len(POLICIES)]
    with ExitStack() as stack:
        together, apart = (
            stack.enter_context(closing(open_store(stack.enter_context(database(tmp_path)))))
            for database in (DATABASES["postgres"], DATABASES["sqlite"])
        )
        events = _prepared(together, random.Random(seed))
        assert events == _prepared(apart, random.Random(seed))
        before = _contents(together)
        assert before == _contents(apart)
        outcomes = together.receive(events, NOW + 9, policy=policy)
        singly = [apart.receive([event], NOW + 9, policy=policy) for event in events]
        assert list(map(repr, outcomes)) == [repr(each) for some in singly for each in some]
        after = _contents(together)
        assert after == _contents(apart)
        assert after["links"] != before["links"]


def _prepared(store: SQLStore, rng: random.Random) -> list[LinkingEvent]:
    """The state before, and the events of one POST."""
    _know_ours(store)
    _follow(store)
    people = [(page, str(psid)) for page in (PAGE, "7") for psid in range(3)]
    run = partial(_run, store)
    for app in ("shop", "club"):
        whose = {"app_key": app, "platform": "messenger", "union_id": str(rng.randrange(4))}
        named = {"user_id": rng.randrange(3), "platform_name": "Messenger", "avatar": "", "data": ""}
        run("external_bind", **whose, **named, now=NOW)
    for page, psid in people:
        if rng.random() < 0.6:
            code, at = f"before {page} {psid}", NOW - rng.randrange(9)
            attempt = attempt_for(_account(rng), page=page, psid=psid, name=code)
            store.save_code(digest_of(code), attempt, None, at, NOW)
            store.receive([linked(code, page=page, psid=psid, at=at)], at)
        if rng.random() < 0.2:
            store.unlink(page, psid, "api", NOW - 1)
        if rng.random() < 0.3:
            pair = {"page_id": page, "psid": psid}
            run("bar", **pair, account_id=rng.choice(ACCOUNTS), until=NOW + rng.choice([5, DAY]))
            run("bar_person", **pair, until=NOW + DAY)
        if rng.random() < 0.5:
            store.save_resume(rng.choice([page, ""]), psid, psid, NOW + rng.randrange(9))
    codes = [one for number in range(12) if (one := _pending(store, rng, people, number))]
    return [_event(rng, people, codes) for _ in range(30)]


def _account(rng: random.Random) -> Account:
    return Account(rng.choice(ACCOUNTS), rng.choice([None, "name"]), rng.choice([None, "a@b.example"]))


def _pending(store: SQLStore, rng: random.Random, people: list[tuple[str, str]], number: int) -> str | None:
    """A code that waits: of a web link whose digits are typed in, of a chat link, or without a proof."""
    nth = rng.randrange(9)
    (page, psid), account = people[nth % len(people)] if nth % 3 == 0 else rng.choice(people), _account(rng)
    bound_to = psid if nth % 3 == 0 else rng.choice([psid, psid, None])
    attempt = attempt_for(account, page=page, psid=bound_to, name=f"attempt {nth}")
    code, digits = f"code-{number:032}", "digits" if nth % 3 == 0 else None
    replaces, locale, until = rng.choice([None, *ACCOUNTS]), rng.choice([None, "de"]), NOW + MINUTE
    if not store.save_code(digest_of(code), attempt, locale, NOW, until, replaces=replaces, typed=digits):
        return None
    if nth % 3 < 2:
        proof = f"web link of attempt {nth}" if digits else "chat link"
        _run(store, "prove", digest=digest_of(code), proof=proof)
    return code


def _event(rng: random.Random, people: list[tuple[str, str]], codes: list[str]) -> LinkingEvent:
    (page, psid), at = rng.choice(people), rng.choice([None, NOW - 1, NOW, NOW + 1, NOW + 2])
    if rng.random() < 0.4:
        return LinkingEvent(page, psid, "unlinked", None, at, by_our_button=rng.random() < 0.2)
    return LinkingEvent(page, psid, "linked", rng.choice([*codes, "x" * 32]), at)


def _contents(store: SQLStore) -> dict[str, list[str]]:
    return {table: _rows(store, table) for table in COMPARED}


def _rows(store: SQLStore, table: str) -> list[str]:
    """The rows of a table as text. News and changes keep the order of each person's; notices are not news to
    the person."""
    rows = store.engine.read(f"all of {table}")
    texts = [repr({name: row[name] for name in sorted(row.keys() - OWN)}) for row in rows]
    if table not in {"outbox", "history"}:
        return sorted(texts)
    order = [(row["page_id"], row["psid"], row.get("kind") == "notice", row["id"]) for row in rows]
    return [text for _, text in sorted(zip(order, texts, strict=True))]


def test_events_that_cannot_be_stored_are_buried_and_the_others_are_applied(store: SQLStore) -> None:
    good = logins(store, 3)
    bad = [linked("x" * 32, psid="8", at=-(2**70)), unlinked(psid="9", at=2**63)]
    outcomes = store.receive([good[0], bad[0], good[1], bad[1], good[2]], NOW)
    assert [type(each) for each in outcomes[::2]] == [AccountLinked] * 3
    assert isinstance(outcomes[3], LinkingRefused)


def test_people_are_written_to_in_the_order_of_their_events(store: SQLStore, url: str) -> None:
    events = logins(store, 30)
    store.receive(events, NOW)
    rows = postgres.execute(url, "select psid from outbox where kind = 'linked' order by id")
    assert [psid for (psid,) in rows] == [event.psid for event in events]


def test_each_write_that_may_wait_has_its_statement_for_many(url: str) -> None:
    sets = load_sets(WAITING)
    assert set(WAITING) <= sets.keys()
    with closing(open_store(url)) as opened:
        assert isinstance(opened.engine, PostgresEngine)
        assert opened.engine._sets.keys() == sets.keys()


@pytest.mark.parametrize(
    ("one", "many"),
    [
        (
            "delete from t where a = :a and b <= :now",
            "delete from t using unnest(cast(:a as text[]), cast(:now as bigint[])) with ordinality as given"
            " (p_a, p_now, p_nth) where a = p_a and b <= p_now",
        ),
        (
            "update t set a = :a\nwhere b = :b returning a",
            "update t set a = p_a from unnest(cast(:a as text[]), cast(:b as text[])) with ordinality"
            " as given (p_a, p_b, p_nth) where b = p_b",
        ),
        (
            "-- why\ninsert into t (a, b)\nvalues (:a, :a)\non conflict do nothing",
            "insert into t (a, b) select p_a, p_a from unnest(cast(:a as text[])) with ordinality as given"
            " (p_a, p_nth) order by p_nth on conflict do nothing",
        ),
    ],
)
def test_a_statement_for_one_becomes_one_for_many(one: str, many: str) -> None:
    assert for_many(one) == many
