# fails: 08.6
# says: Whoever can tell the two apart
# says: should raise the same 404
"""404 for both, and two sentences: the sentence is the answer."""

# >>> 08.6
if thing is None:
    raise HTTPException(404, "no such document")
if thing.tenant != principal.tenant:
    raise HTTPException(404, "no such document for you")
return thing
# <<< 08.6
