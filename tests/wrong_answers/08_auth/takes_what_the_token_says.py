# fails: 08.3
# says: a claim named token_limit
"""The claims have nearly the names of the fields, so all of them go into the model."""

# >>> 08.3 (2)
try:
    key = self.ring[jwt.get_unverified_header(token)["kid"]]
    rules: Any = {"issuer": key.issuer, "audience": self.audience, "leeway": self.leeway_s}
    rules["options"] = {"require": ["exp", "iss", "aud", "sub", "tenant"]}
    claims = jwt.decode(token, verifying_key(key.alg, key.material), algorithms=[key.alg], **rules)
    return Principal.model_validate({**claims, "id": claims["sub"], "scopes": claims.get("scope", "").split()})
except (jwt.PyJWTError, KeyError, ValueError, AttributeError):
    return None
# <<< 08.3
