# fails: 08.7
# says: Looking first and adding then are two steps
"""Looks whether there is room, and adds afterwards."""

# >>> 08.7
if quota.get(who, 0) + estimate > limit:
    raise OverQuota(f"{who} has no room for {estimate} tokens")
await quota.settle(who, estimate)
bill, failed = Bill(), False
try:
    yield bill
except ProviderFailed:
    failed = True
    raise
finally:
    with anyio.CancelScope(shield=True):  # when a reader leaves, every await in here would be cancelled too
        await quota.settle(who, (0 if failed else bill.tokens) - estimate)
# <<< 08.7
