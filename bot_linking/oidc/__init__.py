"""Signing in at an identity provider by OpenID Connect: what a host configures, and what a provider answers.

    from bot_linking.oidc import OIDC

Needs the extra `oidc` (Authlib), which is imported when the first person signs in. Begin with `provider.py`,
which is what a host writes. To add a check of an id_token, open `tokens.py`.
"""

from bot_linking.oidc.provider import OIDC

__all__ = ["OIDC"]
