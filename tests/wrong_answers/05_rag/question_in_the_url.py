# fails: 05.5
# says: a question in the body was answered 422
"""The tutorial's signature: bare parameters, which FastAPI takes from the URL."""

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
    question: str,
    tenant: Tenant,
    search: Annotated[Search, Depends(get_search)],
    chain: Annotated[Chain, Depends(get_chain)],
    settings: Annotated[Settings, Depends(get_settings)],
    k: int = 5,
) -> Answer:
    """Answer a question from the tenant's documents."""
    return await answer_question(Query(question, tenant, k=k, floor=settings.floor), search, chain)
# <<< 05.5
