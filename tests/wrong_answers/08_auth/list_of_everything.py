# fails: 08.6
# says: and was told of globex's
"""The single document is guarded, and the list in front of it is not."""

# >>> 08.6 (2)
@api.get("/documents")
async def list_documents(principal: Reader, services: Using) -> list[Document]:
    """Return the documents of the tenant."""
    return list(services.documents.values())


@api.get("/documents/{document_id}")
async def read_document(document_id: str, principal: Reader, services: Using) -> Document:
    """Return one document of the tenant."""
    return owned(services.documents.get(document_id), principal)
# <<< 08.6
