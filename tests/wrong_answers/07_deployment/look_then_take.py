# fails: 07.8
# says: Looking and taking has to be one statement
"""Which is next? That one. Take it."""

# >>> 07.8
# A lease that has run out is a worker that died, and a job may be what killed it.
sql = "UPDATE jobs SET state = 'failed' WHERE state = 'running' AND lease_until <= ? AND tries >= ?"
self.run(sql, now, self.most_tries)
sql = "SELECT * FROM jobs WHERE state = 'queued' OR state = 'running' AND lease_until <= ? ORDER BY rowid LIMIT 1"
for job in self.run(sql, now):
    sql = "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = ? RETURNING *"
    return next(iter(self.run(sql, now + lease_s, job.id)), None)
return None
# <<< 07.8
