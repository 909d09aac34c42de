# fails: 05.6
# says: whose keys came in another order
"""Looks complete: text and metadata; but equal dicts can be written in two orders."""

# >>> 05.6
return hashlib.sha256(json.dumps([self.text, dict(self.meta)]).encode()).hexdigest()
# <<< 05.6
