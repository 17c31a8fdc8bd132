"""Throttle counters in Redis, with the database behind them: the limits hold when Redis fails.

While Redis does not answer within half a second, the database counts. A Redis that was emptied or restarted
has lost counts: the database counts each limit until one whole window has passed since. So however often
Redis fails, a limit can be used up at most twice in a window: once in Redis, once in the database.

Redis needs an instance or a database number to itself that evicts nothing (`maxmemory-policy noeviction`).
"""

from __future__ import annotations

import logging
import time
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from bot_linking.core.ports import Counters

ANSWER_S = 0.5
PAUSE_S = 5.0  # after a failure Redis is not asked for so long; then one caller tries it
EVER_MS = 1 << 60
PREFIX = "bot_linking:"

# The mark holds since when this Redis, in its present run, has kept every count. The script returns -1 where
# that is less than a window ago. An end further away than a window was set by a clock that was ahead.
_HIT = """
local now, ends = tonumber(ARGV[1]), tonumber(ARGV[2])
local run = string.match(tostring(redis.pcall('INFO', 'server')), 'run_id:(%x+)') or ''
local mark = redis.call('HMGET', KEYS[2], 'run', 'since')
local since = tonumber(mark[2] or '')
if mark[1] ~= run or not since or since > now + 120000 then
  redis.call('HSET', KEYS[2], 'run', run, 'since', ARGV[1])
  since = now
end
if since > now - (ends - now) then return -1 end
local known = tonumber(redis.call('HGET', KEYS[1], 'ends') or '')
if not known or known <= now or known > ends + 120000 then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'ends', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], math.max(1, ends - now))
end
return redis.call('HINCRBY', KEYS[1], 'hits', 1)
"""
_REFUND = """
local known = redis.call('HMGET', KEYS[1], 'hits', 'ends')
if tonumber(known[1] or '0') < 1 or tonumber(known[2]) <= tonumber(ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'hits', -1)
return 1
"""
_FIND = "return redis.call('HMGET', KEYS[1], 'hits', 'ends')"
_DROP = "return redis.call('DEL', KEYS[1])"

_log = logging.getLogger("bot_linking")


class RedisCounters:
    """`core.ports.Counters` in Redis, or in the store where Redis does not answer or has lost counts."""

    def __init__(self, url: str, store: Counters) -> None:
        self._store = store
        self._client: Any = Redis.from_url(
            url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
        )
        self._in_trouble = False
        self._again_at = 0.0

    def hit(self, key: str, expires_at: int, now: int) -> int:
        hits = self._ask(_HIT, [key, "whole"], now, expires_at)
        return int(hits) if hits is not None and hits > 0 else self._store.hit(key, expires_at, now)

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        """The higher count of the two: the limit may have been used up in either."""
        hits, ends = self._ask(_FIND, [key]) or (None, None)
        here = (
            (int(hits), int(ends))
            if hits and ends and now < int(ends) <= now + window + 120_000
            else (0, now)
        )
        return max(here, self._store.find_limit(key, now, window))

    def refund(self, key: str, now: int) -> None:
        if not self._ask(_REFUND, [key], now):
            self._store.refund(key, now)

    def drop_limit(self, key: str) -> None:
        self._ask(_DROP, [key])
        if self._store.find_limit(key, 0, EVER_MS)[0]:
            self._store.drop_limit(key)

    def check(self) -> str | None:
        """Why Redis does not count, or None when it does."""
        try:
            self._client.ping()
        except (RedisError, OSError) as problem:
            return type(problem).__name__
        return None

    def _ask(self, script: str, keys: list[str], *values: int) -> Any:
        """The script's answer; None while Redis is away or slow. After a failure one caller at a time tries
        Redis again."""
        if time.monotonic() < self._again_at:
            return None
        if self._in_trouble:
            self._again_at = time.monotonic() + PAUSE_S
        try:
            answer = self._client.eval(script, len(keys), *(PREFIX + key for key in keys), *values)
        except (RedisError, OSError) as problem:
            self._leave(problem)
            return None
        if self._in_trouble:
            self._in_trouble, self._again_at = False, 0.0
            _log.warning("Redis counts attempts again")
        return answer

    def _leave(self, problem: Exception) -> None:
        """Stop asking Redis for a while. The log gets only the error's class: its text may hold a
        password."""
        self._again_at = time.monotonic() + PAUSE_S
        if not self._in_trouble:
            self._in_trouble = True
            _log.warning("Redis does not count attempts (%s): the database does", type(problem).__name__)
