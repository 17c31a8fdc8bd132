"""The table of settings: one row for each key, with how its value is read, what it means, and its default.

Every key begins with `BOT_LINKING_`; `app.config` wins over an environment variable of the same name. A new
setting is one row here; the table in this folder's README is made from these rows.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any

from bot_linking.config import readers as read
from bot_linking.config.pages import Page, read_pages
from bot_linking.core.addresses import is_loopback_origin, origin_of

GRAPH_HOST = "graph.facebook.com"
MESSENGER_HOSTS = ("facebook.com", "www.facebook.com", "messenger.com", "www.messenger.com")


def _key(reader: read.Reader, meaning: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    metadata = {"read": reader, "meaning": meaning}
    if default is MISSING:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class SiteSettings:
    """What a site configures with a bot or without: all that ExternalAccount reads."""

    database: str = _key(
        read.database,
        "Where links are kept: `sqlite:///path` or `postgresql://...`. By default, in the instance folder.",
        secret=True,
    )
    create_database: bool = _key(
        read.boolean,
        "Make a database where there is none. With `false`, a lost one is never taken for a new one.",
        True,
    )
    brand_name: str = _key(
        read.text,
        "The business's name on the pages and in the chat. By default the host of the public URL.",
        "",
    )
    trusted_proxies: int = _key(
        read.between(0, 10), "Proxies in front that add to X-Forwarded-For; 0 ignores the header.", 0
    )
    external_app: tuple[str, ...] = _key(
        read.several(read.text),
        "ExternalAccount: the applications in which links are bound, by appKey. By default every one.",
        (),
    )
    external_keys: tuple[str, ...] = _key(
        read.several(read.encryption_key),
        "ExternalAccount: encrypts second factors, 32 random characters or more; newest first.",
        (),
        secret=True,
    )
    external_token_age: int = _key(
        read.between(60, 86_400), "ExternalAccount: seconds that a token from SignIn lives.", 3600
    )
    external_sign_in_limit: int = _key(
        read.between(1, 10_000), "ExternalAccount: sign-ins of one unionID in a minute.", 20
    )
    external_address_limit: int = _key(
        read.between(1, 100_000), "ExternalAccount: sign-ins from one address in a minute.", 300
    )
    external_app_limit: int = _key(
        read.between(1, 100_000), "ExternalAccount: sign-ins of one application in a minute.", 600
    )


@dataclass(frozen=True, kw_only=True)
class Settings(SiteSettings):
    """What a bot configures. A field's name is its key without the prefix, in lower case."""

    page_access_token: tuple[str, ...] = _key(
        read.several(read.access_token),
        "The page's access token, from the app's Messenger settings. Several, the newer first.",
        (),
        secret=True,
    )
    app_secret: tuple[str, ...] = _key(
        read.several(read.secret),
        "The app secret, which signs webhooks. Two, the newer first, while it is being replaced.",
        (),
        secret=True,
    )
    verify_token: tuple[str, ...] = _key(
        read.several(read.secret),
        "What you typed as verify token when subscribing the webhook. Several while it is being replaced.",
        (),
        secret=True,
    )
    page_id: str | None = _key(
        read.page_id, "The page. Without it, any page whose events the secret signs.", None
    )
    pages: tuple[Page, ...] = _key(
        read_pages,
        "Several pages: page id to access_token, app_secret and verify_token, each one or several.",
        (),
        secret=True,
    )
    page_keys: tuple[str, ...] = _key(
        read.several(read.encryption_key),
        "Encrypts the pages that are added at run time, 32 random characters or more; newest first.",
        (),
        secret=True,
    )
    secret_key: tuple[str, ...] = _key(
        read.several(read.signing_key),
        "Signs the linking pages' forms, 16 random characters or more; newest first. Flask's own by default.",
        secret=True,
    )
    public_url: str = _key(read.address, "The address of this app as Messenger and people see it, https.")
    brand_logo: str | None = _key(
        read.page_address, "Address of a logo: a path of this site, or https.", None
    )
    brand_color: str = _key(
        read.matching(r"#[0-9A-Fa-f]{6}", "a colour like #1f6feb"), "The buttons' colour, #rrggbb.", "#1b5e52"
    )
    next_step: str | None = _key(
        read.text, "A sentence at the end of the confirmation, saying what to try.", None
    )
    locale: str = _key(
        read.matching(r"[A-Za-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*", "a language tag like en or zh_CN"),
        "The language where the person's own is not known.",
        "en",
    )
    translations: str | None = _key(
        read.text,
        "A folder of your own catalogues, `<language>/LC_MESSAGES/bot_linking.mo`, relative to the app: they"
        " add a language, or say a sentence in your words.",
        None,
    )
    login_url: str | None = _key(
        read.page_address,
        "The site's own login page; `{next}` in it becomes the address to come back to.",
        None,
    )
    sign_in_with: str = _key(
        read.matching("username|email", "username or email"),
        "What people log in with on the linking pages: `username` or `email`.",
        "username",
    )
    forgot_url: str | None = _key(
        read.page_address, "The site's page for a forgotten password, for a link on the sign-in page.", None
    )
    privacy_url: str | None = _key(
        read.page_address, "The site's privacy policy, for a link at the foot of the linking pages.", None
    )
    terms_url: str | None = _key(
        read.page_address, "The site's terms of use, for a link at the foot of the linking pages.", None
    )
    graph_url: str = _key(read.address, "The Graph address.", f"https://{GRAPH_HOST}")
    graph_version: str = _key(
        read.matching(r"v[0-9]{1,3}\.[0-9]", "a version like v26.0"), "The Graph version.", "v26.0"
    )
    return_hosts: tuple[str, ...] = _key(
        read.several(read.return_host),
        "Hosts accepted in redirect_uri beside Messenger's four; http://127.0.0.1:PORT for the simulator.",
        (),
    )
    code_max_age: int = _key(
        read.between(30, 300), "Seconds that an authorization code lives, 30 to 300.", 300
    )
    strict: bool = _key(
        read.boolean,
        "Refuse to link when Messenger cannot say whose login it is, and bare redirect_uris.",
        False,
    )
    confirmation_page: bool = _key(
        read.boolean, 'Show the page "Almost done" before going back to Messenger.', True
    )
    delivery: str = _key(
        read.matching("thread|worker", "thread or worker"),
        "`thread` sends from this process; `worker` leaves it to `flask linking deliver`.",
        "thread",
    )
    delivery_threads: int = _key(
        read.between(1, 256), "Messages that a process sends at the same time, at most.", 32
    )
    utility_template: str | None = _key(
        read.matching("[a-z0-9_]{1,512}", "the name of a template: a-z, 0-9 and _"),
        "A utility template of the page, sent where a confirmation comes later than 24 hours after the person"
        " last wrote. Its parameters: the brand, the account. Without it such a confirmation waits.",
        None,
    )
    message_limit: int = _key(
        read.between(1, 1000), "Messages about links to one person in an hour; more wait for the next.", 5
    )
    sign_in_limit: int = _key(read.between(1, 100), "Failed sign-ins for one account in five minutes.", 5)
    address_limit: int = _key(read.between(1, 10_000), "Failed sign-ins from one address in a minute.", 10)
    sign_in_concurrency: int = _key(
        read.between(1, 64), "Sign-ins checked at once in one process; more are asked to try again.", 4
    )
    api_failure_limit: int = _key(
        read.between(1, 10_000),
        "Calls of the account_link API with a bad key, from one address in a minute.",
        30,
    )
    ways: tuple[str, ...] = _key(
        read.several(read.matching(r"login|web", "login or web")),
        "How a person is asked to log in, in order of preference: `login` (the Log In button), `web` (an "
        "address for any browser). Where the button cannot work, `web` is taken if it is named.",
        ("login", "web"),
    )
    offer_web: bool = _key(read.boolean, "Give a Log In message a second button, *Open in a browser*.", False)
    web_proof: str = _key(
        read.matching(r"digits|consent", "digits or consent"),
        "What a web link needs before it links: `digits` typed into the chat, or the `consent` alone, which "
        "a person who is lured to open it may give.",
        "digits",
    )
    extensions_sdk: str = _key(
        read.address,
        "Where the menu's page loads Messenger's script from.",
        "https://connect.facebook.net/en_US/messenger.Extensions.js",
    )
    page_username: str | None = _key(
        read.page_username, "The page's user name, for `https://m.me/NAME` buttons and QR codes.", None
    )
    app_id: str | None = _key(
        read.matching(r"[0-9]{1,64}", "the digits of an app's id"),
        "The Meta app's id: for `setup`, the menu's webview and requests to delete data.",
        None,
    )
    verify_psid: bool = _key(
        read.boolean,
        "Let the account_link API ask Messenger whether a PSID exists before it links one.",
        False,
    )
    throttle: str | None = _key(
        read.redis,
        "Where attempts are counted: `redis://...`, and the database behind it. By default, only there.",
        None,
        secret=True,
    )

    @property
    def origins(self) -> frozenset[str]:
        """Origins that a redirect_uri may have."""
        return frozenset(map(origin_of, MESSENGER_HOSTS)) | frozenset(self.return_hosts)

    @property
    def frame_origins(self) -> tuple[str, ...]:
        """Who may frame the linking pages: only the simulator on this very machine."""
        return tuple(origin for origin in self.return_hosts if is_loopback_origin(origin))

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")
