"""Signing in at an identity provider by OpenID Connect: what a host configures, and what a provider answers.

    from bot_linking.oidc import OIDC

Needs the extra `oidc` (Authlib), which is imported when the first person signs in.

Begin with `provider`, what a host configures, then `client`, a sign-in. To add a check of a token: one line
in `tokens`, and a refusal in its test.
"""

from bot_linking.oidc.provider import OIDC

__all__ = ["OIDC"]
