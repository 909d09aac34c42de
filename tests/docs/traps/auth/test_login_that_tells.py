"""A login that tells who has an account, and stops everybody. The three sections are shown on the page of lesson 08."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

Login = Callable[[str, str], Awaitable[str | None]]


class Argon2:
    """Argon2 that costs nothing here, counts, and can be held."""

    def __init__(self) -> None:
        self.real = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
        self.verified = 0
        self.go, self.waited_in_vain = threading.Event(), False
        self.go.set()

    def hash(self, password: str) -> str:
        return self.real.hash(password)

    def verify(self, password: str, hash: str) -> bool:
        self.verified += 1
        self.waited_in_vain |= not self.go.wait(1)
        return self.real.verify(password, hash)


def broken(USERS: dict[str, str], argon2: Argon2) -> Login:
    # --8<-- [start:broken]
    async def authenticate(name: str, password: str) -> str | None:
        if name not in USERS:
            return None
        if not argon2.verify(password, USERS[name]):
            return None
        return name

    # --8<-- [end:broken]
    return authenticate


def repaired(USERS: dict[str, str], argon2: Argon2) -> Login:
    # --8<-- [start:repaired]
    DECOY = argon2.hash("the password of nobody")  # once, with the parameters of the real ones
    slots = CapacityLimiter(2)  # each hash takes 64 MB

    async def authenticate(name: str, password: str) -> str | None:
        known = USERS.get(name, DECOY)
        right = await to_thread.run_sync(argon2.verify, password, known, limiter=slots)
        return name if right and name in USERS else None

    # --8<-- [end:repaired]
    return authenticate


async def test_an_unknown_name_costs_nothing_and_a_known_one_stops_everybody() -> None:
    argon2 = Argon2()
    USERS = {"ada": argon2.hash("correct horse")}
    authenticate = broken(USERS, argon2)
    # --8<-- [start:seen]
    await authenticate("nobody", "x")
    assert argon2.verified == 0  # an answer in no time: there is no such user
    await authenticate("ada", "x")
    assert argon2.verified == 1  # an answer in 160 ms: here is one

    argon2.go.clear()  # a login takes as long as it takes
    asyncio.get_running_loop().call_soon(argon2.go.set)  # any other request, and it could go on
    await authenticate("ada", "x")
    assert argon2.waited_in_vain  # nothing else ran meanwhile, no stream, no health check
    # --8<-- [end:seen]


async def test_the_same_work_and_a_free_loop() -> None:
    argon2 = Argon2()
    authenticate = repaired({"ada": argon2.hash("correct horse")}, argon2)
    assert await authenticate("nobody", "x") is None
    assert argon2.verified == 1
    assert await authenticate("ada", "x") is None
    assert argon2.verified == 2
    argon2.go.clear()
    asyncio.get_running_loop().call_later(0, argon2.go.set)
    assert await authenticate("ada", "correct horse") == "ada"
    assert not argon2.waited_in_vain


async def test_the_decoy_is_nobodys_password() -> None:
    authenticate = repaired({}, Argon2())
    assert await authenticate("nobody", "the password of nobody") is None
