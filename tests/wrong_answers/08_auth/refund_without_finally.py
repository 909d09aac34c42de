# fails: 08.7
# says: refund them
"""Settles after the call, unless the call fails: then nobody gets there."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
yield bill
await quota.settle(principal.id, bill.tokens - estimate)
# <<< 08.7
