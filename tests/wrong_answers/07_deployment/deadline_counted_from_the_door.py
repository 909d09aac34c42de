# fails: 07.2
# says: the application was ended 30 s after the signal
"""The deadline begins when the server has stopped accepting; the kill does not wait for that."""

# >>> 07.2
self.draining = True
await asyncio.sleep(self.notice_s)  # whoever sends us requests has to notice first
leave()
await asyncio.sleep(self.deadline_s)
for request in tuple(self.requests):
    request.cancel()
# <<< 07.2
