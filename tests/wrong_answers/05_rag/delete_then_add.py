# fails: 05.6
# says: In between, queries saw
"""Looks clean: first the old version goes, then the new one comes. Meanwhile there is none."""

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


async def delete(self, tenant: str, name: str) -> bool:
    async with self.lock:
        if not self.has(tenant, name):
            return False
        new = self.snapshot.replaced({(tenant, name)}, [], np.empty((0, 0), np.float32))
        await asyncio.to_thread(save, new, self.folder)
        self.snapshot = new
        return True

async def put(self, *documents: Document) -> int:
    fresh = [one for one in documents if not self.is_known(one)]
    if not fresh:
        return 0
    for one in fresh:
        await self.delete(one.tenant, one.name)
    chunks = await asyncio.to_thread(self.chunks_of, fresh)
    vectors = await self.embed([chunk.text for chunk in chunks])
    async with self.lock:
        new = self.snapshot.replaced(set(), chunks, vectors)
        await asyncio.to_thread(save, new, self.folder)
        self.snapshot = new
    return len(fresh)
# <<< 05.6
