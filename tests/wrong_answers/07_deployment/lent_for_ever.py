# fails: 07.8
# says: a job whose workers all die was lent
"""One day it will work."""

# >>> 07.8
# A lease that has run out is a worker that died, and a job may be what killed it.
sql = (
    "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = (SELECT id FROM jobs"
    " WHERE state = 'queued' OR state = 'running' AND lease_until <= ? ORDER BY rowid LIMIT 1) RETURNING *"
)
return next(iter(self.run(sql, now + lease_s, now)), None)
# <<< 07.8
