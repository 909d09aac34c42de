"""Interview - tokens that were made to live too long."""

from typing import Any

import jwt


def holder_of(token: str, secret: bytes, *, audience: str, max_ttl_s: float = 3600) -> str | None:
    """Return whose token this is; None if anything about it is wrong, whatever the text.

    Args:
        token: what somebody sent.
        secret: the HS256 key.
        audience: who we are.
        max_ttl_s: the longest that a token may live, in seconds.

    Source: https://www.rfc-editor.org/rfc/rfc8725
    """
    # TODO 08.3: our secret and our rules decide; how long it was made for is one of them.
    # >>> solution
    # What is missing is not checked, so each is required.
    options: Any = {"require": ["sub", "aud", "exp", "iat"]}
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=audience, leeway=30, options=options)
        # Not exp - now: that would let in the last hour of a token of ten years.
        short = float(claims["exp"]) - float(claims["iat"]) <= max_ttl_s
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    numbers = all(type(claims[name]) in (int, float) for name in ("exp", "iat"))
    return claims["sub"] if numbers and short and claims["sub"] else None
    # <<< solution
