"""Keeps a store in order: purge, migrate, check, close."""

from __future__ import annotations

import time
from functools import partial

from bot_linking.core.funnel import ABANDONED_MS
from bot_linking.core.ports.owners import UNDO_MAX_AGE_MS
from bot_linking.stores.attempts import ATTEMPT_KEPT_MS, RESUME_MAX_AGE_MS
from bot_linking.stores.engine import Tx
from bot_linking.stores.family import Family
from bot_linking.stores.tallies import settle_abandoned

DAY_MS = 86_400_000
REDELIVERY_MS = 3 * DAY_MS  # a webhook this late can still be judged; Messenger retries for 36 hours
KEEP_DEAD_MS = 30 * DAY_MS
KEEP_HISTORY_MS = 400 * DAY_MS
KEEP_REMOVED_PAGES_MS = 30 * DAY_MS  # a process that has not looked for a day reads every page again
PURGED_AT_ONCE = 1000  # rows in one transaction, so that no webhook waits for long
PURGE_PAUSE_S = 0.02  # lets writers of other processes in, for whom SQLite has no queue

RETENTION = {
    "purge_codes": REDELIVERY_MS,
    "purge_attempts": ATTEMPT_KEPT_MS,
    "purge_unlinks_seen": KEEP_HISTORY_MS,  # a captured one must end no later link of the site
    "purge_resumes": RESUME_MAX_AGE_MS,
    "purge_limits": 0,
    "purge_unlinked": REDELIVERY_MS,
    "purge_dead": KEEP_DEAD_MS,
    "purge_pauses": DAY_MS,
    "purge_history": KEEP_HISTORY_MS,
    "purge_erasures": KEEP_HISTORY_MS,
    "purge_web_links": DAY_MS,  # a page that was opened in time may be finished later
    "purge_chat_links": DAY_MS,  # so that a later answer can be told what happened
    "purge_questions": DAY_MS,
    "purge_undos": UNDO_MAX_AGE_MS,
    "purge_undo_tokens": 0,
    "purge_bars": 0,
    "purge_deletions": KEEP_HISTORY_MS,  # so that a status page can be looked at for a year
    "purge_pages": KEEP_REMOVED_PAGES_MS,
    "purge_api_keys": KEEP_HISTORY_MS,  # the history names them
    "purge_acts": KEEP_HISTORY_MS,
    "purge_funnel": KEEP_HISTORY_MS,
    "purge_traffic": DAY_MS,
}


class Upkeep(Family):
    """`core.ports.Upkeep` over an engine."""

    def purge(self, now: int) -> None:

        for statement, age in RETENTION.items():
            step = partial(_purge, statement=statement, before=now - age)
            while self.engine.write(step) >= PURGED_AT_ONCE:
                time.sleep(PURGE_PAUSE_S)
        self.engine.write(partial(settle_abandoned, before=now - ABANDONED_MS))

    def migrate(self) -> list[str]:
        return self.engine.opening.finish()

    def check(self) -> None:
        self.engine.write(lambda tx: tx.put("purge_limits", before=0, most=1))

    def close(self) -> None:
        self.engine.close()


def _purge(tx: Tx, statement: str, before: int) -> int:
    return tx.run(statement, before=before, most=PURGED_AT_ONCE)
