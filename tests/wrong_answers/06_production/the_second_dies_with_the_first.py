# fails: 06.8
# says: the first of two callers left
"""One call for all who ask the same, and it belongs to the first."""

# >>> 06.8
import asyncio

if body.get("stream") or not (body.get("temperature") == 0 or anyway):
    return await ask(), False
key = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
until, text = self.kept.get(key, (0.0, ""))
if time.monotonic() < until:
    return json.loads(text), True  # a copy: whoever changes it changes nobody else's
running = vars(self).setdefault("running", {})
if key in running:
    return json.loads(await running[key]), True
future = running[key] = asyncio.get_running_loop().create_future()
try:
    answer = await ask()
except Exception as error:
    del running[key]
    future.set_exception(error)
    future.exception()
    raise
future.set_result(json.dumps(answer))
del running[key]
self.kept.pop(key, None)
self.kept[key] = (time.monotonic() + self.ttl_s, json.dumps(answer))
while len(self.kept) > self.size:
    self.kept.popitem(last=False)
return answer, False
# <<< 06.8
