# fails: 05.2
# says: made calls of [5] texts
"""Looks right with ten texts; with ten thousand it is a 400."""

# >>> 05.2
if not texts:
    return np.empty((0, 0), dtype=np.float32)
response = await self.http.post(
    f"{self.url}/embeddings",
    headers={"authorization": f"Bearer {self.key}"},
    json={"model": self.model, "input": list(texts)},
)
data = {one["index"]: one["embedding"] for one in response.raise_for_status().json()["data"]}
return np.array([data[n] for n in range(len(texts))], dtype=np.float32)
# <<< 05.2
