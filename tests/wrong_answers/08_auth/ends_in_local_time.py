# fails: 08.3
# says: datetime.now() has none
"""Right on every server in UTC, and on no laptop: PyJWT takes a time without a zone for UTC."""

# >>> imports
from datetime import datetime, timedelta
# <<< imports

# >>> 08.3
kid, key = next(iter(self.ring.items()))
claims = {"iss": key.issuer, "aud": self.audience, "exp": datetime.now() + timedelta(seconds=ttl_s)}
claims |= {"sub": principal.id, "tenant": principal.tenant, "scope": " ".join(sorted(principal.scopes))}
return jwt.encode(claims, key.material, key.alg, {"kid": kid})
# <<< 08.3
