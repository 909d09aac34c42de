# fails: 07.2
# says: requests still come, and find a closed door
"""SIGTERM means stop."""

# >>> 07.2
self.draining = True
leave()
await asyncio.sleep(self.deadline_s)
for request in tuple(self.requests):
    request.cancel()
# <<< 07.2
