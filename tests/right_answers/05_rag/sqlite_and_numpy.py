"""The index in a table of SQLite, which keeps its own promises about crashes; search as one multiplication of numpy."""

# >>> imports
import asyncio
import html

# <<< imports

# >>> 05.2
import base64
import struct

rows = {}
batches = [texts[at : at + self.batch] for at in range(0, len(texts), self.batch)]


async def ask(n, batch):
    body = {"model": self.model, "input": list(batch), "encoding_format": "base64"}
    response = await self.http.post(
        self.url + "/embeddings", json=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=120
    )
    if response.status_code != 200:
        raise RuntimeError(f"HTTP {response.status_code}")
    data = response.json()["data"]
    if len(data) != len(batch):
        raise RuntimeError("not a vector for each text")
    for one in data:
        packed = one["embedding"]
        if isinstance(packed, str):
            raw = base64.b64decode(packed)
            packed = struct.unpack(f"<{len(raw) // 4}f", raw)
        rows[n * self.batch + one["index"]] = packed


for n, batch in enumerate(batches):
    await ask(n, batch)
return np.asarray([rows[n] for n in range(len(texts))], dtype="float32")
# <<< 05.2

# >>> 05.2 (3)
import sqlite3
from contextlib import closing

folder.mkdir(parents=True, exist_ok=True)
with closing(sqlite3.connect(folder / "index.sqlite")) as database, database:
    database.execute("create table if not exists kept (chunk text not null, vector blob not null)")
    database.execute("delete from kept")
    vectors = snapshot.index.reconstruct_n(0, snapshot.index.ntotal)
    database.executemany(
        "insert into kept values (?, ?)",
        [(json.dumps(asdict(chunk)), row.tobytes()) for chunk, row in zip(snapshot.chunks, vectors)],
    )
# <<< 05.2 (3)

# >>> 05.2 (4)
import sqlite3
from contextlib import closing

if not (folder / "index.sqlite").exists():
    return Snapshot()
with closing(sqlite3.connect(folder / "index.sqlite")) as database:
    if not database.execute("select 1 from sqlite_master where name = 'kept'").fetchone():
        return Snapshot()
    kept = database.execute("select chunk, vector from kept order by rowid").fetchall()
if not kept:
    return Snapshot()
vectors = np.stack([np.frombuffer(vector, dtype=np.float32) for _, vector in kept])
return Snapshot(tuple(Chunk(**json.loads(chunk)) for chunk, _ in kept), build_index(vectors))
# <<< 05.2 (4)

# >>> 05.3
rows = [n for n, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
if not rows:
    return []
matrix = snapshot.index.reconstruct_n(0, snapshot.index.ntotal)[rows]
cosines = matrix @ (np.asarray(vector, dtype=np.float32) / max(float(np.linalg.norm(vector)), 1e-12))
order = np.argsort(-cosines, kind="stable")[: query.k]
return [Hit(snapshot.chunks[rows[n]], float(cosines[n])) for n in order if cosines[n] >= query.floor - 1e-6]
# <<< 05.3

# >>> 05.3 (2)
async def embedded():
    return (await self.embed([query.text]))[0]


vector = await embedded()
loop = asyncio.get_running_loop()
return await loop.run_in_executor(None, lambda: self.rank(self.library.snapshot, query, vector))
# <<< 05.3 (2)

# >>> 05.4
def harmless(text: str) -> str:
    return html.escape(text.translate(DISGUISES))


return "".join(f'<source id="{n + 1}">\n{harmless(hit.chunk.text)}\n</source>\n' for n, hit in enumerate(hits))
# <<< 05.4

# >>> 05.4 (2)
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel
from langchain_openai import ChatOpenAI


class Text(BaseOutputParser[str]):
    def parse(self, text: str) -> str:
        return text


prompt = ChatPromptTemplate.from_messages(
    [("system", SYSTEM), ("human", "{sources}\n<question>\n{question}\n</question>")]
)
filled = RunnableParallel(
    sources=lambda asked: fence(asked["hits"]),
    question=lambda asked: html.escape(asked["question"].translate(DISGUISES)),
)
llm = ChatOpenAI(
    model=settings.model,
    base_url=settings.openai_url,
    api_key=lambda: settings.openai_key,
    http_async_client=http,
    http_client=None,
    max_retries=0,
)
return filled | prompt | llm | Text()
# <<< 05.4 (2)

# >>> 05.6 (2)
def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
    self.folder, self.embed, self.cut = folder, embed, cut
    self.snapshot = Snapshot()
    self.lock = threading.RLock()

def open(self) -> None:
    if self.folder.exists():
        self.snapshot = load(self.folder)

async def put(self, *documents: Document) -> int:
    while True:
        old = self.snapshot
        last = {(one.tenant, one.name): one for one in documents}
        fresh = [one for one in last.values() if not self._has(old, one)]
        if not fresh:
            return 0
        chunks: list[Chunk] = []
        for one in fresh:
            spans = await asyncio.to_thread(self.cut, one.text)
            chunks += [Chunk(one.tenant, one.name, a, b, one.text[a:b], one.meta, one.digest) for a, b in spans]
        vectors = await self.embed([chunk.text for chunk in chunks])
        if await asyncio.to_thread(self._exchange, old, {(one.tenant, one.name) for one in fresh}, chunks, vectors):
            return len(fresh)

async def delete(self, tenant: str, name: str) -> bool:
    while True:
        old = self.snapshot
        if (tenant, name) not in [(chunk.tenant, chunk.doc) for chunk in old.chunks]:
            return False
        nothing = np.zeros((0, old.index.d), dtype=np.float32)
        if await asyncio.to_thread(self._exchange, old, {(tenant, name)}, [], nothing):
            return True

def _exchange(self, old, gone, chunks, vectors) -> bool:
    with self.lock:
        if self.snapshot is not old:  # somebody was faster: begin again
            return False
        new = old.replaced(gone, chunks, vectors)
        save(new, self.folder)
        self.snapshot = new
        return True

@staticmethod
def _has(snapshot: Snapshot, one: Document) -> bool:
    return (one.tenant, one.name, one.digest) in {(c.tenant, c.doc, c.digest) for c in snapshot.chunks}
# <<< 05.6 (2)
