"""Documents as the capstone keeps them, more and more of them: in a FAISS index of lesson 05, and in pgvector.

    python benchmarks/scale_documents.py ingest faiss FOLDER --upto 10000
    python benchmarks/scale_documents.py query pgvector FOLDER --url postgresql+asyncpg://...

`scale.py` starts these. They run the service's own code behind the routes: what accepts a document, what cuts, embeds
and indexes it, and what searches. The embedding itself is a fake that costs next to nothing, so that what is measured
is everything else. Its vectors stand in clusters, as those of texts do: among vectors that point anywhere no index
finds the nearest ones.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from harness import ROOT, say, stop
from service_load import PAGE_BYTES

DIMENSIONS = 384  # of small embedding models
CLUSTERS = 2_000
SPREAD = 0.6  # of a cluster, beside its middle of length 1
SENTENCES, PER_CHUNK = 300, 100  # of one document, and the chunks that they make
STEPS = (5_000, 20_000, 50_000, 100_000)  # chunks; with up to 3,000 lesson 05 counts words too
QUERIES = 200
ENGINES = ("faiss", "pgvector")


def documents(*, quick: bool) -> dict[str, Any]:
    """Measure both engines at every step."""
    sys.path.insert(0, str(ROOT))
    from tests.scale.neighbors import postgres

    steps = (4_000, 6_000) if quick else STEPS
    found: dict[str, Any] = {"dimensions": DIMENSIONS, "per_document": PER_CHUNK, "queries": QUERIES, "engines": []}
    hits: dict[tuple[str, int], list[Any]] = {}
    for engine in ENGINES:
        rows: list[dict[str, Any]] = []
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            words = [engine, str(folder)]
            database = name = None
            if engine == "pgvector":
                database = stack.enter_context(postgres())
                name = database.create()
                words += ["--url", database.url(name)]
            for chunks in steps:
                row = {"chunks": chunks, **child("ingest", *words, "--upto", str(chunks))}
                asked = child("query", *words)
                hits[engine, chunks] = asked.pop("hits")
                row |= asked
                if database and name:
                    size = "pg_total_relation_size('chunks'), pg_indexes_size('chunks')"
                    ((total, indexes),) = database.ask(f"SELECT {size}", name)
                    row |= {"stored_mb": mb(int(total)), "index_mb": mb(int(indexes))}
                    row["recall"] = agreement(hits["faiss", chunks], hits[engine, chunks])
                else:
                    row["stored_mb"] = mb(sum(one.stat().st_size for one in folder.rglob("index/*/*")))
                rows.append(row)
                say(f"{engine:<8} {row}")
        found["engines"].append({"id": engine, "rows": rows})
    return found


def child(*words: str) -> dict[str, Any]:
    """Run one of the commands below in a process of its own, whose memory is its own."""
    command = [sys.executable, __file__, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        printed, _ = process.communicate(timeout=900)
    finally:
        stop(process)
    if process.returncode:
        sys.exit(f"It failed with status {process.returncode}: {' '.join(command)}")
    return json.loads(printed)


def agreement(exact: list[Any], found: list[Any]) -> float:
    """Return the share of what an exact search finds that another search finds too."""
    same = sum(len({tuple(hit) for hit in a} & {tuple(hit) for hit in b}) for a, b in zip(exact, found, strict=True))
    return round(same / sum(map(len, exact)), 4)


def mb(size: float) -> float:
    """Return megabytes."""
    return round(size / 1e6, 1)


@asynccontextmanager
async def shelf(options: argparse.Namespace) -> AsyncIterator[Any]:
    """Open what the service opens for documents."""
    from capstone.services.work import open_shelf
    from capstone.settings import Settings
    from capstone.store import open_store

    given: dict[str, Any] = {"data": options.folder, "database_url": options.url, "_env_file": None}
    settings = Settings(**given)
    async with open_store(settings) as store:
        options.memory_before, began = memory(), time.perf_counter()
        opened = await open_shelf(settings, store, embed(), "benchmark")
        options.open_s = time.perf_counter() - began
        yield opened


def memory() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def embed() -> Any:
    """Return a fake of an embedding model: the text says which cluster."""
    import numpy as np

    middles = np.random.default_rng(1).standard_normal((CLUSTERS, DIMENSIONS), dtype=np.float32)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)

    async def embedded(texts: Sequence[str]) -> Any:
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            seed = zlib.crc32(text.encode())
            noise = np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)
            row[:] = middles[seed % CLUSTERS] + noise * (SPREAD / DIMENSIONS**0.5)
        return rows

    return embedded


def text_of(number: int) -> bytes:
    """Return a document of so many sentences that it makes PER_CHUNK chunks."""
    lines = []
    for n in range(SENTENCES + 1):
        line = f"Sentence {n} of document {number} stands here so that there is something to cut and to keep"
        lines.append(line.ljust(193, "x") + ".")
    return " ".join(lines).encode()


async def ingest(options: argparse.Namespace) -> dict[str, Any]:
    """Let there be so many chunks, then one document more; return what that took."""
    from capstone.services.indexing import Keeper
    from capstone.services.vectors import SharedShelf
    from capstone.services.work import indexer
    from capstone.store.vectors import EXACT_UP_TO

    async with shelf(options) as opened:
        before = len(await opened.documents.every())
        keeper = asyncio.create_task(Keeper(opened, indexer).keep())
        used, began = time.process_time(), time.perf_counter()
        await bring(opened, range(before, options.upto // PER_CHUNK))
        if isinstance(opened, SharedShelf) and options.upto > EXACT_UP_TO:
            (any_vector,) = await opened.embed(["any"])
            while not await opened.vectors.index_if_many(any_vector):  # noqa: ASYNC110 - another task may be at it
                await asyncio.sleep(0.1)
        took, used = time.perf_counter() - began, time.process_time() - used
        began = time.perf_counter()
        await bring(opened, range(options.upto, options.upto + 1))
        one_more = time.perf_counter() - began
        # The next step is to begin where this one ended.
        (last,) = [one for one in await opened.documents.every() if one.name == f"{options.upto}.txt"]
        chunks = last.chunks
        await opened.delete("main", last.id)
        await settled(opened)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    added = options.upto - before * PER_CHUNK
    if chunks != PER_CHUNK:
        sys.exit(f"a document makes {chunks} chunks, not {PER_CHUNK}")
    return {
        "added": added,
        "ingest_s": round(took, 1),
        "ingest_cpu_s": round(used, 1),
        "one_more_s": round(one_more, 2),
        "ingest_mb": mb(memory()),
    }


async def bring(opened: Any, numbers: range) -> None:
    """Accept documents, and wait until they are found."""
    for number in numbers:
        await opened.accept("main", f"{number}.txt", text_of(number), {})
    await settled(opened)


async def settled(opened: Any) -> None:
    """Wait until nothing is to be put into the index or taken out of it."""
    while await opened.documents.to_do(limit=1):  # noqa: ASYNC110 - as somebody outside does
        await asyncio.sleep(0.05)


async def query(options: argparse.Namespace) -> dict[str, Any]:
    """Open what is kept, as an instance that starts, and ask; return times, memory and what was found."""
    from capstone.parts import rag

    async with shelf(options) as opened:
        took: list[float] = []
        used = 0.0
        for n in range(-20, QUERIES):
            asked = rag.retrieval.Query(f"question {n}", "main", k=5, floor=-1.0)
            if n == 0:
                used = time.process_time()
            began = time.perf_counter()
            await opened.search(asked)
            if n >= 0:
                took.append(time.perf_counter() - began)
        used = time.process_time() - used
        grown = memory() - options.memory_before
        hits = [await nearest(opened, f"question {n}") for n in range(QUERIES)]
    took.sort()
    return {
        "open_s": round(options.open_s, 2),
        "memory_mb": mb(grown),
        "p50_ms": round(1000 * took[len(took) // 2], 2),
        "p99_ms": round(1000 * took[-(-len(took) * 99 // 100) - 1], 2),
        "cpu_ms": round(1000 * used / QUERIES, 2),
        "hits": hits,
    }


async def nearest(opened: Any, text: str) -> list[tuple[str, int]]:
    """Return the five chunks whose vectors are nearest, without what words add to that."""
    from capstone.parts import rag

    (vector,) = await opened.embed([text])
    if vectors := getattr(opened, "vectors", None):
        found = await vectors.nearest("main", vector, k=5, floor=-1.0, where={})
        return [(one.name, one.start) for one in found]
    hits = rag.retrieval.nearest(opened.library.snapshot, rag.retrieval.Query(text, "main", k=5, floor=-1.0), vector)
    return [(hit.chunk.doc, hit.chunk.start) for hit in hits]


def main() -> None:
    """Run one of the commands and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["ingest", "query"])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="of the database with pgvector")
    parser.add_argument("--upto", type=int, default=STEPS[0], help="chunks that there are to be")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    print(json.dumps(asyncio.run({"ingest": ingest, "query": query}[options.command](options))))


if __name__ == "__main__":
    main()
