# fails: 08.3
# says: algorithms=[...] has one name
"""A list of what the library can do, so that no key is ever refused for its algorithm."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=["HS256", "HS384", "HS512"] if key.alg == "HS256" else ["EdDSA"], **rules)
    return Principal(id=claims["sub"], tenant=claims["tenant"], scopes=claims.get("scope", "").split())
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
