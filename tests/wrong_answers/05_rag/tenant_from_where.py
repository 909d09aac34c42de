# fails: 05.5
# says: A tenant out of the body is one that the caller chose
"""Looks like a filter like any other, and lets the caller choose whose pages are searched."""

# >>> 05.5
def place(n: int, hit: Hit) -> Citation:
    chunk = hit.chunk
    return Citation(n=n, doc=chunk.doc, start=chunk.start, end=chunk.end, text=chunk.text, score=hit.score)


async def answer_question(query: Query, search: Search, chain: Chain) -> Answer:
    hits = await search(query)
    if not hits:
        return UNKNOWN
    text = await chain.ainvoke({"question": query.text, "hits": hits})
    cited = [n for n in dict.fromkeys(map(int, re.findall(r"\[(\d+)\]", text))) if 1 <= n <= len(hits)]
    if not cited:
        return UNKNOWN
    text = re.sub(r"\s*\[(\d+)\]", lambda m: m[0] if int(m[1]) in cited else "", text)
    return Answer(answer=text, citations=[place(n, hits[n - 1]) for n in cited])


@api.post("/query")
async def create_answer(
    asked: Question,
    tenant: Tenant,
    search: Annotated[Search, Depends(get_search)],
    chain: Annotated[Chain, Depends(get_chain)],
    settings: Annotated[Settings, Depends(get_settings)],
) -> Answer:
    """Answer a question from the tenant's documents."""
    where = dict(asked.where)
    whose = where.pop("tenant", tenant)
    query = Query(asked.question, whose, k=asked.k, floor=settings.floor, where=where)
    return await answer_question(query, search, chain)


# <<< 05.5
