# fails: 08.3
# says: the public key became the secret
"""The header says how the token was signed, so that is how it is checked: key confusion."""

# >>> 08.3 (2)
try:
    header = jwt.get_unverified_header(token)
    key, alg = self.ring[header["kid"]], header["alg"]
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(alg, key.material), algorithms=[alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
