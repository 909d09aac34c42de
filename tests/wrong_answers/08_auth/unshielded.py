# fails: 08.7
# says: unless it is shielded
"""try/finally as it should be, but the await in it is cancelled as well."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
try:
    yield bill
finally:
    await quota.settle(principal.id, bill.tokens - estimate)
# <<< 08.7
