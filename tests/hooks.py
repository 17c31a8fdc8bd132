"""Hooks of pytest. `conftest.py` names this module as a plugin."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is. Each test as a whole has a time limit.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugin of a bare checkout; an installed package brings it by its entry point."""
    if not config.pluginmanager.has_plugin("bot_linking"):
        from bot_linking.testing import plugin

        config.pluginmanager.register(plugin, "bot_linking")


#: The files that take longest, so that none is begun when all others are done: a worker has each to itself.
LONGEST = (
    "faults/test_kills.py",
    "faults/test_every_call.py",
    "fuzz/test_fuzz.py",
    "acceptance/test_in_a_browser.py",
    "webview/test_histories.py",
    "webview/test_every_way_in.py",
    "webview/test_templates.py",
    "cli/test_watching.py",
    "stores/test_copying.py",
    "webview/test_in_each_window.py",
    "acceptance/test_other_ways.py",
    "delivery/test_ends.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the others keep their order."""

    def turn(item: pytest.Item) -> int:
        here = item.path.as_posix()
        return next((turn for turn, name in enumerate(LONGEST) if here.endswith(f"/{name}")), len(LONGEST))

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Let garbage be looked for among what the tests make, and not each time among all tests and imports."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI a skipped test is a failure: nothing that a test needs may be missing there."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI: {report.longrepr}"
    return report
