# fails: 08.6
# says: The tenant comes from the principal
"""The gateway sets X-Tenant-ID; so does everybody else."""

# >>> 08.6 (2)
@api.get("/documents")
async def list_documents(request: Request, principal: Reader, services: Using) -> list[Document]:
    """Return the documents of the tenant."""
    return [one for one in services.documents.values() if one.tenant == request.headers.get("x-tenant-id", principal.tenant)]


@api.get("/documents/{document_id}")
async def read_document(document_id: str, principal: Reader, services: Using) -> Document:
    """Return one document of the tenant."""
    return owned(services.documents.get(document_id), principal)
# <<< 08.6
