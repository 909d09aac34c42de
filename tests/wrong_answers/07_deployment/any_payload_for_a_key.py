# fails: 07.7
# says: a job that somebody ordered for something else
"""The key says it all."""

# >>> 07.7
# The database decides who was first. Who looks, finds nothing and then inserts is not alone in doing so.
sql = "INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
self.run(sql, uuid.uuid4().hex, key, payload)
(job,) = self.run("SELECT * FROM jobs WHERE key = ?", key)
return job
# <<< 07.7
