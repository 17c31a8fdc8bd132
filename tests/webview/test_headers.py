"""A host's extensions cannot loosen our pages' headers, nor open the pages to other origins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response
from flask_cors import CORS
from flask_talisman import Talisman

from tests.bots import NewBot
from tests.people import ADA, Site

Habit = Callable[[Flask], Any]


def _own_hook(app: Flask) -> None:
    @app.after_request
    def loosen(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src *"
        response.headers["Cache-Control"] = "public, max-age=600"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["access-control-allow-credentials"] = "true"
        del response.headers["X-Content-Type-Options"], response.headers["X-Frame-Options"]
        response.headers.setlist("Referrer-Policy", ["unsafe-url", "origin"])
        return response


HABITS: dict[str, Habit] = {
    "Talisman": lambda app: Talisman(app, force_https=False),
    "Talisman, loosened": lambda app: Talisman(
        app,
        force_https=False,
        content_security_policy={"default-src": "*", "frame-ancestors": "*"},
        frame_options="ALLOW-FROM",
        frame_options_allow_from="https://evil.example",
        referrer_policy="unsafe-url",
        permissions_policy={"camera": "*"},
    ),
    "Talisman without a policy": lambda app: Talisman(
        app, force_https=False, content_security_policy=None, x_content_type_options=False
    ),
    "CORS": CORS,
    "CORS with credentials": lambda app: CORS(
        app, supports_credentials=True, origins=["https://evil.example"], expose_headers=["Location"]
    ),
    "a hook of its own": _own_hook,
}
PATHS = (
    *("login?redirect_uri=x", "menu", "connections", "connect", "undo/unknown", "web/unknown"),
    *("deletion/unknown", "no/such/page"),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("habit", HABITS)
def test_headers_of_extensions_do_not_loosen_ours(new_bot: NewBot, site: Site, habit: str, path: str) -> None:
    plain = new_bot(current_account=site.current_account, APP_ID="1")
    app = Flask("tests.loosened")
    HABITS[habit](app)
    loosened = new_bot(app, current_account=site.current_account, APP_ID="1")
    site.signed_in = ADA
    wanted, got = (
        bot.client().get(
            f"/linking/{path}", base_url="https://bot.example", headers={"Origin": "https://evil.example"}
        )
        for bot in (plain, loosened)
    )
    assert got.status_code == wanted.status_code
    ours = {name for name, _ in wanted.headers} - {"Content-Length", "Set-Cookie", "Date"}
    assert {"Content-Security-Policy", "Referrer-Policy", "Cache-Control"} <= ours
    for name in ours:
        assert got.headers.getlist(name) == wanted.headers.getlist(name), name
    assert not [name for name, _ in got.headers if name.lower().startswith("access-control-")]
