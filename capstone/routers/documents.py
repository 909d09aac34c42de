"""/rag/documents: what a tenant brings, and what answers are made from."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, Security, UploadFile
from fastapi.responses import PlainTextResponse
from pydantic import TypeAdapter, ValidationError

from capstone.errors import ApiError
from capstone.parts import auth
from capstone.schemas.rag import DocumentList, DocumentOut, Meta
from capstone.services.extract import Unreadable
from capstone.services.work import work_of
from capstone.store.documents import TooManyDocuments

router = APIRouter(prefix="/rag/documents", tags=["documents"])
Owner = Annotated[Any, Security(auth.authorized, scopes=["documents"])]
META = TypeAdapter(Meta)
NO_DOCUMENT = "There is no such document."


@router.post("", status_code=202, responses={200: {"model": DocumentOut, "description": "It is there already."}})
async def create_document(
    request: Request,
    response: Response,
    owner: Owner,
    file: Annotated[UploadFile, File(description="UTF-8 text, Markdown or PDF.")],
    name: Annotated[str | None, Form(max_length=200, description="By default the file's name.")] = None,
    meta: Annotated[str, Form(max_length=5_000, description="A JSON object of texts.")] = "{}",
) -> DocumentOut:
    """Keep a document, in place of the one of this name. It is found once its state is `ready`."""
    title = tidy_name(name or file.filename or "")
    try:
        said = META.validate_json(meta)
    except ValidationError:
        raise ApiError(422, "`meta` must be a JSON object of at most 10 short texts.", param="meta") from None
    try:
        document, new = await work_of(request).shelf.accept(
            owner.tenant, title, await file.read(), said, most=work_of(request).settings.documents_per_tenant
        )
    except Unreadable as error:
        raise ApiError(415, f"This file cannot be used: {error}.", code="unsupported_file", param="file") from error
    except TooManyDocuments:
        raise ApiError(
            409, "There is no room for another document; delete one first.", code="too_many_documents"
        ) from None
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/rag/documents/{document.id}"
    return DocumentOut.model_validate(document)


@router.get("")
async def list_documents(
    request: Request,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str, Query(max_length=200, description="`next` of the page before.")] = "",
) -> DocumentList:
    """List the tenant's documents by name, a page at a time."""
    found = await work_of(request).store.documents.of_tenant(owner.tenant, limit=limit + 1, after=after)
    items = [DocumentOut.model_validate(one) for one in found[:limit]]
    return DocumentList(items=items, next=items[-1].name if len(found) > limit else None)


@router.get("/{document_id}")
async def read_document(request: Request, owner: Owner, document_id: str) -> DocumentOut:
    """Say how a document of the tenant stands."""
    if document := await work_of(request).store.documents.find(owner.tenant, document_id):
        return DocumentOut.model_validate(document)
    raise ApiError(404, NO_DOCUMENT, code="document_not_found")


@router.get("/{document_id}/text", response_class=PlainTextResponse)
async def read_text(request: Request, owner: Owner, document_id: str) -> PlainTextResponse:
    """Return the text of a document, in which citations count characters; 409 until it was read."""
    documents = work_of(request).store.documents
    if await documents.find(owner.tenant, document_id) is None:
        raise ApiError(404, NO_DOCUMENT, code="document_not_found")
    text = await documents.text_of(owner.tenant, document_id)
    if text is None:
        raise ApiError(409, "This document has not been read, or cannot be.", code="document_not_ready")
    # What somebody uploaded is never a page of ours, whatever a browser thinks that it looks like.
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox", "Cache-Control": "private"}
    return PlainTextResponse(text, headers=headers)


@router.delete("/{document_id}", status_code=204)
async def delete_document(request: Request, owner: Owner, document_id: str) -> None:
    """Delete a document of the tenant; from now on nothing of it is found."""
    if not await work_of(request).shelf.delete(owner.tenant, document_id):
        raise ApiError(404, NO_DOCUMENT, code="document_not_found")


def tidy_name(name: str) -> str:
    """Return the last part of a path, without what nobody can see.

    Raises:
        ApiError: nothing is left of it.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    tidy = "".join(letter for letter in last if letter.isprintable()).strip()[:200]
    if tidy.strip(". ") == "":
        raise ApiError(422, "The document needs a name.", param="name")
    return tidy
