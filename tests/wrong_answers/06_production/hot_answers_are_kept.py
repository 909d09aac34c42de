# fails: 06.8
# says: Without a temperature most models take 1
"""Everything is kept; five ideas, asked for five times, are five."""

# >>> 06.8
if body.get("stream"):
    return await ask(), False
key = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
until, text = self.kept.get(key, (0.0, ""))
if time.monotonic() < until:
    return json.loads(text), True  # a copy: whoever changes it changes nobody else's
answer = await ask()
self.kept.pop(key, None)
self.kept[key] = (time.monotonic() + self.ttl_s, json.dumps(answer))
while len(self.kept) > self.size:
    self.kept.popitem(last=False)
return answer, False
# <<< 06.8
