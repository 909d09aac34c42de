# fails: 08.7
# says: looking and spending are two steps
"""Looks whether there is room, then takes it: everybody who looks meanwhile sees the same room."""

# >>> 08.7
if not await quota.spend(principal.id, 0, principal.token_limit - estimate):
    raise HTTPException(429, "the quota is used up")
await quota.settle(principal.id, estimate)
bill = Bill()
try:
    yield bill
finally:
    with CancelScope(shield=True):
        await quota.settle(principal.id, bill.tokens - estimate)
# <<< 08.7
