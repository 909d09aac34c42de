# fails: 07.7
# says: one job a key
"""The key is kept, and so is every order."""

# >>> 07.7
id = uuid.uuid4().hex
self.run("INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?)", id, f"{key} {id}", payload)
return Job(id, payload)
# <<< 07.7
