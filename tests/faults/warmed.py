"""What the fork server does before it forks: it compiles the pages and addresses of a bot, so that no process
of a round has to. It leaves nothing open."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import ExitStack

import pytest

from tests import ready
from tests.wire import SECRET_KEY, SETTINGS

from .processes import EXTERNAL_KEY, create_app

_SETTINGS = SETTINGS | {
    "BOT_LINKING_SECRET_KEY": SECRET_KEY,
    "BOT_LINKING_APP_ID": "123456789",
    "BOT_LINKING_EXTERNAL_KEYS": EXTERNAL_KEY,
}


def _compile_everything() -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name, value in (_SETTINGS | {"BOT_LINKING_DATABASE": f"sqlite:///{folder}/links.db"}).items():
            patch.setitem(os.environ, name, value)
        app = create_app()
        for name in app.jinja_env.list_templates(filter_func=lambda name: name.startswith("bot_linking/")):
            app.jinja_env.get_template(name)
        app.extensions["linking"].store.close()


kept = ExitStack()  #: for as long as the process lives
kept.enter_context(ready.templates())
kept.enter_context(ready.url_builders())
logging.disable(logging.CRITICAL)
_compile_everything()
logging.disable(logging.NOTSET)
