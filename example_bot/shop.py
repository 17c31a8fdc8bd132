"""The made-up shop behind the bot: customers with passwords, their orders and points, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

from werkzeug.security import check_password_hash, generate_password_hash

from bot_linking import Account, SignUpRefused

# One of OWASP's settings: as hard as its first choice, with 32 MiB for each hash.
HASH = "scrypt:32768:8:3"

DEMO_CUSTOMERS = (
    ("ada", "ada@example.com", "lovelace-1815"),
    ("grace", "grace@example.com", "hopper-1906"),
)
ORDERS = {
    "1": ("Order 1042: an analytical engine, on its way", "Order 1017: punched cards, delivered"),
    "2": ("Order 1044: a compiler, being packed",),
}
POINTS = {"1": 1815, "2": 1906}


class Shop:
    """Customers and what they bought. Several processes may share the file; only its owner can open it.

    With `demo_customers` there are two customers with public passwords, for a try beside the simulator.
    """

    def __init__(self, path: Path, *, demo_customers: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_private(path)
        self._path = path
        with self._open() as database:
            database.execute(
                "create table if not exists customers ("
                "id integer primary key, name text not null unique, email text, password text not null)"
            )
            missing = {name for name, *_ in DEMO_CUSTOMERS} - {
                name for (name,) in database.execute("select name from customers")
            }
        for name, email, password in DEMO_CUSTOMERS if demo_customers else ():
            if name in missing:
                self._insert(name, email, password)

    def check_password(self, username: str, password: str) -> Account | None:
        """The customer of this name and password. An unknown name takes as long as a wrong password."""
        with self._open() as database:
            row = database.execute(
                "select id, name, email, password from customers where name = ?", (_canonical(username),)
            ).fetchone()
        known = row[3] if row else self._unmatched
        if not check_password_hash(known, password) or row is None:
            return None
        return Account(str(row[0]), username=row[1], email=row[2])

    def account_of(self, customer_id: str) -> Account | None:
        """The customer of this number, with the present user name and e-mail address."""
        with self._open() as database:
            row = database.execute(
                "select id, name, email from customers where id = ?", (customer_id,)
            ).fetchone()
        return Account(str(row[0]), username=row[1], email=row[2]) if row else None

    def sign_up(self, username: str, email: str | None, password: str) -> Account:
        """Make a customer. A refusal tells that a name is taken; the linking pages allow ten sign-ups a
        minute from one address, which bounds how many names a stranger can try."""
        name = _canonical(username)
        if not name.isascii() or not name.isprintable() or len(name) > 30:
            raise SignUpRefused("A user name has up to 30 plain letters, digits and signs.")
        customer_id = self._insert(name, email, password)
        if customer_id is None:
            raise SignUpRefused("That user name is taken. Please choose another one.")
        return Account(customer_id, username=name, email=email)

    def find_account(
        self, username: str | None, email: str | None, phone_number: str | None
    ) -> Account | None:
        """The account that a call of the newsletter means: the customer of that user name or address. A
        reader who is no customer yet gets an account by what they gave, whose id is no customer's number."""
        name = _canonical(username) if username else None
        with self._open() as database:
            row = database.execute(
                "select id, name, email from customers where name = ?1 or (?1 is null and email = ?2)",
                (name, email),
            ).fetchone()
        if row:
            return Account(str(row[0]), username=row[1], email=row[2])
        return Account.known_by(username, email, phone_number)

    def orders_of(self, account_id: str) -> tuple[str, ...]:
        """The orders of a customer; other readers of the newsletter have none."""
        return ORDERS.get(account_id, ()) if _is_customer(account_id) else ()

    def points_of(self, account_id: str) -> int:
        """The points of a customer; other readers of the newsletter have none."""
        return POINTS.get(account_id, 0) if _is_customer(account_id) else 0

    @cached_property
    def _unmatched(self) -> str:
        """A hash to compare with where the name is unknown."""
        return generate_password_hash("nobody has this password", HASH)

    def _insert(self, name: str, email: str | None, password: str) -> str | None:
        hashed = generate_password_hash(password, HASH)
        with self._open() as database:
            rows = database.execute(
                "insert into customers (name, email, password) values (?, ?, ?) "
                "on conflict (name) do nothing returning id",
                (name, email, hashed),
            ).fetchall()
        return str(rows[0][0]) if rows else None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            yield database


def _make_private(path: Path) -> None:
    """Let only the file's owner open it: it holds password hashes and addresses."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _is_customer(account_id: str) -> bool:
    """Whether this is the number of a customer, rather than `username:...` of a reader of the newsletter."""
    return account_id.isascii() and account_id.isdecimal()


def _canonical(username: str) -> str:
    return unicodedata.normalize("NFKC", username).casefold().strip()
