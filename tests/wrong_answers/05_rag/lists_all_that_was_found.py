# fails: 05.5
# says: and none that was not mentioned
""""sources" as in the tutorial: whatever was retrieved, read or not."""

# >>> 05.5
def place(n: int, hit: Hit) -> Citation:
    chunk = hit.chunk
    return Citation(n=n, doc=chunk.doc, start=chunk.start, end=chunk.end, text=chunk.text, score=hit.score)


async def answer_question(query: Query, search: Search, chain: Chain) -> Answer:
    hits = await search(query)
    if not hits:
        return UNKNOWN
    text = await chain.ainvoke({"question": query.text, "hits": hits})
    if not any(1 <= int(n) <= len(hits) for n in re.findall(r"\[(\d+)\]", text)):
        return UNKNOWN
    text = re.sub(r" ?\[(\d+)\]", lambda m: m[0] if 1 <= int(m[1]) <= len(hits) else "", text)
    return Answer(answer=text, citations=[place(n, hit) for n, hit in enumerate(hits, 1)])


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
