"""A bot for a real server to run and to end, configured by the environment."""

from __future__ import annotations

from flask import Flask

from bot_linking import AccountLinking

app = Flask("tests.host")
linking = AccountLinking(app)
