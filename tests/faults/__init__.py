"""What goes wrong, made to go wrong by machine; and one oracle for all of it.

After everything has come to rest: model = store = last message of each person; the outbox holds nothing but
permanent failures; no link without a used code, never two; no code lives on after its use; nothing that was
acknowledged is lost; what was refused has changed nothing; a person gets one message again at most for each
fault, and as many people as a process sends to at once.

- `test_every_call`: in every flow of `flows`, `flows_of_ways`, `flows_of_apps` and `flows_of_operators`,
  the first call to the database, Messenger or Redis fails, then the second, and so on until the flow comes
  through (`failing`); one at a time, four in a row, and at random. A call fails before, within or after its
  work, when only the answer is lost.
- `test_kills`: real processes (`processes`) under load are killed at the places of `kills` and started
  again, while Messenger insists (`messenger`); judged by `tests.core.model` (`rounds`, `loads_of_ways`).
  Commands are killed and given again (`by_hand`). The long run is `python -m tests.faults --rounds 100
  [--store sqlite|postgres] [--only K4 K5] [--gunicorn] [--save FILE]`, which prints one table. A dead
  worker's lease is shorter there than in the product, unless `--lease` says otherwise. With `--gunicorn` it
  is one of its workers that dies.
- `test_named_faults`: faults from outside that no other room's tests show.

Which test shows which fault:

- F1 SQLite locked: `stores.test_sqlite_faults` (a lock is waited for), here every door and what
  comes again afterwards.
- F2 busy snapshot: `stores.test_races` (fifty threads, four processes).
- F3 disk full: `stores.test_sqlite_faults`; here each statement and commit of each flow fails.
- F4 read-only file: `stores.test_sqlite_faults`, here the start that names the file.
- F5 corrupt file: `stores.test_sqlite_faults` (header, page, at the start and while running).
- F6 file moved, replaced, deleted: `stores.test_sqlite_faults`.
- F7 write-ahead log left by a crash: `stores.test_sqlite_faults` (a killed writer), here `test_kills`.
- F8 PostgreSQL restarts: `stores.test_postgres` (a restart under load).
- F9 serialization, deadlock: `stores.test_postgres`, here each statement of each transition undone once.
- F10 PostgreSQL slow: `stores.test_postgres` and `extension.test_on_postgres` (silent, locked), here a server
  whose every answer takes five seconds.
- F11 Redis gone: `stores.test_redis_counters`, here each script that it runs fails once.
- F12 Graph 5xx: here, through all doors. F13 rate limits: `delivery.test_worker`, here through HTTP.
- F14 Graph silent, half-open, dripping: `messenger.test_graph`; other pages go on: `delivery.test_worker`.
- F15 token invalid: `delivery.test_worker`, `extension.test_several_pages`.
- F16 Graph's answer lost: here, on a real connection and at every call; K5 of `test_kills`.
- F17 no answer to whose login it is: `webview.test_consent`, here `LinkByLogin` at each of its calls.
- F20 the same event 10,000 times, F23 overlapping batches: here.
- F21 late storm, F22 random histories: `core.test_histories`, over both stores.
- F24 worker ended in the middle: by SIGTERM here, by SIGKILL `delivery.test_processes` and K4, K5, K7,
  a worker of gunicorn's `test_kills`.
- F25 fork after a connection was opened: `stores.test_races`, `delivery.test_processes`,
  `acceptance.test_preforked`.
- F29 the host's handler raises: `extension.test_ways_in`.
"""
