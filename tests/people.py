"""The people of the tests, and the host that knows them."""

from __future__ import annotations

from bot_linking import Account, SignUpRefused

ADA = Account("1", username="ada", email="ada@example.com")
GRACE = Account("2", username="grace", email="grace@example.com")


class Site:
    """The host's own users, and a record of each question that it was asked."""

    def __init__(self) -> None:
        self.accounts = {"ada": ADA, "grace": GRACE}
        self.passwords = {"ada": "lovelace-1815", "grace": "hopper-1906"}
        self.asked: list[str] = []
        self.signed_in: Account | None = None

    def authenticate(self, username: str, password: str) -> Account | None:
        self.asked.append(username)
        name = username.casefold().strip()
        return self.accounts[name] if self.passwords.get(name) == password else None

    def current_account(self) -> Account | None:
        return self.signed_in

    def create_account(self, username: str, email: str | None, password: str) -> Account:
        if username in self.accounts:
            raise SignUpRefused("That user name is taken. Please choose another one.")
        account = Account(str(len(self.accounts) + 1), username=username, email=email)
        self.accounts[username], self.passwords[username] = account, password
        return account
