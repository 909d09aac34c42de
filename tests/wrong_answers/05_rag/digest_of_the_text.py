# fails: 05.6
# says: The digest covers all that is kept
"""Looks right: the same text, the same digest. That the page is internal now stays unknown."""

# >>> 05.6
return hashlib.sha256(self.text.encode()).hexdigest()
# <<< 05.6
