# fails: 05.6
# says: the same documents came again, and embedded were
"""Looks idempotent: the result is the same. The bill is not."""

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


async def put(self, *documents: Document) -> int:
    async with self.lock:
        fresh = [one for one in documents if not self.is_known(one)]
        chunks = await asyncio.to_thread(self.chunks_of, documents)
        vectors = await self.embed([chunk.text for chunk in chunks])
        if fresh:
            new = self.snapshot.replaced({(one.tenant, one.name) for one in documents}, chunks, vectors)
            await asyncio.to_thread(save, new, self.folder)
            self.snapshot = new
        return len(fresh)

async def delete(self, tenant: str, name: str) -> bool:
    async with self.lock:
        if not self.has(tenant, name):
            return False
        new = self.snapshot.replaced({(tenant, name)}, [], np.empty((0, 0), np.float32))
        await asyncio.to_thread(save, new, self.folder)
        self.snapshot = new
        return True
# <<< 05.6
