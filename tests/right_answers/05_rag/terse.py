"""As short as it can be said."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError
spans, held = [], []
for one in [*sentences(text, size), None]:
    if held and (one is None or one[1] - held[0][0] > size):
        spans += [(held[0][0], held[-1][1])]
        held = [s for s in held if held[-1][1] - s[0] <= overlap and one and one[1] - s[0] <= size]
    held += [one] if one else []
return spans
# <<< 05.1

# >>> 05.3
rows = [n for n, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
unit = np.array([vector], dtype=np.float32)
faiss.normalize_L2(unit)
near = zip(*(found[0].tolist() for found in snapshot.index.search(
    unit, query.k, params=faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
))) if rows else ()
return [Hit(snapshot.chunks[n], score) for score, n in near if n >= 0 and score >= query.floor]
# <<< 05.3

# >>> 05.5
async def answer_question(query: Query, search: Search, chain: Chain) -> Answer:
    hits = dict(enumerate(await search(query), 1))
    text = await chain.ainvoke({"question": query.text, "hits": [*hits.values()]}) if hits else ""
    cited = [n for n in dict.fromkeys(int(n) for n in re.findall(r"\[(\d+)\]", text)) if n in hits]
    return Answer(
        answer=re.sub(r"\s*\[(\d+)\]", lambda m: m[0] if int(m[1]) in cited else "", text),
        citations=[Citation(n=n, score=hits[n].score, **vars(hits[n].chunk)) for n in cited],
    ) if cited else UNKNOWN


@api.post("/query")
async def create_answer(
    asked: Question,
    tenant: Tenant,
    search: Annotated[Search, Depends(get_search)],
    chain: Annotated[Chain, Depends(get_chain)],
    settings: Annotated[Settings, Depends(get_settings)],
) -> Answer:
    return await answer_question(Query(asked.question, tenant, asked.k, settings.floor, asked.where), search, chain)


# <<< 05.5

# >>> 05.7
return sum(one in ranked[:k] for one in relevant) / len(relevant)
# <<< 05.7

# >>> 05.7 (2)
return max((1 / (ranked.index(one) + 1) for one in relevant if one in ranked), default=0.0)
# <<< 05.7 (2)

# >>> 05.8
score, chunk = {}, {}
for ranking in rankings:
    for rank, hit in enumerate(ranking, 61):
        place = (hit.chunk.tenant, hit.chunk.doc, hit.chunk.start)
        score[place], chunk[place] = score.get(place, 0) + 1 / rank, hit.chunk
return [Hit(chunk[place], score[place]) for place in sorted(score, key=score.get, reverse=True)]
# <<< 05.8
