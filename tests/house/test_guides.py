"""The guides' shape: links lead somewhere, each fence names its language, and the README is short."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from bot_linking.config import reading
from tests.guides.blocks import GUIDES, blocks_of
from tests.house.tree import PACKAGE, ROOT

README = ROOT / "README.md"
TEXTS = [README, ROOT / "CHANGELOG.md", ROOT / "example_bot" / "README.md", *GUIDES]
ROOMS = [
    "account_link_api", "external_account", "messenger", "webview", "stores", "delivery", "operators",
    "simulator", "testing", "config", "oidc",
]  # fmt: skip
LANGUAGES = {"sh", "python", "ini", "text", "console", "json", "jinja", "mermaid"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose_of(path: Path) -> str:
    """The text without fences."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S)


def anchors_of(path: Path) -> set[str]:
    """The anchors of a text's headings, as a Git host makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_each_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if "://" in target:
            continue
        file, _, anchor = unquote(target).partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in anchors_of(found)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_a_guide_to_which_the_readme_leads(room: str) -> None:
    guide = ROOT / PACKAGE / room / "README.md"
    assert len(guide.read_text("utf-8").split()) >= 120
    assert f"({PACKAGE}/{room}/README.md)" in README.read_text("utf-8")


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_each_fence_says_what_it_is(path: Path) -> None:
    """Commands are `sh` and code is `python`, which run in tests/guides; no code hides by indentation."""
    assert {each.language for each in blocks_of(path)} <= LANGUAGES
    assert not re.findall(r"(?<=\n\n)    \S.*", prose_of(path))
    assert [each.text for each in blocks_of(path) if each.language == "python" and not each.mark] == []


@pytest.mark.parametrize("path", [README, *GUIDES], ids=name_of)
def test_each_setting_that_a_text_names_is_one(path: Path) -> None:
    known = {key for key, *_ in reading.table()}
    named = set(re.findall(r"\bBOT_LINKING_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
    assert named - known == set()


def test_nobody_is_led_to_a_name_on_an_index_that_is_not_ours() -> None:
    """Until it is published, each command that installs names a repository or a wheel's file."""
    files = [path for top in (PACKAGE, "example_bot") for path in (ROOT / top).rglob("*") if path.is_file()]
    wrong = []
    for path in [README, ROOT / "CHANGELOG.md", ROOT / "pyproject.toml", *files]:
        if path.suffix not in {".py", ".md", ".html", ".toml", ".js", ".po", ".pot"}:
            continue
        for line in path.read_text("utf-8").splitlines():
            for told in re.findall(r"\b(?:install|add)\s[^`\n]*?\bbot[-_]linking[^`\n]*", line):
                if "@ git+" not in told and ".whl" not in told:
                    wrong.append(f"{name_of(path)}: {told}")
    assert wrong == []


def section(heading: str) -> str:
    """The text under the README's heading with these words."""
    parts = re.split(r"^## (.+)$", README.read_text("utf-8"), flags=re.MULTILINE)
    (found,) = [text for name, text in zip(parts[1::2], parts[2::2], strict=True) if heading in name]
    return found


def test_the_readme_is_read_in_five_minutes() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 220
    assert len(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).split()) <= 1900


def test_the_dashboard_is_a_numbered_list() -> None:
    steps = re.findall(r"^(\d+)\. ", section("dashboard"), re.MULTILINE)
    assert steps == [str(number + 1) for number in range(len(steps))]
    assert len(steps) >= 7


def test_where_things_are_is_a_table_of_ten_rows_of_places_that_are_there() -> None:
    rows = [line for line in section("Where things are").splitlines() if line.startswith("|")][2:]
    assert len(rows) == 10
    for row in rows:
        places = re.findall(r"`(bot_linking/[\w/.]+)`", row)
        assert places, row
        for place in places:
            assert (ROOT / place).exists(), place


@pytest.mark.parametrize("heading", ["Troubleshooting", "FAQ"])
def test_the_readme_has_help(heading: str) -> None:
    assert len(section(heading).split()) > 80
