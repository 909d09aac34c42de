# fails: 08.3
# says: Too long for max_ttl_s
"""As lesson 08 has it: whether a token has ended is all that is asked."""

# >>> 08.3
# What is missing is not checked, so each is required.
options: Any = {"require": ["sub", "aud", "exp", "iat"]}
try:
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience=audience, leeway=30, options=options)
    # Not exp - now: that would let in the last hour of a token of ten years.
    short = True
except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
    return None
numbers = all(type(claims[name]) in (int, float) for name in ("exp", "iat"))
return claims["sub"] if numbers and short and claims["sub"] else None
# <<< 08.3
