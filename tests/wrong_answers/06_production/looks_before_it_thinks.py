# fails: 06.8
# says: Without it nothing from before is given
"""Looks into the cache first, whatever is asked."""

# >>> 06.8
key = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
until, text = self.kept.get(key, (0.0, ""))
if time.monotonic() < until:
    return json.loads(text), True  # a copy: whoever changes it changes nobody else's
answer = await ask()
if body.get("stream") or not (body.get("temperature") == 0 or anyway):
    return answer, False
self.kept.pop(key, None)
self.kept[key] = (time.monotonic() + self.ttl_s, json.dumps(answer))
while len(self.kept) > self.size:
    self.kept.popitem(last=False)
return answer, False
# <<< 06.8
