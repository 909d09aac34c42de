# fails: 07.2
# says: the readiness probe still says 200
"""First the wait, then the word."""

# >>> 07.2
await asyncio.sleep(self.notice_s)
self.draining = True
#  # whoever sends us requests has to notice first
leave()
await asyncio.sleep(self.deadline_s - self.notice_s)
for request in tuple(self.requests):
    request.cancel()
# <<< 07.2
