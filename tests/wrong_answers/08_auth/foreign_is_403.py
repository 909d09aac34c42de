# fails: 08.6
# says: 403 tells that it exists
"""The right status for everything but this: it says that the document exists."""

# >>> 08.6
if thing is None:
    raise HTTPException(404, "not found")
if thing.tenant != principal.tenant:
    raise HTTPException(403, "this belongs to another tenant")
return thing
# <<< 08.6
