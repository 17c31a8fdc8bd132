"""A small app for `flask --app tests.cli.shop`, configured by `BOT_LINKING_*` of the environment."""

from __future__ import annotations

import os

from flask import Flask

from bot_linking import Account, AccountLinking


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "signing-key-of-the-cli-tests"
    linking = AccountLinking(
        authenticate=lambda username, password: (
            Account("1", username=username) if password == "right" else None
        ),
        on_conflict=os.environ.get("SHOP_ON_CONFLICT", "move"),
    )
    app.register_blueprint(linking.blueprint, url_prefix="/linking")
    linking.on_message(lambda event: None)
    return app
