# fails: 05.6
# says: a number as hash() gives it
"""Looks right until the next deploy, when all pages are new again."""

# >>> 05.6
return str(hash((self.text, tuple(sorted(self.meta.items())))))
# <<< 05.6
