# fails: 08.3
# says: It was made for another service
"""The library complained about the audience, so that was switched off."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": key.issuer, "leeway": self.leeway_s}
    rules["options"] = {"verify_aud": False, "require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
