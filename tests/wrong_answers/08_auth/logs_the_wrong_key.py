# fails: 08.2
# says: was written to a log or printed
"""A warning with the key that was refused: a typing error away from a good one."""

# >>> imports
import logging
# <<< imports

# >>> 08.2 (2)
record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
if record and hmac.compare_digest(record.digest, self._digest(key)) and self.now() < record.ends_at:
    return record.principal
logging.getLogger("auth").warning("invalid key: %s", key)
return None
# <<< 08.2
