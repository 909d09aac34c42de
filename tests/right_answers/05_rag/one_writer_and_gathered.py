"""Batches and questions all at once, an index that normalizes by itself, a thread that writes, a call for each document."""

# >>> 05.2
async def ask(batch: Sequence[str]) -> list[Any]:
    request = self.http.build_request(
        "POST",
        self.url + "/embeddings",
        content=json.dumps({"input": list(batch), "model": self.model}),
        headers={"Authorization": "Bearer " + self.key, "Content-Type": "application/json"},
    )
    answer = await self.http.send(request)
    if answer.status_code != 200:
        raise RuntimeError(f"embeddings: {answer.status_code}")
    by_row = {one["index"]: one["embedding"] for one in answer.json()["data"]}
    return [by_row[row] for row in range(len(batch))]


async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(ask(texts[at : at + self.batch])) for at in range(0, len(texts), self.batch)]
return np.asarray([row for task in tasks for row in task.result()], dtype=np.float32)
# <<< 05.2

# >>> 05.2 (2)
index = faiss.index_factory(vectors.shape[1], "L2norm,Flat", faiss.METRIC_INNER_PRODUCT)
index.add(np.ascontiguousarray(vectors, dtype=np.float32))
return index
# <<< 05.2 (2)

# >>> 05.3
import heapq

visible = [row for row in range(len(snapshot.chunks)) if query.may_see(snapshot.chunks[row])]
if not visible:
    return []
cosines = snapshot.index.reconstruct_batch(visible) @ (vector / (np.linalg.norm(vector) or 1.0))
near = [Hit(snapshot.chunks[row], float(cosine)) for row, cosine in zip(visible, cosines) if cosine >= query.floor]
return heapq.nlargest(query.k, near, key=lambda hit: hit.score)
# <<< 05.3

# >>> 05.4
numeric = {ord(mark): f"&#{ord(mark)};" for mark in "&<>"}
lines: list[str] = []
for number, hit in enumerate(hits, 1):
    doc = hit.chunk.doc.translate(DISGUISES).translate({**numeric, ord('"'): "&quot;"})
    lines += [f'<source doc="{doc}" id="{number}">', hit.chunk.text.translate(DISGUISES).translate(numeric), "</source>"]
return "\n".join(lines)
# <<< 05.4

# >>> 05.6
return hashlib.blake2b(repr((self.text, sorted(self.meta.items()))).encode("utf-8", "surrogatepass")).hexdigest()
# <<< 05.6

# >>> 05.6 (2)
def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
    from concurrent.futures import ThreadPoolExecutor

    self.folder, self.embed, self.cut = folder, embed, cut
    self.snapshot = Snapshot()
    self.writer = ThreadPoolExecutor(max_workers=1)

def open(self) -> None:
    if self.folder.exists():
        self.snapshot = load(self.folder)

async def put(self, *documents: Document) -> int:
    there = {(chunk.tenant, chunk.doc, chunk.digest) for chunk in self.snapshot.chunks}
    last = {(one.tenant, one.name): one for one in documents}
    fresh = {key: one for key, one in last.items() if (*key, one.digest) not in there}
    if not fresh:
        return 0
    loop = asyncio.get_running_loop()
    chunks: list[Chunk] = []
    parts: list[Vectors] = []
    for one in fresh.values():
        spans = await loop.run_in_executor(None, self.cut, one.text)
        mine = [Chunk(one.tenant, one.name, a, b, one.text[a:b], {**one.meta}, one.digest) for a, b in spans]
        if mine:
            chunks += mine
            parts.append(await self.embed([chunk.text for chunk in mine]))
    vectors = np.vstack(parts) if parts else np.zeros((0, 1), np.float32)
    await loop.run_in_executor(self.writer, self.commit, set(fresh), chunks, vectors)
    return len(fresh)

async def delete(self, tenant: str, name: str) -> bool:
    return await asyncio.get_running_loop().run_in_executor(self.writer, self.remove, (tenant, name))

def remove(self, key: tuple[str, str]) -> bool:
    if key not in {(chunk.tenant, chunk.doc) for chunk in self.snapshot.chunks}:
        return False
    self.commit({key}, (), np.zeros((0, 1), np.float32))
    return True

def commit(self, gone: set[tuple[str, str]], chunks: Sequence[Chunk], vectors: Vectors) -> None:
    then = self.snapshot.replaced(gone, chunks, vectors)
    save(then, self.folder)
    self.snapshot = then
# <<< 05.6 (2)

# >>> 05.7
import numpy as np

return np.mean([one in ranked[:k] for one in relevant])
# <<< 05.7

# >>> 05.7 (4)
import asyncio
from statistics import fmean

found = await asyncio.gather(*(search(one.question) for one in questions))
pairs = [(judge(hits, one.relevant), [*map(id_of, one.relevant)]) for one, hits in zip(questions, found) if one.relevant]
return Scores(
    fmean(recall_at(k, *pair) for pair in pairs),
    fmean(reciprocal_rank(*pair) for pair in pairs),
    fmean(ndcg_at(k, *pair) for pair in pairs),
    fmean(not hits for one, hits in zip(questions, found) if not one.relevant),
)
# <<< 05.7 (4)

# >>> 05.8
places: dict[tuple[str, str, int], list[tuple[Hit, int]]] = {}
for ranking in rankings:
    for place, hit in enumerate(ranking):
        places.setdefault((hit.chunk.tenant, hit.chunk.doc, hit.chunk.start), []).append((hit, place))
fused = [replace(found[0][0], score=sum(1 / (61 + place) for _, place in found)) for found in places.values()]
return sorted(fused, key=lambda hit: hit.score)[::-1]
# <<< 05.8

# >>> 05.8 (2)
deeper = query if query.k >= depth else replace(query, k=depth)
if not (first := dense(snapshot, deeper, vector)):
    return []
return fuse(lexical(snapshot, deeper, vector), first)[: query.k]
# <<< 05.8 (2)
