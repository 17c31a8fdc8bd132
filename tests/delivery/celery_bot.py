"""A bot whose messages Celery delivers, as its worker and beat see it, configured by the environment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask

from bot_linking import AccountLinking, Link
from bot_linking.celery import install
from bot_linking.delivery import worker
from bot_linking.delivery.leases import LEASE_S

vars(worker)["LEASE_S"] = int(os.environ.get("LEASE_S", LEASE_S))


def confirmation(link: Link) -> dict[str, Any]:
    """A confirmation that takes a while; it writes a line to a file when it begins."""
    with Path(os.environ["BEGUN"]).open("a") as file:
        file.write(f"{link.psid}\n")
    time.sleep(0.1)
    return {"text": f"linked {link.psid}"}


def make(broker: str, every: float) -> Celery:
    app = Flask("tests.host")
    linking = AccountLinking(app, confirmation=confirmation)
    celery_app = Celery("tests", broker=broker)
    celery_app.conf.broker_connection_retry_on_startup = True
    install(celery_app, linking, every=every)
    celery_app.bot = linking
    return celery_app


if "CELERY_BROKER" in os.environ:
    app = make(os.environ["CELERY_BROKER"], float(os.environ["EVERY"]))
