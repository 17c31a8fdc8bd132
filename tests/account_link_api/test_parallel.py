"""Calls for one person from several processes at once end in one link and one change for each fact."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.children import run_together
from tests.wire import PAGE, PSID

from .calls import Caller

PROCESSES = 4
CALLS = 25

_CALL = """
import sys
from bot_linking.core.identifiers import Identifiers
from bot_linking.stores import open_store
from tests.children import insisting
store, worker = open_store("sqlite:///" + sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
kinds = []
for _ in range(int(sys.argv[3])):
    given = Identifiers("ada", "mike@example.com") if worker % 2 else Identifiers("ada", None, "1")
    bound = insisting(lambda: store.bind(sys.argv[4], sys.argv[5], given, "api", 1))
    kinds.append(type(bound[0]).__name__)
print(" ".join(kinds))
"""


def test_processes_that_tell_of_one_person_at_once_make_one_link(caller: Caller) -> None:
    root = Path(__file__).parents[2]
    workers = [
        [sys.executable, "-c", _CALL, str(caller.bot.database), str(number), str(CALLS), PAGE, PSID]
        for number in range(PROCESSES)
    ]
    kinds = " ".join(run_together(workers, cwd=root)).split()
    assert sorted(kinds) == ["AccountLinked"] + ["EventIgnored"] * (PROCESSES * CALLS - 2) + ["LinkChanged"]
    (link,) = caller.bot.linking.store.list_links()
    assert (link.account_id, link.email, link.phone_number) == ("username:ada", "mike@example.com", "1")
    assert len(caller.bot.linking.history_of(PSID)) == 2
    assert [row[3] for row in caller.bot.rows()["outbox"]] == ["linked"]
