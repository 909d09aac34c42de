# fails: 08.7
# says: Only the provider's failure is free
"""Gives back everything for every exception."""

# >>> 08.7
if not await quota.spend(who, estimate, limit):
    raise OverQuota(f"{who} has no room for {estimate} tokens")
bill, failed = Bill(), False
try:
    yield bill
except Exception:
    failed = True
    raise
finally:
    with anyio.CancelScope(shield=True):  # when a reader leaves, every await in here would be cancelled too
        await quota.settle(who, (0 if failed else bill.tokens) - estimate)
# <<< 08.7
