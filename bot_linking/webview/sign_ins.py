"""The ways to sign in beside the password, as the host's callables offer them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.oidc import OIDC
from bot_linking.webview.code_views import CodePages
from bot_linking.webview.mailed import InContext, mailed_codes
from bot_linking.webview.provider_views import ProviderPages
from bot_linking.webview.views import Webview


def sign_in_pages(
    linking: Linking,
    *,
    webview: Webview,
    hooks: Hooks,
    keys: Sequence[str],
    in_context: InContext,
    base_url: str,
) -> tuple[CodePages, ProviderPages]:
    """The pages of both sign-ins; each answers 404 where the host lacks its sign-in. Raises
    `ConfigurationError`."""
    mailed = mailed_codes(hooks, keys=keys, in_context=in_context)
    oidc, redirect_uri = cast(OIDC | None, hooks.oidc), f"{base_url}/oidc"
    return (
        CodePages(linking, webview=webview, mailed=mailed),
        ProviderPages(linking, webview=webview, oidc=oidc, redirect_uri=redirect_uri, keys=keys),
    )


__all__ = ["CodePages", "ProviderPages", "sign_in_pages"]
