# fails: 08.3
# says: is compared with that of the key that signed it
"""The signature is right, so whose it is seems clear."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
