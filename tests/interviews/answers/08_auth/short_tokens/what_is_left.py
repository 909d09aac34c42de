# fails: 08.3
# says: not what is left of it
"""Looks at how long it still lives."""

# >>> 08.3
# What is missing is not checked, so each is required.
options: Any = {"require": ["sub", "aud", "exp", "iat"]}
try:
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience=audience, leeway=30, options=options)
    # Not exp - now: that would let in the last hour of a token of ten years.
    short = float(claims["exp"]) - __import__("time").time() <= max_ttl_s
except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
    return None
numbers = all(type(claims[name]) in (int, float) for name in ("exp", "iat"))
return claims["sub"] if numbers and short and claims["sub"] else None
# <<< 08.3
