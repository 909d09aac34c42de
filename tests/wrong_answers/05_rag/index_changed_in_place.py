# fails: 05.6
# says: change what others are reading
"""Looks cheap: FAISS can add and remove rows. Whoever searches in another thread reads them meanwhile."""

# >>> 05.6 (2)
def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
    self.folder, self.embed, self.cut = folder, embed, cut
    self.snapshot = Snapshot()
    self.lock = asyncio.Lock()

def open(self) -> None:
    if self.folder.exists():
        self.snapshot = load(self.folder)

def chunks_of(self, documents) -> list[Chunk]:
    return [
        Chunk(one.tenant, one.name, start, end, one.text[start:end], one.meta, one.digest)
        for one in documents
        for start, end in self.cut(one.text)
    ]

def is_known(self, one: Document) -> bool:
    return any((c.tenant, c.doc, c.digest) == (one.tenant, one.name, one.digest) for c in self.snapshot.chunks)

def has(self, tenant: str, name: str) -> bool:
    return any((c.tenant, c.doc) == (tenant, name) for c in self.snapshot.chunks)


def drop(self, keys) -> None:
    gone = [row for row, chunk in enumerate(self.snapshot.chunks) if (chunk.tenant, chunk.doc) in keys]
    self.snapshot.index.remove_ids(np.array(gone, dtype=np.int64))
    kept = tuple(chunk for row, chunk in enumerate(self.snapshot.chunks) if row not in set(gone))
    self.snapshot = Snapshot(kept, self.snapshot.index)

async def put(self, *documents: Document) -> int:
    async with self.lock:
        fresh = [one for one in documents if not self.is_known(one)]
        if fresh:
            chunks = await asyncio.to_thread(self.chunks_of, fresh)
            vectors = await self.embed([chunk.text for chunk in chunks])
            new = self.snapshot.replaced({(one.tenant, one.name) for one in fresh}, chunks, vectors)
            await asyncio.to_thread(save, new, self.folder)
            if not self.snapshot.chunks:
                self.snapshot = new
                return len(fresh)
            self.drop({(one.tenant, one.name) for one in fresh})
            units = np.array(vectors, dtype=np.float32)
            faiss.normalize_L2(units)
            self.snapshot.index.add(units)
            self.snapshot = Snapshot((*self.snapshot.chunks, *chunks), self.snapshot.index)
        return len(fresh)

async def delete(self, tenant: str, name: str) -> bool:
    async with self.lock:
        if not self.has(tenant, name):
            return False
        new = self.snapshot.replaced({(tenant, name)}, [], np.empty((0, 0), np.float32))
        await asyncio.to_thread(save, new, self.folder)
        self.drop({(tenant, name)})
        return True
# <<< 05.6
