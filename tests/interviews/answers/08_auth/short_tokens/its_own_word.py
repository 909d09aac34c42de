# fails: 08.3
# says: HS256 and our secret decide
"""Takes the algorithm from the header."""

# >>> 08.3
# What is missing is not checked, so each is required.
options: Any = {"require": ["sub", "aud", "exp", "iat"]}
try:
    claims = jwt.decode(token, secret, algorithms=[jwt.get_unverified_header(token)["alg"]], audience=audience, leeway=30, options=options)
    # Not exp - now: that would let in the last hour of a token of ten years.
    short = float(claims["exp"]) - float(claims["iat"]) <= max_ttl_s
except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
    return None
numbers = all(type(claims[name]) in (int, float) for name in ("exp", "iat"))
return claims["sub"] if numbers and short and claims["sub"] else None
# <<< 08.3
