# fails: 08.7
# says: were given back before they were charged
"""Two steps that say what they do, and a moment between them in which nothing is reserved and nothing charged."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
try:
    yield bill
finally:
    with CancelScope(shield=True):
        await quota.settle(principal.id, -estimate)
        await quota.settle(principal.id, bill.tokens)
# <<< 08.7
