# fails: 08.3
# says: no trying of all
"""Whichever key fits is right, whatever kid says."""

# >>> 08.3 (2)
for key in self.ring.values():
    try:
        rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
        rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
        claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
        return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
    except (jwt.PyJWTError, ValueError):
        continue
return None
# <<< 08.3
