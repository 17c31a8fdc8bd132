"""What the tests ask of pytest itself; `conftest.py` names this module as a plugin."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """An installed package brings the plugin by its entry point; a bare checkout takes it from here."""
    if not config.pluginmanager.has_plugin("bot_linking"):
        from bot_linking.testing import plugin

        config.pluginmanager.register(plugin, "bot_linking")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI nothing may be missing that a test needs: there a skipped test has failed."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI: {report.longrepr}"
    return report
