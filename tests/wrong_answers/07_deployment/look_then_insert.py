# fails: 07.7
# says: let the insert decide
"""Is it there? No? Then insert it."""

# >>> 07.7
found = self.run("SELECT * FROM jobs WHERE key = ?", key)
if not found:
    self.run("INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?)", uuid.uuid4().hex, key, payload)
    found = self.run("SELECT * FROM jobs WHERE key = ?", key)
if found[0].payload != payload:
    raise KeyReused(key)
return found[0]
# <<< 07.7
