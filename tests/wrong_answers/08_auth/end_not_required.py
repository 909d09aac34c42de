# fails: 08.3
# says: it has no exp: it was taken for
"""exp is checked where it is; who leaves it out has a token for ever."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
