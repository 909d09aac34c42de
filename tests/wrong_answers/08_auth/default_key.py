# fails: 08.3
# says: no default
"""Old tokens have no kid, so the first key is tried."""

# >>> 08.3 (2)
try:
    key = self.ring.get(jwt.get_unverified_header(token).get("kid"), next(iter(self.ring.values())))
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
