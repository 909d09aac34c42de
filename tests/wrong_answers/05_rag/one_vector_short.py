# fails: 05.2
# says: two texts, one vector came back
"""Looks right as long as every text gets a vector: nobody counts."""

# >>> 05.2
rows = []
for at in range(0, len(texts), self.batch):
    response = await self.http.post(
        f"{self.url}/embeddings",
        headers={"authorization": f"Bearer {self.key}"},
        json={"model": self.model, "input": list(texts[at : at + self.batch])},
    )
    response.raise_for_status()
    data = sorted(response.json()["data"], key=lambda one: one["index"])
    rows += [one["embedding"] for one in data]
return np.array(rows, dtype=np.float32)
# <<< 05.2
