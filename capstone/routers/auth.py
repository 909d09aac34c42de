"""/auth: tokens for people, keys for programs."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from capstone.dependencies import AccessDep, KeyKeeper, StoreDep
from capstone.errors import ApiError
from capstone.parts import auth
from capstone.schemas.auth import IssuedKey, KeyList, KeyOut, NewKey, TokenOut
from capstone.services.access import ONLY_MODEL, SCOPES, only_models
from capstone.store.tables import Key

router = APIRouter(prefix="/auth", tags=["auth"])
TOKEN_S = 900  # lesson 08's tokens live as long


@router.post("/token")
async def create_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], access: AccessDep, request: Request, response: Response
) -> TokenOut:
    """Exchange a name and a password for a token that ends soon."""
    address = request.client.host if request.client else ""
    verdict = await access.tries.hit(f"password:{address}")
    if not verdict.allowed:
        wait = str(int(verdict.reset_s) + 1)
        raise ApiError(429, "Too many passwords were tried.", code="rate_limited", headers={"Retry-After": wait})
    response.headers["Cache-Control"] = "no-store"
    found = await access.log_in(form.username, form.password, form.scopes)
    if found is None:
        raise ApiError(400, "The name or the password is wrong.", code="invalid_grant")
    token, scopes = found
    return TokenOut(access_token=token, expires_in=TOKEN_S, scope=" ".join(scopes))


@router.post("/keys", status_code=201)
async def create_key(body: NewKey, keeper: KeyKeeper, access: AccessDep, response: Response) -> IssuedKey:
    """Issue a key. It can do no more than whoever issues it."""
    response.headers["Cache-Control"] = "no-store"
    limit = body.tokens_per_day or access.settings.tokens_per_day
    owner = keeper.model_copy(
        update={
            "tenant": tenant_for(keeper, body.tenant),
            "scopes": scopes_for(keeper, body),
            "token_limit": min(limit, keeper.token_limit),
        }
    )
    key, record = await access.issue(owner, body.name)
    return IssuedKey(**shown(await row_of(access.rows, record.id)).model_dump(), key=key)


@router.get("/keys")
async def list_keys(keeper: KeyKeeper, store: StoreDep) -> KeyList:
    """List the tenant's keys, those that have ended too."""
    return KeyList(items=[shown(row) for row in await store.keys.of_tenant(keeper.tenant)])


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate_key(
    key_id: str,
    keeper: KeyKeeper,
    access: AccessDep,
    response: Response,
    grace_s: Annotated[int, Query(ge=0, le=30 * 86_400, description="Seconds for which the old key still works.")] = 0,
) -> IssuedKey:
    """Issue a key in place of another."""
    response.headers["Cache-Control"] = "no-store"
    old = await own(access.rows, key_id, keeper)
    if not may_handle(keeper, old):
        raise ApiError(403, "This key can do more than you.", code="more_than_you")
    issued = await access.rotate(old, grace_s)
    if issued is None:
        raise ApiError(409, "This key has ended.", code="key_ended")
    key, record = issued
    return IssuedKey(**shown(await row_of(access.rows, record.id)).model_dump(), key=key)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: str, keeper: KeyKeeper, access: AccessDep) -> None:
    """Let a key end now."""
    await own(access.rows, key_id, keeper)
    await access.store.end(key_id, time.time())


def tenant_for(keeper: Any, wanted: str | None) -> str:
    """Return the tenant of a new key."""
    if wanted in (None, keeper.tenant):
        return keeper.tenant
    if "tenants" not in keeper.scopes:
        raise ApiError(
            403, "A key of another tenant takes the scope `tenants`.", code="insufficient_scope", param="tenant"
        )
    return wanted


def scopes_for(keeper: Any, body: NewKey) -> frozenset[str]:
    """Return the scopes of a new key; ApiError if whoever issues it does not have them."""
    has = {scope for scope in keeper.scopes if not scope.startswith(ONLY_MODEL)}
    wanted = set(has if body.scopes is None else body.scopes)
    if wanted - set(SCOPES):
        raise ApiError(422, f"Scopes are {', '.join(SCOPES)}.", param="scopes", code="unknown_scope")
    if wanted - has:
        raise ApiError(403, "A key gets no scope that you do not have.", code="insufficient_scope", param="scopes")
    narrowed = only_models(keeper)
    models = narrowed if body.models is None else {ONLY_MODEL + name for name in body.models}
    if narrowed and not (models and narrowed.issuperset(models)):
        raise ApiError(403, "A key may ask no model that you may not ask.", code="insufficient_scope", param="models")
    if body.models is not None and not models:
        raise ApiError(422, "A key that may ask no model needs no models, but no scope `chat`.", param="models")
    return frozenset(wanted | models)


def may_handle(keeper: Any, row: Key) -> bool:
    """Say whether a key can do no more than its keeper: who rotates a key holds it."""
    narrowed, scopes = only_models(keeper), set(row.scopes)
    models = {scope for scope in scopes if scope.startswith(ONLY_MODEL)}
    if (scopes - models) - keeper.scopes:
        return False
    return not narrowed or bool(models and narrowed.issuperset(models))


async def own(rows: Any, key_id: str, keeper: Any) -> Key:
    """Return a key that the keeper may see; 404 for any other, whether or not there is one."""
    row = await rows.find(key_id)
    return row if row and "tenants" in keeper.scopes else auth.owned(row, keeper)


async def row_of(rows: Any, key_id: str) -> Key:
    """Return a key that is there."""
    return await rows.find(key_id)


def shown(row: Key) -> KeyOut:
    """Return what may be seen of a key."""
    models = [scope.removeprefix(ONLY_MODEL) for scope in row.scopes if scope.startswith(ONLY_MODEL)]
    return KeyOut(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        scopes=[scope for scope in row.scopes if not scope.startswith(ONLY_MODEL)],
        models=models or None,
        tokens_per_day=row.token_limit,
        created_at=row.created_at,
        ends_at=row.ends_at,
    )
