# fails: 05.6
# says: two of which have the same tenant and name
"""Looks right, and a page that comes twice in one call is kept in both versions, of which the old one then stays."""

# >>> 05.6 (2)
def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
    self.folder, self.embed, self.cut = folder, embed, cut
    self.snapshot = Snapshot()
    self.lock = threading.Lock()

def open(self) -> None:
    if self.folder.exists():
        self.snapshot = load(self.folder)

async def put(self, *documents: Document) -> int:
    known = {(chunk.tenant, chunk.doc, chunk.digest) for chunk in self.snapshot.chunks}
    fresh = [one for one in documents if (one.tenant, one.name, one.digest) not in known]
    if fresh:
        chunks = await asyncio.to_thread(self.chunks_of, fresh)
        vectors = await self.embed([chunk.text for chunk in chunks])
        await asyncio.to_thread(self.swap, {(one.tenant, one.name) for one in fresh}, chunks, vectors)
    return len(fresh)

async def delete(self, tenant: str, name: str) -> bool:
    there = any((chunk.tenant, chunk.doc) == (tenant, name) for chunk in self.snapshot.chunks)
    if there:
        await asyncio.to_thread(self.swap, {(tenant, name)}, [], np.empty((0, 0), np.float32))
    return there

def chunks_of(self, documents: Sequence[Document]) -> list[Chunk]:
    return [
        Chunk(one.tenant, one.name, start, end, one.text[start:end], one.meta, one.digest)
        for one in documents
        for start, end in self.cut(one.text)
    ]

def swap(self, gone: set[tuple[str, str]], chunks: Sequence[Chunk], vectors: Vectors) -> None:
    with self.lock:
        new = self.snapshot.replaced(gone, chunks, vectors)
        save(new, self.folder)
        self.snapshot = new
# <<< 05.6 (2)
