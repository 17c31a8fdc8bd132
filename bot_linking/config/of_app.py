"""The settings of one app, checked against the host's callables."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bot_linking.config.reading import defaults_of, key_of, read_settings, strange_graph
from bot_linking.config.settings import Settings
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.hooks import Hooks

if TYPE_CHECKING:
    from flask import Flask

_log = logging.getLogger("bot_linking")


def settings_of(app: Flask, hooks: Hooks, overrides: Mapping[str, Any]) -> Settings:
    """Read `app.config` and the environment; `overrides` win over both. Raises `ConfigurationError`."""
    given = {key_of(name): each for name, each in overrides.items() if each is not None}
    defaults = defaults_of(app.instance_path, app.secret_key, app.config, os.environ)
    settings = read_settings({**app.config, **given}, os.environ, defaults)
    if hooks.bot is not None and len(settings.pages) > 1:
        raise ConfigurationError("AccountLinking(bot=...)", "serves one page only: leave it out with PAGES")
    if settings.login_url and not hooks.current_account:
        raise ConfigurationError("BOT_LINKING_LOGIN_URL", "needs current_account= to tell who came back")
    if problem := strange_graph(settings):
        _log.warning("%s", problem)
    return settings
