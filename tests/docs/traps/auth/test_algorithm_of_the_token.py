"""A token that chooses how it is checked. The three sections are shown on the page of lesson 08."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PROVIDER = Ed25519PrivateKey.generate()
PUBLIC_KEY = PROVIDER.public_key().public_bytes_raw()  # what the provider publishes, as bytes
Verify = Callable[[str], dict[str, Any]]


def broken() -> Verify:
    # --8<-- [start:broken]
    def read_token(token: str) -> dict[str, Any]:
        algorithm = jwt.get_unverified_header(token)["alg"]  # as it is signed, so we check it
        key: Any = Ed25519PublicKey.from_public_bytes(PUBLIC_KEY) if algorithm == "EdDSA" else PUBLIC_KEY
        return jwt.decode(token, key, algorithms=[algorithm])

    # --8<-- [end:broken]
    return read_token


def repaired() -> Verify:
    # --8<-- [start:repaired]
    RING = {"provider-1": ("EdDSA", Ed25519PublicKey.from_public_bytes(PUBLIC_KEY))}

    def read_token(token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid", "")
        if kid not in RING:
            raise jwt.InvalidTokenError(f"no key has the name {kid!r}")
        algorithm, key = RING[kid]  # kid names a key; everything else about it is ours
        return jwt.decode(token, key, algorithms=[algorithm])

    # --8<-- [end:repaired]
    return read_token


def test_everybody_can_sign_with_a_public_key() -> None:
    read_token = broken()
    # --8<-- [start:seen]
    claims = {"sub": "mallory", "scope": "admin", "exp": time.time() + 60}
    forged = jwt.encode(claims, PUBLIC_KEY, algorithm="HS256")  # an HMAC, and its secret is no secret
    assert read_token(forged)["scope"] == "admin"
    # --8<-- [end:seen]


def test_the_key_decides() -> None:
    claims = {"sub": "ada", "exp": time.time() + 60}
    read_token = repaired()
    assert read_token(jwt.encode(claims, PROVIDER, "EdDSA", {"kid": "provider-1"}))["sub"] == "ada"
    forged = [jwt.encode(claims, PUBLIC_KEY, "HS256", {"kid": "provider-1"})]
    forged += [jwt.encode(claims, "", "none", {"kid": "provider-1"}), jwt.encode(claims, PROVIDER, "EdDSA")]
    forged += [jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", {"kid": "provider-1"})]
    for token in forged:
        with pytest.raises(jwt.InvalidTokenError):
            read_token(token)


def test_the_library_helps_where_it_recognizes_a_public_key() -> None:
    """As PEM, DER or JWK it is refused as an HMAC secret; 32 bytes look like any others."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    for encoding in (Encoding.PEM, Encoding.DER):
        key = PROVIDER.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(jwt.InvalidKeyError, match="should not be used as an HMAC secret"):
            jwt.encode({}, key, "HS256")
