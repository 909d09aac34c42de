# fails: 07.8
# says: What is finished stands, failed as well as done
"""A result is better than none, so a late one may still replace a failure."""

# >>> 07.8 (2)
sql = "UPDATE jobs SET state = ?, result = ? WHERE id = ? AND state != 'done' RETURNING *"
return bool(self.run(sql, state, result, id))
# <<< 07.8
