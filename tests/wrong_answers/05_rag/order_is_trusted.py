# fails: 05.2
# says: sent its vectors in another order
"""Looks right because the provider has never sent them otherwise."""

# >>> 05.2
rows = []
for at in range(0, len(texts), self.batch):
    asked = list(texts[at : at + self.batch])
    response = await self.http.post(
        f"{self.url}/embeddings",
        headers={"authorization": f"Bearer {self.key}"},
        json={"model": self.model, "input": asked},
    )
    data = response.raise_for_status().json()["data"]
    rows += [one["embedding"] for _, one in zip(asked, data, strict=True)]
return np.array(rows, dtype=np.float32)
# <<< 05.2
