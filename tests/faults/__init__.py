"""Faults that a machine makes, and one oracle for the outcome of all of them.

When everything has come to rest: model = store = last message of each person; the outbox holds nothing but
permanent failures; no link is without a used code or has two; no code is alive after the use of its attempt;
nothing that was acknowledged is lost; what was refused has changed nothing; one message comes again at most
for each fault, and at a kill to as many people as a process sends to at once.

- `test_every_call`: in every flow of `flows`, `flows_of_ways`, `flows_of_apps` and `flows_of_operators`,
  the first call to the database, Messenger or Redis fails, then the second, and so on until the flow meets
  no failure (`failing`); one at a time, four in a row, and at random. A call fails before, within or after
  its work, when only the answer is lost.
- `test_kills`: real processes (`processes`) under load are killed at the places of `kills` and started
  again, while Messenger posts again (`messenger`); `tests.core.model` judges (`rounds`, `loads_of_ways`).
  Commands are killed and given again (`by_hand`). The long run is `python -m tests.faults --rounds 100
  [--store sqlite|postgres] [--only K4 K5] [--gunicorn] [--save FILE]`, which prints one table. A dead
  worker's lease is shorter there than in the product, unless `--lease` says otherwise. With `--gunicorn` one
  of its workers is killed.
- `test_named_faults`: faults from outside that no other room's tests show.

Which test shows which fault:

- SQLite locked: `stores.test_sqlite_faults` (a lock is waited for), here every door and what
  comes again afterwards.
- Busy snapshot: `stores.test_races` (fifty threads, four processes).
- Disk full: `stores.test_sqlite_faults`; here each statement and commit of each flow fails.
- Read-only file: `stores.test_sqlite_faults`, here the start that names the file.
- Corrupt file: `stores.test_sqlite_faults` (header, page, at the start and while running).
- File moved, replaced, deleted: `stores.test_sqlite_faults`.
- Write-ahead log left by a crash: `stores.test_sqlite_faults` (a killed writer), here `test_kills`.
- PostgreSQL restarts: `stores.test_postgres` (a restart under load).
- Serialization, deadlock: `stores.test_postgres`, here each statement of each transition undone once.
- PostgreSQL slow: `stores.test_postgres` and `extension.test_on_postgres` (silent, locked), here a server
  whose every answer takes a minute.
- Redis gone: `stores.test_redis_counters`, here each script that it runs fails once.
- Graph 5xx: here, through all doors. Rate limits: `delivery.test_worker`, here through HTTP.
- Graph silent, half-open, dripping: `messenger.test_graph`; other pages go on: `delivery.test_worker`.
- Token invalid: `delivery.test_worker`, `extension.test_several_pages`.
- Graph's answer lost: here, on a real connection and at every call; K5 of `test_kills`.
- No answer to whose login it is: `webview.test_consent`, here `LinkByLogin` at each of its calls.
- The same event 10,000 times, overlapping batches: here.
- Late storm, random histories: `core.test_histories`, over both stores.
- Worker ended in the middle: by SIGTERM here, by SIGKILL `delivery.test_processes` and K4, K5, K7,
  a worker of gunicorn's `test_kills`.
- Fork after a connection was opened: `stores.test_races`, `delivery.test_processes`,
  `acceptance.test_preforked`.
- The host's handler raises: `extension.test_ways_in`.
"""
