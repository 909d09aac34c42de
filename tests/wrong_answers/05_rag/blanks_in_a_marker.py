# fails: 05.5
# says: A marker is digits in brackets, and nothing else
"""Looks forgiving; what is a marker to one reader of the answer is then none to the next."""

# >>> 05.5
def place(n: int, hit: Hit) -> Citation:
    chunk = hit.chunk
    return Citation(n=n, doc=chunk.doc, start=chunk.start, end=chunk.end, text=chunk.text, score=hit.score)


async def answer_question(query: Query, search: Search, chain: Chain) -> Answer:
    hits = await search(query)
    if not hits:
        return UNKNOWN
    text = await chain.ainvoke({"question": query.text, "hits": hits})
    cited = [n for n in dict.fromkeys(map(int, re.findall(r"\[\s*(\d+)\s*\]", text))) if 1 <= n <= len(hits)]
    if not cited:
        return UNKNOWN
    text = re.sub(r"\s*\[\s*(\d+)\s*\]", lambda m: m[0] if int(m[1]) in cited else "", text)
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
    query = Query(asked.question, tenant, k=asked.k, floor=settings.floor, where=asked.where)
    return await answer_question(query, search, chain)


# <<< 05.5
