"""Each version in a folder of its own and a file that names the current one; FAISS reads its file; an asyncio.Lock."""

# >>> imports
import unicodedata
from collections import OrderedDict
from xml.sax.saxutils import escape as xml_escape

# <<< imports

# >>> 05.1
if size < 1 or overlap < 0 or overlap >= size:
    raise ValueError("overlap has to be below size")
all_of_them = list(sentences(text, size))
spans = []
first = last = 0  # the chunk is all_of_them[first:last]
while last < len(all_of_them):
    while last < len(all_of_them) and all_of_them[last][1] - all_of_them[first][0] <= size:
        last += 1
    end = all_of_them[last - 1][1]
    spans.append((all_of_them[first][0], end))
    if last == len(all_of_them):
        break
    following = all_of_them[last][1]
    first = next(
        (n for n in range(first, last) if end - all_of_them[n][0] <= overlap and following - all_of_them[n][0] <= size),
        last,
    )
return spans
# <<< 05.1

# >>> 05.2
from openai import AsyncOpenAI

client = AsyncOpenAI(api_key=self.key, base_url=self.url, http_client=self.http, max_retries=0)
vectors = np.empty((len(texts), 0), dtype=np.float32)
for at in range(0, len(texts), self.batch):
    batch = texts[at : at + self.batch]
    answer = await client.embeddings.create(model=self.model, input=list(batch))
    if {one.index for one in answer.data} != set(range(len(batch))):
        raise RuntimeError(f"{len(batch)} texts, {len(answer.data)} vectors")
    if vectors.shape[1] == 0:
        vectors = np.empty((len(texts), len(answer.data[0].embedding)), dtype=np.float32)
    for one in answer.data:
        vectors[at + one.index] = one.embedding
return vectors
# <<< 05.2

# >>> 05.2 (2)
lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
units = np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
index = faiss.index_factory(units.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
index.add(units)
return index
# <<< 05.2 (2)

# >>> 05.2 (3)
import shutil
import tempfile

folder.mkdir(parents=True, exist_ok=True)
version = Path(tempfile.mkdtemp(prefix="version-", dir=folder))
(version / "vectors.faiss").write_bytes(faiss.serialize_index(snapshot.index))
with open(version / "chunks.jsonl", "w", encoding="utf-8") as out:
    for chunk in snapshot.chunks:
        out.write(json.dumps(asdict(chunk), ensure_ascii=False) + "\n")
pointer = folder / "CURRENT.new"
pointer.write_text(version.name)
os.replace(pointer, folder / "CURRENT")
for old in folder.glob("version-*"):
    if old != version:
        shutil.rmtree(old, ignore_errors=True)
# <<< 05.2 (3)

# >>> 05.2 (4)
try:
    version = folder / (folder / "CURRENT").read_text().strip()
except FileNotFoundError:
    return Snapshot()
with open(version / "chunks.jsonl", encoding="utf-8") as lines:
    chunks = tuple(Chunk(**json.loads(line)) for line in lines)
return Snapshot(chunks, faiss.read_index(str(version / "vectors.faiss")))
# <<< 05.2 (4)

# >>> 05.3
allowed = np.array([n for n, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)], dtype=np.int64)
if allowed.size == 0:
    return []
unit = np.asarray(vector, dtype=np.float32).reshape(1, -1)
unit = unit / (np.linalg.norm(unit) or 1)
parameters = faiss.SearchParameters(sel=faiss.IDSelectorArray(allowed))
scores, rows = snapshot.index.search(unit, min(query.k, allowed.size), params=parameters)
found = []
for score, row in zip(scores[0], rows[0]):
    if row != -1 and score >= query.floor:
        found.append(Hit(snapshot.chunks[int(row)], float(score)))
return found
# <<< 05.3

# >>> 05.3 (2)
import anyio

snapshot = self.library.snapshot
[vector] = await self.embed([query.text])
return await anyio.to_thread.run_sync(self.rank, snapshot, query, vector)
# <<< 05.3 (2)

# >>> 05.4
fences = []
for n, hit in enumerate(hits, start=1):
    text = xml_escape(hit.chunk.text.translate(DISGUISES))
    fences.append(f'<source id="{n}" doc="{xml_escape(hit.chunk.doc)}">\n{text}\n</source>')
return "\n\n".join(fences)
# <<< 05.4

# >>> 05.4 (2)
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI


async def prompt(asked):
    question = xml_escape(asked["question"].translate(DISGUISES))
    user = "\n\n".join([fence(asked["hits"]), f"<question>\n{question}\n</question>"])
    return [SystemMessage(SYSTEM), HumanMessage(user)]


model = ChatOpenAI(
    model_name=settings.model,
    openai_api_base=settings.openai_url,
    openai_api_key=SecretStr(settings.openai_key),
    http_async_client=http,
    max_retries=0,
    streaming=False,
)
return RunnableLambda(prompt) | model | StrOutputParser()
# <<< 05.4 (2)

# >>> 05.5
MARKER = re.compile(r" ?\[(\d{1,9})\]")


async def answer_question(query: Query, search: Search, chain: Chain) -> Answer:
    """Answer from sources."""
    hits = await search(query)
    numbered = dict(enumerate(hits, start=1))
    if not numbered:
        return UNKNOWN
    said = await chain.ainvoke({"question": query.text, "hits": hits})
    cited: OrderedDict[int, Citation] = OrderedDict()

    def look(marker: re.Match[str]) -> str:
        n = int(marker[1])
        if n not in numbered:
            return ""
        chunk = numbered[n].chunk
        if n not in cited:
            cited[n] = Citation(
                n=n, doc=chunk.doc, start=chunk.start, end=chunk.end, text=chunk.text, score=numbered[n].score
            )
        return marker[0]

    text = MARKER.sub(look, said)
    return Answer(answer=text, citations=list(cited.values())) if cited else UNKNOWN


async def make_query(
    asked: Question, tenant: Tenant, settings: Annotated[Settings, Depends(get_settings)]
) -> Query:
    return Query(text=asked.question, tenant=tenant, k=asked.k, floor=settings.floor, where=asked.where)


@api.post("/query", response_model=Answer)
async def create_answer(
    query: Annotated[Query, Depends(make_query)], search=Depends(get_search), chain=Depends(get_chain)
):
    return await answer_question(query, search, chain)


# <<< 05.5

# >>> 05.6
seal = hashlib.blake2b()
for key, value in sorted(self.meta.items()):
    seal.update(repr((key, value)).encode())
seal.update(self.text.encode())
return seal.hexdigest()
# <<< 05.6

# >>> 05.6 (2)
def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
    self.folder, self.embed, self.cut = folder, embed, cut
    self.snapshot = Snapshot()
    self.writing = asyncio.Lock()

def open(self) -> None:
    if self.folder.exists():
        self.snapshot = load(self.folder)

async def put(self, *documents: Document) -> int:
    async with self.writing:
        have = {(chunk.tenant, chunk.doc): chunk.digest for chunk in self.snapshot.chunks}
        new = {(one.tenant, one.name): one for one in documents if have.get((one.tenant, one.name)) != one.digest}
        if not new:
            return 0
        chunks = []
        for one in new.values():
            for start, end in await asyncio.to_thread(self.cut, one.text):
                chunks.append(Chunk(one.tenant, one.name, start, end, one.text[start:end], dict(one.meta), one.digest))
        vectors = await self.embed([chunk.text for chunk in chunks])
        await self.show(self.snapshot.replaced(set(new), chunks, vectors))
        return len(new)

async def delete(self, tenant: str, name: str) -> bool:
    async with self.writing:
        if (tenant, name) not in {(chunk.tenant, chunk.doc) for chunk in self.snapshot.chunks}:
            return False
        await self.show(self.snapshot.replaced({(tenant, name)}, [], np.empty((0, 1), dtype=np.float32)))
        return True

async def show(self, snapshot: Snapshot) -> None:
    await asyncio.to_thread(save, snapshot, self.folder)
    self.snapshot = snapshot
# <<< 05.6 (2)

# >>> 05.7
hits = [one for one in relevant if one in ranked[:k]]
return len(hits) / len(relevant)
# <<< 05.7

# >>> 05.7 (2)
for rank, one in enumerate(ranked, start=1):
    if one in relevant:
        return 1.0 / rank
return 0.0
# <<< 05.7 (2)

# >>> 05.7 (3)
import numpy as np

discounts = 1 / np.log2(np.arange(2, k + 2))
gains = np.zeros(k)
for n, one in enumerate(ranked[:k]):
    gains[n] = one in relevant
best = np.zeros(k)
best[: min(k, len(relevant))] = 1
return float(gains @ discounts / (best @ discounts))
# <<< 05.7 (3)

# >>> 05.7 (4)
from statistics import fmean

recalls, ranks, gains, refused = [], [], [], []
for one in questions:
    hits = await search(one.question)
    if one.relevant:
        wanted = {id_of(each) for each in one.relevant}
        ids = judge(hits, one.relevant)
        recalls.append(recall_at(k, ids, wanted))
        ranks.append(reciprocal_rank(ids, wanted))
        gains.append(ndcg_at(k, ids, wanted))
    else:
        refused.append(0.0 if hits else 1.0)
return Scores(fmean(recalls), fmean(ranks), fmean(gains), fmean(refused))
# <<< 05.7 (4)

# >>> 05.8
from collections import defaultdict

points: dict[tuple[str, str, int], float] = defaultdict(float)
known = {}
for ranking in rankings:
    for n, hit in enumerate(ranking):
        place = hit.chunk.tenant, hit.chunk.doc, hit.chunk.start
        points[place] += 1.0 / (61 + n)
        known.setdefault(place, hit.chunk)
ordered = sorted(points.items(), key=lambda item: item[1], reverse=True)
return [Hit(chunk=known[place], score=score) for place, score in ordered]
# <<< 05.8

# >>> 05.8 (2)
more = Query(query.text, query.tenant, max(query.k, depth), query.floor, query.where)
first = dense(snapshot, more, vector)
if not first:
    return []
return fuse(first, lexical(snapshot, more, vector))[0 : query.k]
# <<< 05.8 (2)
