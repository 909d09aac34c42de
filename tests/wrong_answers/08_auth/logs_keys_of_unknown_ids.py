# fails: 08.2
# says: perhaps one that was refused
"""Logs only keys that nobody has here: typing errors in the id, and keys of other services."""

# >>> imports
import logging
# <<< imports

# >>> 08.2 (2)
record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
if record is None:
    logging.getLogger("auth").info("unknown key %r", key)
    return None
right = hmac.compare_digest(record.digest, self._digest(key))
return record.principal if right and self.now() < record.ends_at else None
# <<< 08.2
