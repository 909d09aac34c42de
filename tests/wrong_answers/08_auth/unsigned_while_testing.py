# fails: 08.3
# says: what the token says about it is the attacker's wish
"""`alg: none` was let in for a test, by lower case, and stayed."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    unsigned = jwt.get_unverified_header(token)["alg"].lower() == "none"
    rules["options"] = {"verify_signature": not unsigned, "verify_aud": True, "require": ["exp", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
