"""Write the parts of docs/capstone/scale.md that follow from what benchmarks/scale.py measured.

python -m tools.docs_scale

Each part stands between two comments, `<!-- measured: ... -->` and `<!-- /measured -->`; the rest of the page is prose.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capstone.parts import deployment
from capstone.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "capstone" / "scale.md"
FOUND = ROOT / "benchmarks" / "results" / "scale.json"

READ, WRITTEN = 1_000, 400  # tokens of a prompt, and of its answer
FIRST_S, TOKENS_PER_S = 0.8, 40.0
BUSIEST_HOUR = 0.1  # of a day's requests
A_DAY = 10  # requests of somebody who asks at all
DOLLARS = 1.0  # for a million tokens, read or written
CHUNKS = 100  # of everybody who brings documents


@dataclass(frozen=True)
class Crowd:
    """A million users, in one of the three meanings of it."""

    words: str
    requests_per_day: float | None  # None: everybody reads an answer right now

    @property
    def per_s(self) -> float:
        """Requests a second at the peak."""
        if self.requests_per_day is None:
            return 1_000_000 / (FIRST_S + WRITTEN / TOKENS_PER_S)
        return self.requests_per_day * BUSIEST_HOUR / 3_600


CROWDS = [
    Crowd("have an account, and one of twenty asks today", 1_000_000 / 20 * A_DAY),
    Crowd("ask today", 1_000_000 * A_DAY),
    Crowd("read an answer at this moment", None),
]


def render() -> str:
    """Return the page with its written parts as they should be now."""
    found = json.loads(FOUND.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    for name, body in (("measured", measured(found)), ("paper", paper(found)), ("stored", stored(found))):
        marks = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = marks.sub(lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}", text)
    return text


def measured(found: dict[str, Any]) -> str:
    """Return what instances and documents cost."""
    alone, *shared = found["instances"]["cases"]
    cpu, last = alone["busy"]["cpu_us"], shared[-1]["busy"]["cpu_us"]
    first = shared[0]["busy"]["cpu_us"]
    lines = [
        f"- An instance that shares nothing spends {cpu['capstone']:.0f} µs of CPU on a request, "
        f"one that shares {first['capstone']:.0f} µs; Redis spends {first['redis']:.0f} µs on it and PostgreSQL "
        f"{first['postgres']:.0f} µs.",
        f"- With {shared[-1]['instances']} instances, crowded on {found['machine']['cores']} cores, it is "
        f"{last['capstone']:.0f}, {last['redis']:.0f} and {last['postgres']:.0f} µs.",
        f"- One core of Redis is full at about {1e6 / last['redis'] / 1000:.0f},000 requests a second, and one of "
        f"PostgreSQL at about {1e6 / last['postgres'] / 1000:.0f},000.",
        f"- A usage record takes {found['instances']['record_bytes']} bytes with its indexes.",
    ]
    head = "| chunks | search, p50 | one document more | all of them | memory of an instance | stored |"
    lines += [
        "",
        f"FAISS, then pgvector; a document has {found['documents']['per_document']} chunks:",
        "",
        head,
        "|---|---|---|---|---|---|",
    ]
    engines = {one["id"]: one["rows"] for one in found["documents"]["engines"]}
    total = {"faiss": 0.0, "pgvector": 0.0}
    for faiss, vector in zip(engines["faiss"], engines["pgvector"], strict=True):
        total["faiss"] += faiss["ingest_s"]
        total["pgvector"] += vector["ingest_s"]
        cells = [
            f"{faiss['chunks']:,}",
            f"{faiss['p50_ms']:.1f} ms / {vector['p50_ms']:.1f} ms",
            f"{faiss['one_more_s']:.1f} s / {vector['one_more_s']:.1f} s",
            f"{total['faiss']:.0f} s / {total['pgvector']:.0f} s",
            f"{faiss['memory_mb']:.0f} MB / {vector['memory_mb']:.0f} MB",
            f"{faiss['stored_mb']:.0f} MB / {vector['stored_mb']:.0f} MB",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def paper(found: dict[str, Any]) -> str:
    """Return what a million users take, in each of its meanings."""
    last = found["instances"]["cases"][-1]["busy"]["cpu_us"]
    pool = int(Settings.model_fields["database_pool"].default)
    rows: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        rows.setdefault(name, []).append(value)

    for crowd in CROWDS:
        rate = crowd.per_s
        load = deployment.Load(rate, first_token_s=FIRST_S, tokens=WRITTEN, tokens_per_s=TOKENS_PER_S)  # type: ignore[attr-defined]
        plan = deployment.plan(load, deployment.Machine(cores=1, memory_mb=1_024))  # type: ignore[attr-defined]
        add("requests a second, at the peak", f"{rate:,.0f}")
        add("streams open", f"{plan.peak_streams:,}")
        add("tokens a minute at the provider", f"{rounded(rate * 60 * (READ + WRITTEN) / 1e6)} million")
        day = crowd.requests_per_day
        add("dollars a day for them", f"{day * (READ + WRITTEN) / 1e6 * DOLLARS:,.0f}" if day else "")
        add("replicas of one core and 1 GB", f"{plan.containers:,}")
        add("connections of PostgreSQL", f"{plan.containers * pool:,}")
        add("cores of Redis", rounded(rate * last["redis"] / 1e6))
        add("cores of PostgreSQL, for usage", rounded(rate * last["postgres"] / 1e6))
        size = found["instances"]["record_bytes"]
        add("usage records a day", f"{day / 1e6:,.1f} million, {day * size / 1e9:,.1f} GB" if day else "")
    lines = ["| a million who ... | " + " | ".join(crowd.words for crowd in CROWDS) + " |", "|---" * 4 + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(values)} |" for name, values in rows.items())])


def rounded(value: float) -> str:
    """Return a number with two digits that mean something, or as a whole."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def stored(found: dict[str, Any]) -> str:
    """Return what the documents of a million take."""
    rows = next(one["rows"] for one in found["documents"]["engines"] if one["id"] == "pgvector")
    last = rows[-1]
    each, index = last["stored_mb"] / last["chunks"] * 1e6, last["index_mb"] / last["chunks"] * 1e6
    chunks = 1_000_000 * CHUNKS
    return (
        f"A chunk takes {each / 1000:.1f} KB in PostgreSQL, {index / 1000:.1f} KB of that in indexes, with vectors of "
        f"{found['documents']['dimensions']} numbers.\n"
        f"A million people with {CHUNKS} chunks each are {chunks / 1e6:.0f} million chunks, "
        f"{chunks * each / 1e9:.0f} GB."
    )


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8", newline="\n")
    print(f"wrote {PAGE.relative_to(ROOT)}")
