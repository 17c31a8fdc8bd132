"""Signing in at an identity provider by OpenID Connect: what a host configures, and what a provider answers.

    from bot_linking.oidc import OIDC

Needs the extra `oidc` (Authlib), which is imported when the first person signs in.

Begin with `client`, the flow. To add a rule for tokens: one comparison in `tokens`, and a row of `SPOILED` in
the tests.
"""

from bot_linking.oidc.provider import OIDC

__all__ = ["OIDC"]
