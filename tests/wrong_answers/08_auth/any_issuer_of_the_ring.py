# fails: 08.3
# says: our issuer, signed by the other
"""A list of all issuers that are trusted: each may sign as every other."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": {one.issuer for one in self.ring.values()}, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
