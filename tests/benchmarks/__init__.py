"""Benchmarks: what linking costs, as ratios of contestants that run side by side.

    python -m tests.benchmarks [--quick] [GROUP ...]
    python -m tests.benchmarks --draw FILE.svg

Absolute figures change with the machine and its load; the ratio of two contestants that take turns in short
rounds does not. The others are a bare view, the host's own view that reads its JSON, and `ideal`: the least
code that does the job right. Nothing here is a test, and pytest collects none of it: a clock must never fail
a build.

Groups: `webhook` (one request, in process), `batches` (many events in one), `calls` (of back ends), `store`
(look-up and flushes), `growth` (from a thousand links to millions), `imports`, `http` (a real server and 16
connections), `slow_disk`, `sign_in` (webhooks while people sign in), `login` (what the funnel adds to one),
`outbox`. What depends on the store is measured on SQLite and on PostgreSQL.

Not measured: PostgreSQL behind a network, disks of real machines (the slow one here is a sleep before each
commit), TLS, and a proxy in front.
"""
