# fails: 07.8
# says: The job is lost with its worker
"""Taken is taken."""

# >>> 07.8
# A lease that has run out is a worker that died, and a job may be what killed it.
sql = "UPDATE jobs SET state = 'failed' WHERE state = 'running' AND lease_until <= ? AND tries >= ?"
self.run(sql, now, self.most_tries)
sql = (
    "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = (SELECT id FROM jobs"
    " WHERE state = 'queued' ORDER BY rowid LIMIT 1) RETURNING *"
)
return next(iter(self.run(sql, now + lease_s)), None)
# <<< 07.8
