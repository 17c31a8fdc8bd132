"""Commands that an operator gives: killed in the middle, and given again."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyotp

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.codes import digest_of
from bot_linking.core.events import LinkingEvent
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.external_account.accounts import Accounts
from bot_linking.external_account.apps import Apps
from bot_linking.external_account.errors import SecondFactorRefused
from bot_linking.external_account.second_factors import SecondFactors
from bot_linking.external_account.service import MIGRATIONS, ROOM
from bot_linking.external_account.tokens import BACK_END, SIGNED_IN, mint_token
from bot_linking.external_account.two_factor import (
    RECOVERY_CODES,
    Vault,
    new_recovery_codes,
    new_secret,
    recovery_digest,
)
from bot_linking.stores import open_store
from bot_linking.stores.sql import load_schema
from bot_linking.stores.store import SQLStore
from tests.stores.processes import SPAWN
from tests.wire import PAGE

from . import processes
from .kills import Kill
from .messenger import now_ms

if TYPE_CHECKING:
    from .rounds import Round

START_S = 120.0  # of a very slow machine
UNTOLD = 255  # what the fork server says when, once in a thousand processes, it has missed how one ended
LIFE_MS = 300_000
APP, USER, OTHER = "shop", 7, 8


class Operator:
    """Plays a command, kills it, gives it again, and judges the outcome."""

    def __init__(self, round: Round) -> None:
        self.round, self.rng = round, round.rng

    def play(self) -> None:
        outcome = self.round.outcome
        play = {
            "K11": self._drop_pending, "K11b": self._revoke_tokens, "K11c": self._replace_second_factor,
            "K12": self._migrate, "K13": self._rotate, "K14": self._erase,
        }[self.round.place.name]  # fmt: skip
        try:
            play()
        except (AssertionError, EOFError) as problem:
            outcome.lost.append(f"{type(problem).__name__}: {problem}")
        outcome.doubled += self.round.database.broken()

    def _run(self, kill: Kill | None, *arguments: str, target: Any = processes.command) -> str | None:
        """The output, or None when the command was killed."""
        reading, writing = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(
            target=target, args=(self.round.settings, kill, writing, *arguments), daemon=True
        )
        process.start()
        writing.close()
        began = time.monotonic()
        with reading:
            try:
                assert reading.poll(START_S), "a command hangs"
                said = str(reading.recv())
            except EOFError:
                said = None
        process.join(START_S)
        if process.exitcode == -signal.SIGKILL or (said is None and process.exitcode == UNTOLD):
            assert kill is not None, f"{arguments} was killed by nobody"
            self.round.outcome.kills += 1
            return None
        assert said is not None, f"{arguments} failed"
        assert process.exitcode in (0, UNTOLD), f"{arguments} ended with {process.exitcode}"
        if kill is None:
            self.round.outcome.recovery_s = max(self.round.outcome.recovery_s, time.monotonic() - began)
        return said

    def _kill(self, most: int) -> Kill:
        return Kill(self.round.place.name, self.rng.randint(1, most))

    def _drop_pending(self) -> None:
        store = open_store(self.round.url)
        linking = Linking(store, tell=lambda event: None, page_id=PAGE)
        account = Account("ada")
        attempt = Attempt("attempt", account, "token", "", now_ms(), PAGE, "1")
        code = linking.approve(attempt) or ""
        self._run(self._kill(1), "ada", target=processes.drop_pending)
        pending = (store.account_of_code(digest_of(code)), linking.attempt_of("attempt"))
        assert (pending[0] is None) == (pending[1] is None), f"a half was dropped: {pending}"
        self._run(None, "ada", target=processes.drop_pending)
        assert store.account_of_code(digest_of(code)) is None
        assert linking.attempt_of("attempt") is None
        store.close()

    def _revoke_tokens(self) -> None:
        """All of a user's tokens are good or none is, and no other user's end."""
        store = open_store(self.round.url)
        kept, now = _Kept(store), now_ms()
        kept.apps.begin_app(APP, now)
        kept.apps.finish_app(APP, mint_token(), BACK_END, now, now + LIFE_MS)
        theirs, other = [mint_token() for _ in range(3)], mint_token()
        for token in theirs:
            kept.apps.save_token(token, APP, USER, SIGNED_IN, now, now + LIFE_MS)
        kept.apps.save_token(other, APP, OTHER, SIGNED_IN, now, now + LIFE_MS)

        def good() -> list[bool]:
            return [kept.apps.find_token(token.digest, now_ms()) is not None for token in theirs]

        revoke = ("linking", "token", "revoke", "--app", APP, "--user", str(USER))
        said = self._run(self._kill(3), *revoke)
        assert len(set(good())) == 1, f"some of the tokens ended: {good()}"
        if any(good()):
            assert said is None, "it said that they had ended"
            self._run(None, *revoke)
        assert not any(good())
        assert kept.apps.find_token(other.digest, now_ms()) is not None
        store.close()

    def _replace_second_factor(self) -> None:
        """The old secret with its recovery codes and sign-ins, or the new one with its own."""
        store = open_store(self.round.url)
        kept, now = _Kept(store), now_ms()
        kept.apps.begin_app(APP, now)
        kept.apps.finish_app(APP, mint_token(), BACK_END, now, now + LIFE_MS)
        old = new_recovery_codes()
        kept.second_factors.save(APP, USER, new_secret(), [recovery_digest(code) or "" for code in old], now)
        kept.accounts.bind(APP, USER, "wechat", "union", now)
        token = mint_token()
        kept.accounts.sign_in(APP, "wechat", "union", old[0], token, now, now + LIFE_MS)
        before = self._second_factor()
        enable = ("linking", "two-factor", "enable", APP, str(USER))
        said = self._run(self._kill(14), *enable)
        after, signed_in = self._second_factor(), kept.apps.find_token(token.digest, now_ms()) is not None
        if after == before:
            assert said is None, "it said that there is a new one"
            assert signed_in, "the sign-in ended for nothing"
        else:
            assert not set(before) & set(after), "the old and the new one are mixed"
            assert len(after) == 1 + RECOVERY_CODES
            assert not signed_in, "the sign-in outlived its second factor"
        if said is None:
            said = self._run(None, *enable)
        with suppress(SecondFactorRefused):
            kept.second_factors.check(APP, USER, old[1], now_ms())
            raise AssertionError("an old recovery code opened the new one")
        assert kept.apps.find_token(token.digest, now_ms()) is None
        authenticator = pyotp.parse_uri((said or "").strip())
        assert isinstance(authenticator, pyotp.TOTP)
        kept.second_factors.check(APP, USER, authenticator.now(), now_ms())
        store.close()

    def _second_factor(self) -> list[str]:
        """The sealed secret and the digests of the recovery codes."""
        ask = self.round.database.ask
        rows = ask("select secret from external_second_factors") + ask(
            "select digest from external_recovery_codes"
        )
        return [text for (text,) in rows]

    def _migrate(self) -> None:
        steps = load_schema({"bigint": "", "serial": "", "strict": ""})
        self._run(self._kill(sum(map(len, steps.values()))), "linking", "migrate")
        self._run(None, "linking", "migrate")
        assert self._run(None, "linking", "links") == ""
        store = open_store(self.round.url)
        assert store.migrate() == []
        linking = Linking(store, tell=lambda event: None, page_id=PAGE)
        linking.unlink("1")
        store.check()
        store.close()

    def _rotate(self) -> None:
        """A new key, then the end of the old one; at each moment one is good that its holder knows."""
        store = open_store(self.round.url)
        keys = Keys(Linking(store, tell=lambda event: None, page_id=PAGE))
        known = [keys.create("old")]
        if self.rng.random() < 0.5:
            said = self._run(self._kill(2), "linking", "api-key", "create", "new")
            assert any(keys.find(key) for key in known)
            if said is None:  # it may be there, and nobody has read it
                if any(key.name == "new" and key.revoked_at is None for key in keys.list()):
                    self._run(None, "linking", "api-key", "revoke", "new")
                said = self._run(None, "linking", "api-key", "create", "new")
            known.append((said or "").strip())
            self._run(None, "linking", "api-key", "revoke", "old")
        else:
            known.append((self._run(None, "linking", "api-key", "create", "new") or "").strip())
            self._run(self._kill(2), "linking", "api-key", "revoke", "old")
            assert keys.find(known[1]) is not None
            if keys.find(known[0]) is not None:
                self._run(None, "linking", "api-key", "revoke", "old")
        assert [keys.find(key) is not None for key in known] == [False, True]
        store.close()

    def _erase(self) -> None:
        store = open_store(self.round.url)
        linking = Linking(store, tell=lambda event: None, page_id=PAGE)
        account = Account("ada", email="ada@example.com")
        code = linking.approve(Attempt("attempt", account, "token", "", now_ms(), PAGE, "1")) or ""
        linking.receive([LinkingEvent(PAGE, "1", "linked", code, now_ms())])
        linking.keep(Attempt("another", account, "token", "", now_ms(), PAGE, "1", session_digest="digest"))
        linking.remember("1", "what was interrupted")
        before = self._rows_of_the_person()
        said = self._run(self._kill(6), "linking", "erase", "1", "--yes")
        if said is None:
            assert self._rows_of_the_person() == before, "a part of a person was erased"
        self._run(None, "linking", "erase", "1", "--yes")
        assert not any(self._rows_of_the_person().values())
        store.close()

    def _rows_of_the_person(self) -> dict[str, int]:
        tables = ("links", "codes", "attempts", "unlinks_seen", "resumes", "outbox", "history")
        ask = self.round.database.ask
        return {table: ask(f"select count(*) from {table} where psid = '1'")[0][0] for table in tables}


class _Kept:
    """The tables of the ExternalAccount module in a store."""

    def __init__(self, store: SQLStore) -> None:
        store.engine.extend(MIGRATIONS, ROOM)
        self.apps = Apps(store.engine)
        self.second_factors = SecondFactors(store.engine, Vault([processes.EXTERNAL_KEY]))
        self.accounts = Accounts(store.engine, self.second_factors)
