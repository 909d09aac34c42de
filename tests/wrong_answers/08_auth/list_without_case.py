# fails: 08.6
# says: Tenants that look alike are others
"""Names of companies are compared without case, in the list alone."""

# >>> 08.6 (2)
@api.get("/documents")
async def list_documents(principal: Reader, services: Using) -> list[Document]:
    """Return the documents of the tenant."""
    return [one for one in services.documents.values() if one.tenant.lower() == principal.tenant.lower()]


@api.get("/documents/{document_id}")
async def read_document(document_id: str, principal: Reader, services: Using) -> Document:
    """Return one document of the tenant."""
    return owned(services.documents.get(document_id), principal)


# <<< 08.6
