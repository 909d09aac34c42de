"""What lesson 01 promises. Each test watches the service from outside, as a caller or a server would."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio.to_thread
import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from . import app as lesson

GUARD_S = 5  # how long a stopped loop is waited for; a right answer never waits


class ModelDown(Exception):
    """What the fake model raises."""


class FakeBackend:
    """The lesson's `Backend`, with a model that can fail and a memory of what it was asked."""

    def __init__(self, free: list[int] | None = None, error: Exception | None = None) -> None:
        self.rows: dict[str, Any] = {}
        self.free = [0, 1] if free is None else free
        self.asked: list[str] = []
        self.free_while_asked: list[list[int]] = []
        self.error = error

    async def complete(self, prompt: str) -> str:
        """Answer at once, or raise."""
        self.asked.append(prompt)
        self.free_while_asked.append(sorted(self.free))
        if self.error:
            raise self.error
        return f"About {prompt}"

    def save(self, session: Any) -> None:
        """Store it at once."""
        self.rows[session.id] = session


def caller(app: ASGIApp) -> httpx.AsyncClient:
    """Somebody who calls an application in the event loop of the test; what the application raises reaches the test."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@cache
def shared_app() -> FastAPI:
    """Build the learner's application, once: the tests that share it change nothing in it but its dependencies."""
    return lesson.create_app()


def client_of(backend: FakeBackend | None = None, replaced: dict[Any, Any] | None = None) -> httpx.AsyncClient:
    """A caller of the learner's application. Until the next call of this function, that fake is behind it."""
    behind = backend or FakeBackend()

    async def fake_backend() -> FakeBackend:
        return behind

    app = shared_app()
    app.dependency_overrides = {lesson.get_backend: fake_backend, **(replaced or {})}
    return caller(app)


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application, lend a caller of it, and stop it, as a server does."""
    async with app.router.lifespan_context(app) as yielded:
        state = dict(yielded or {})

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": state.copy()}, receive, send)

        yield caller(with_state)


def expect(response: httpx.Response, status: int, usual: str = "") -> Any:
    """Return the JSON of a response that has this status; fail in words if it has another."""
    seen = f"{response.request.method} {response.request.url.raw_path.decode()} answered {response.status_code}"
    assert response.status_code == status, f"{seen}, not {status}: {response.text[:200] or 'no body'}. {usual}".strip()
    try:
        return response.json()
    except ValueError:
        pytest.fail(f"{seen} with a body that is not JSON: {response.text[:200]}")


def complaints(body: Any) -> list[Any]:
    """Where a 422 in FastAPI's shape found something wrong: [["query", "limit"], ...]."""
    detail = body.get("detail") if isinstance(body, dict) else None
    return [error.get("loc") for error in detail if isinstance(error, dict)] if isinstance(detail, list) else []


def operations(api: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of an OpenAPI document, with its path."""
    for path, methods in api["paths"].items():
        for operation in methods.values():
            yield path, operation


# 01.1


@pytest.mark.task(1)
async def test_root_says_which_service_and_version_answers() -> None:
    """At two in the morning the first question is which version is running."""
    client = caller(lesson.create_app(title="Chat desk", version="2.3.4", routers=[]))

    body = expect(await client.get("/"), 200)

    assert body == {"service": "Chat desk", "version": "2.3.4", "docs": "/docs"}, (
        f"`/` of an application titled 'Chat desk', version 2.3.4, answered {body}. "
        "A title written twice is right in one place and old in the other: take it from the arguments."
    )


@pytest.mark.task(1)
async def test_health_says_ok() -> None:
    """A load balancer asks this every few seconds and takes the process out when it does not answer."""
    body = expect(await client_of().get("/health"), 200)

    assert body == {"status": "ok"}, f'`/health` answered {body}, not {{"status": "ok"}}.'


@pytest.mark.task(1)
async def test_the_documentation_says_whose_it_is() -> None:
    """Clients are generated from OpenAPI; "FastAPI 0.1.0" tells them nothing."""
    client = caller(lesson.create_app(title="Chat desk", description="Ask it.", version="2.3.4", routers=[]))
    docs = expect(await client.get("/"), 200).get("docs", "")

    info = expect(await client.get("/openapi.json"), 200)["info"]
    page = await client.get(docs)

    assert info == {"title": "Chat desk", "description": "Ask it.", "version": "2.3.4"}, (
        f"OpenAPI says {info}. What create_app was given has to reach FastAPI(...)."
    )
    assert page.status_code == 200 and "Chat desk" in page.text, (
        f"`/` points at {docs!r}, which answered {page.status_code}. The page that FastAPI serves names the service."
    )


@pytest.mark.task(1)
async def test_openapi_files_the_system_routes_under_one_tag_with_a_description() -> None:
    """A route without a word in the docs is asked about in chat, every week."""
    client = client_of()
    expect(await client.get("/health"), 200)

    paths = expect(await client.get("/openapi.json"), 200)["paths"]

    for path in ("/", "/health"):
        operation = paths.get(path, {}).get("get", {})
        assert operation.get("tags") == ["system"] and operation.get("description"), (
            f"OpenAPI says of {path}: tags {operation.get('tags')}, description {operation.get('description')!r}. "
            "It should have the tag system and a description; a handler's docstring becomes one."
        )


@pytest.mark.task(1)
async def test_two_applications_share_nothing() -> None:
    """A factory is what lets every test have a service of its own."""
    first, second = (caller(lesson.create_app(title=title, routers=[])) for title in ("First", "Second"))

    names = [expect(await client.get("/"), 200)["service"] for client in (first, second, first)]

    assert names == ["First", "Second", "First"], (
        f"Two applications, titled First and Second, call themselves {names}. "
        "Something outlives the call of create_app: a global, or one application handed out twice."
    )


@pytest.mark.task(1)
async def test_the_lifespan_and_routers_it_is_given_are_used() -> None:
    """A lifespan that nobody runs fails on the first request, not at start-up."""
    log: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.append("start")
        yield
        log.append("stop")

    async with started(lesson.create_app(routers=[], lifespan=lifespan)) as client:
        expect(await client.get("/"), 200)
        models = (await client.get("/models")).status_code

    assert log == ["start", "stop"], f"The lifespan given to create_app logged {log}. Was it passed to FastAPI(...)?"
    assert models == 404, f"With routers=[] there is no /models, but it answered {models}."


# 01.2


async def page_of(client: httpx.AsyncClient, query: str) -> tuple[int, list[str]]:
    """Ask for one page of models; return the total it states and the names on it."""
    body = expect(await client.get(f"/models{query}"), 200)
    assert isinstance(body, dict) and sorted(body) == ["items", "total"], (
        f"/models{query} answered {body}, not an object with total and items."
    )
    return body["total"], [card["name"] for card in body["items"]]


@pytest.mark.task(2)
async def test_models_come_in_pages_with_the_total() -> None:
    """A list without a bound is fine until the day it has 40,000 entries."""
    client = client_of()
    expected = {
        "": ["acme/mock-chat", "mock-large", "mock-small"],
        "?limit=2": ["acme/mock-chat", "mock-large"],
        "?limit=2&offset=2": ["mock-small", "mock-vision"],
        "?offset=4": [],
    }

    for query, names in expected.items():
        total, seen = await page_of(client, query)
        assert seen == names, (
            f"/models{query} holds {seen}, not {names}. "
            "Sorted by name, 3 without a limit; past the end is an empty page, not an error."
        )
        assert total == 4, f"4 models match /models{query}, but total is {total}: it counts those on other pages too."


@pytest.mark.task(2)
async def test_vision_true_false_and_absent_are_three_answers() -> None:
    """`if vision:` reads "no" and "not said" alike: the oldest filter bug there is."""
    client = client_of()
    total, yes = await page_of(client, "?limit=1&vision=true")
    _, no = await page_of(client, "?limit=10&vision=false")
    _, absent = await page_of(client, "?limit=10")

    assert yes == ["mock-large"] and total == 2, (
        f"vision=true and limit=1 gave {yes} and total {total}. Filter first, then count, then cut the page."
    )
    assert no == ["acme/mock-chat", "mock-small"], (
        f"vision=false found {no}. All four means that false was taken for absent."
    )
    assert len(absent) == 4, f"Without vision these were found: {absent}. Absent was taken for false."


@pytest.mark.task(2)
async def test_values_out_of_bounds_are_422_and_name_the_parameter() -> None:
    """`limit=1000000` from one caller is an outage for all."""
    client = client_of()
    bad = {"limit": ["0", "11", "many"], "offset": ["-1"], "vision": ["perhaps"]}

    for name, values in bad.items():
        for value in values:
            body = expect(await client.get("/models", params={name: value}), 422, f"{name}={value} has to be refused.")
            assert complaints(body) == [["query", name]], (
                f"{name}={value} was refused with {body}, which does not name the query parameter {name}."
            )


@pytest.mark.task(2)
async def test_openapi_tells_bounds_and_defaults() -> None:
    """A bound that only the code knows is found out by being refused."""
    client = client_of()
    expect(await client.get("/models"), 200)

    operation = expect(await client.get("/openapi.json"), 200)["paths"]["/models"]["get"]
    schemas = {one["name"]: one["schema"] for one in operation.get("parameters", [])}
    limit, offset = schemas.get("limit", {}), schemas.get("offset", {})

    told = [
        limit.get("default"),
        limit.get("minimum"),
        limit.get("maximum"),
        offset.get("default"),
        offset.get("minimum"),
    ]
    assert told == [3, 1, 10, 0, 0], (
        f"OpenAPI tells for limit {limit} and for offset {offset}. "
        "Bounds that are checked by an `if` in the handler do not show; declare them with the parameter."
    )


@pytest.mark.task(2)
async def test_a_model_is_found_by_its_whole_name() -> None:
    """Real model names are full of slashes: publisher/model."""
    client = client_of()
    plain = expect(await client.get("/models/mock-large"), 200)
    slash = expect(await client.get("/models/acme/mock-chat"), 200, "A plain {name} in a path ends at the first slash.")

    assert plain == {"name": "mock-large", "vision": True}, f"/models/mock-large answered {plain}."
    assert slash == {"name": "acme/mock-chat", "vision": False}, f"/models/acme/mock-chat answered {slash}."


@pytest.mark.task(2)
async def test_an_unknown_model_is_404_and_the_body_says_which_exist() -> None:
    """The caller mistyped a name or the model retired; say what to write instead."""
    body = expect(
        await client_of().get("/models/mock-huge"),
        404,
        "422 usually means an Enum of names in the code: then each model that comes or goes is a release.",
    )

    detail = body["detail"] if isinstance(body["detail"], dict) else {}
    assert "mock-huge" in str(detail.get("message")), f"detail.message of the 404 does not name mock-huge: {body}."
    assert detail.get("available") == ["acme/mock-chat", "mock-large", "mock-small", "mock-vision"], (
        f"detail.available of the 404 is {detail.get('available')}, not the four names that exist, sorted."
    )


# 01.3

NEW = {"model": "mock-small", "prompt": "Tokyo in May"}
IN_URL = "If it asks for ['query', 'prompt']: a bare `prompt: str` is read from the URL; a model is read from the body."


@pytest.mark.task(3)
async def test_creating_answers_201_and_stores_a_session_of_its_own() -> None:
    """200 says "here is something"; 201 says "it exists now"."""
    backend = FakeBackend()
    client = client_of(backend)

    bodies = [expect(await client.post("/sessions", json=NEW), 201, IN_URL) for _ in range(2)]

    for body in bodies:
        assert body == {"id": body.get("id"), "model": "mock-small", "title": "About Tokyo in May"}, (
            f"The new session is {body}. It has an id, the model of the request and, as its title, "
            "what backend.complete answers to the prompt alone: here 'About Tokyo in May'."
        )
    ids = [body["id"] for body in bodies]
    assert list(backend.rows) == ids and len(set(ids)) == 2, (
        f"Two sessions were created, with ids {ids}; stored are {list(backend.rows)}."
    )
    documented = expect(await client.get("/openapi.json"), 200)["paths"]["/sessions"]["post"]["responses"]
    assert "201" in documented and "200" not in documented, (
        f"OpenAPI documents {sorted(documented)}. A status that is set on the response alone is not seen by the docs."
    )


@pytest.mark.task(3)
async def test_location_leads_to_the_new_session() -> None:
    """A caller follows Location; it should not have to know how you build URLs."""
    client = client_of()
    response = await client.post("/sessions", json=NEW)
    body = expect(response, 201)

    location = response.headers.get("location")
    assert location, f"201 came without Location: {dict(response.headers)}. It says where the new thing is."
    found = expect(await client.get(location), 200, f"Location was {location!r}.")
    assert found == body, f"Location {location!r} leads to {found}, but created was {body}."


@pytest.mark.task(3)
async def test_a_body_that_is_wrong_is_422_and_costs_nothing() -> None:
    """What you do not refuse at the door, you pay the provider for."""
    backend = FakeBackend()
    client = client_of(backend)
    longest = {"model": "m" * 64, "prompt": "x" * 4_000}
    wrong: dict[str, dict[str, Any]] = {
        "no prompt": {"model": "mock-small"},
        "no model": {"prompt": "hi"},
        "an empty prompt": {**NEW, "prompt": ""},
        "a prompt of 4,001 characters": {**longest, "prompt": "x" * 4_001},
        "an empty model": {**NEW, "model": ""},
        "a model of 65 characters": {**longest, "model": "m" * 65},
        "a prompt that is a number": {**NEW, "prompt": 7},
    }

    for what, body in wrong.items():
        expect(await client.post("/sessions", json=body), 422, f"The body had {what}.")
    assert not backend.asked and not backend.rows, (
        f"Refused bodies still led to {len(backend.asked)} model calls and {len(backend.rows)} stored sessions."
    )
    expect(
        await client.post("/sessions", json=longest), 201, "64 and 4,000 characters are the longest that is allowed."
    )


@pytest.mark.task(3)
async def test_the_prompt_does_not_travel_in_the_url() -> None:
    """URLs are written to access logs, and prompts hold names, addresses and secrets."""
    client = client_of()

    expect(
        await client.post("/sessions", params=NEW),
        422,
        f"Accepted from the query, the prompt now stands in every access log. {IN_URL}",
    )


class BlockingBackend(FakeBackend):
    """Saving blocks its thread until the test has been answered something else."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.loop_thread = threading.get_ident()
        self.saving = asyncio.Event()
        self.go_on = threading.Event()
        self.frozen = False
        self.saves = 0

    def save(self, session: Any) -> None:
        """Block until the test lets go."""
        if threading.get_ident() == self.loop_thread:
            self.frozen = True  # this very call is what keeps the loop from doing anything else
        else:
            self.loop.call_soon_threadsafe(self.saving.set)
            self.frozen = not self.go_on.wait(GUARD_S)
        self.saves += 1
        super().save(session)


async def either(task: asyncio.Future[Any], event: asyncio.Event) -> None:
    """Wait until the event is set or the task has ended, whichever is first."""
    waiter = asyncio.ensure_future(event.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()


@pytest.mark.task(3)
async def test_others_are_answered_while_a_session_is_saved() -> None:
    """One blocking call in one `async def`, and every user of the process waits for it."""
    backend = BlockingBackend()
    client = client_of(backend)

    post = asyncio.ensure_future(client.post("/sessions", json=NEW))
    try:
        await either(post, backend.saving)
        if not post.done():
            expect(await client.get("/sessions/none"), 404)
    finally:
        backend.go_on.set()
    expect(await post, 201)

    assert not backend.frozen, (
        "While save() was running, the event loop was stopped and nobody else was answered. "
        "save() blocks, as time.sleep or requests do: inside `async def` it has to go to a thread."
    )
    assert backend.saves == 1, f"One session was created, and save() was called {backend.saves} times."


class PatientBackend(FakeBackend):
    """A model that answers only after all `users` are waiting for it."""

    def __init__(self, users: int) -> None:
        super().__init__()
        self.users = users
        self.loop = asyncio.get_running_loop()
        self.other_loops = 0
        self.all_wait = asyncio.Event()
        self.go_on = asyncio.Event()

    async def complete(self, prompt: str) -> str:
        """Wait until the test lets go."""
        if asyncio.get_running_loop() is not self.loop:
            self.other_loops += 1
            return await super().complete(prompt)
        self.users -= 1
        if not self.users:
            self.all_wait.set()
        await self.go_on.wait()
        return await super().complete(prompt)


@pytest.mark.task(3)
async def test_waiting_for_the_model_holds_no_thread() -> None:
    """FastAPI has 40 threads: with `def`, user 41 waits until one of the 40 slow model calls is over."""
    backend = PatientBackend(users=5)
    client = client_of(backend)

    posts = asyncio.gather(*(client.post("/sessions", json=NEW) for _ in range(5)))
    await either(posts, backend.all_wait)
    threads = int(anyio.to_thread.current_default_thread_limiter().borrowed_tokens)
    backend.go_on.set()
    for response in await posts:
        expect(response, 201)

    assert not backend.other_loops, (
        f"{backend.other_loops} of 5 model calls ran on an event loop of their own (asyncio.run in a `def` handler?). "
        "That costs a thread and a loop per user, and a client shared by all breaks on it."
    )
    assert threads == 0, (
        f"5 users wait for the model, and {threads} of the 40 threads are held meanwhile. "
        "A `def` handler keeps its thread until it returns; what can be awaited is awaited in `async def`."
    )


# 01.4


class Resource:
    """An async context manager that writes down when it is opened and closed. Opened, it gives its name in capitals."""

    def __init__(self, log: list[str], name: str, opening: Exception | None, closing: Exception | None) -> None:
        self.log, self.name, self.opening, self.closing = log, name, opening, closing
        self.used = False

    async def __aenter__(self) -> str:
        self.log.append(f"{'reopen' if self.used else 'open'} {self.name}")
        self.used = True
        if self.opening:
            raise self.opening
        return self.name.upper()

    async def __aexit__(self, *_: object) -> None:
        self.log.append(f"close {self.name}")
        if self.closing:
            raise self.closing


def maker(
    log: list[str], name: str, *, opening: Exception | None = None, closing: Exception | None = None
) -> Callable[[], Resource]:
    """What open_all takes: a function that makes the resource, each time a new one."""
    return lambda: Resource(log, name, opening, closing)


async def run(lifespan: Any, serve: Callable[[], None]) -> list[str]:
    """Start a service, serve, stop it; return the texts of the errors that came out, one of a group each."""
    try:
        async with started(FastAPI(lifespan=lifespan)):
            serve()
    except ExceptionGroup as group:
        return [str(error) for error in group.exceptions]
    except Exception as error:
        return [str(error)]
    return []


@pytest.mark.task(4)
async def test_opens_in_order_and_closes_in_reverse() -> None:
    """What was opened later may lean on what was opened first, so it has to go first."""
    log: list[str] = []
    lifespan = lesson.open_all(a=maker(log, "a"), b=maker(log, "b"), c=maker(log, "c"))

    async with started(FastAPI(lifespan=lifespan)):
        log.append("serve")

    assert log == ["open a", "open b", "open c", "serve", "close c", "close b", "close a"], (
        f"open_all(a=..., b=..., c=...) and one run of the service gave: {log}. Closing goes backwards: c, b, a."
    )


@pytest.mark.task(4)
def test_nothing_is_opened_before_the_service_starts() -> None:
    """An import that opens connections breaks tests, workers that fork, and every tool that reads your code."""
    log: list[str] = []

    FastAPI(lifespan=lesson.open_all(a=maker(log, "a")))

    assert log == [], f"Building the application already did: {log}. Opening belongs to start-up."


@pytest.mark.task(4)
async def test_requests_find_the_resource_and_it_is_opened_once() -> None:
    """A client costs about 20 ms to build: opened per request, it costs more than your whole service."""
    log: list[str] = []
    app = FastAPI(lifespan=lesson.open_all(pool=maker(log, "pool"), store=maker(log, "store")))

    @app.get("/probe")
    async def probe(request: Request) -> dict[str, Any]:
        return {name: getattr(request.state, name, None) for name in ("pool", "store")}

    async with started(app) as client:
        seen = [expect(await client.get("/probe"), 200) for _ in range(3)]

    assert seen == [{"pool": "POOL", "store": "STORE"}] * 3, (
        f"Opening gave POOL and STORE, but request.state held {seen[0]}. What a lifespan yields becomes request.state."
    )
    opened = log.count("open pool")
    assert opened == 1, f"3 requests, and the resource was opened {opened} times. It is opened once, at start-up."


@pytest.mark.task(4)
async def test_a_start_that_fails_half_way_closes_what_was_open() -> None:
    """A crash loop that leaks one connection per try takes the database down with it."""
    log: list[str] = []
    makers = {
        "a": maker(log, "a"),
        "b": maker(log, "b"),
        "c": maker(log, "c", opening=OSError("c is down")),
        "d": maker(log, "d"),
    }
    failure = await run(lesson.open_all(**makers), lambda: log.append("serve"))

    assert log == ["open a", "open b", "open c", "close b", "close a"], (
        f"c failed to open after a and b were open; what happened: {log}. "
        "Without `close b` and `close a` both stay open for ever; with `serve` the service ran without c."
    )
    assert failure == ["c is down"], f"The server should see the error that c raised; it saw {failure}."


@pytest.mark.task(4)
async def test_one_that_fails_to_close_does_not_keep_the_others_open() -> None:
    """Shutting down is where errors are most likely and least looked at."""
    log: list[str] = []
    makers = {"a": maker(log, "a"), "b": maker(log, "b", closing=OSError("b is stuck")), "c": maker(log, "c")}
    failure = await run(lesson.open_all(**makers), log.clear)

    assert log == ["close c", "close b", "close a"], (
        f"b raised while it was closed; closed were: {log}. The error of one must not skip the rest."
    )
    assert failure == ["b is stuck"], f"The error that b raised should reach the server; it saw {failure}."


@pytest.mark.task(4)
async def test_a_second_start_opens_afresh() -> None:
    """Tests start one application many times; a closed pool from the last run fails them one by one."""
    log: list[str] = []
    app = FastAPI(lifespan=lesson.open_all(a=maker(log, "a")))

    for _ in range(2):
        async with started(app):
            log.append("serve")

    assert log == ["open a", "serve", "close a"] * 2, (
        f"The same application started twice gave: {log}. Call the maker at each start, not once in open_all."
    )


# 01.5

ASK = {"prompt": "hi"}


async def failure_of(client: httpx.AsyncClient) -> Exception | int:
    """Ask once; return the error that came out of the service, or the status if none did."""
    try:
        return (await client.post("/chat", json=ASK)).status_code
    except NotImplementedError:
        raise
    except Exception as error:
        return error


@pytest.mark.task(5)
async def test_a_reply_is_made_with_a_borrowed_slot() -> None:
    """A slot is the right to use the model; without holding one, a hundred users are a hundred calls."""
    backend = FakeBackend(free=[4, 9])

    body = expect(await client_of(backend).post("/chat", json=ASK), 200)

    assert body in ({"slot": 4, "text": "About hi"}, {"slot": 9, "text": "About hi"}), f"With slots 4 and 9: {body}."
    others = [slot for slot in (4, 9) if slot != body["slot"]]
    assert backend.free_while_asked == [others], (
        f"Slot {body['slot']} was answered, but while the model worked {backend.free_while_asked} were free. "
        "A slot that is lent is not in backend.free."
    )
    assert sorted(backend.free) == [4, 9], f"After the reply free is {backend.free}; it was [4, 9] before."


@pytest.mark.task(5)
async def test_the_slot_comes_from_the_backend_that_all_requests_share() -> None:
    """A limit that each request brings along with itself limits nobody."""
    body = expect(await client_of(FakeBackend(free=[7])).post("/chat", json=ASK), 200)

    assert body["slot"] == 7, (
        f"The service's backend had slot 7 to lend, but the request used slot {body['slot']!r}. "
        "That is a resource opened per request: the backend is opened once, and `get_backend` finds it."
    )


@pytest.mark.task(5)
async def test_the_slot_comes_back_when_the_handler_raises() -> None:
    """Two errors in a night, and the service answers 503 until somebody wakes up."""
    backend = FakeBackend(error=ModelDown("down"))

    await failure_of(client_of(backend))

    assert backend.free_while_asked, "The model was never asked, so nothing can be said about what follows its error."
    assert sorted(backend.free) == [0, 1], (
        f"The handler raised, and free is {backend.free}; it was [0, 1]. "
        "The clean-up after `yield` was skipped: an error comes in at the `yield`, so what follows it needs `finally`."
    )


@pytest.mark.task(5)
async def test_the_error_goes_on_as_it_was() -> None:
    """A dependency that swallows an error turns a clear cause into a riddle."""
    down = await failure_of(client_of(FakeBackend(error=ModelDown("down"))))
    busy = await failure_of(client_of(FakeBackend(error=HTTPException(429, "slow down"))))

    assert isinstance(down, ModelDown), (
        f"The model raised ModelDown, and out came {down!r}. After clean-up the error has to go on: raise it again."
    )
    assert busy == 429, f"An HTTPException 429 was raised while the slot was lent, and out came {busy!r}."


@pytest.mark.task(5)
async def test_when_no_slot_is_free_it_is_503_with_retry_after() -> None:
    """Saying "busy, try in a second" at once is kinder than a queue without an end."""
    backend = FakeBackend(free=[])

    response = await client_of(backend).post("/chat", json=ASK)

    expect(response, 503)
    retry = response.headers.get("retry-after")
    assert retry == "1", f"503 came with Retry-After {retry!r}, not '1'. Clients back off by this header."
    assert not backend.asked and backend.free == [], (
        f"No slot was free, yet the model was asked {len(backend.asked)} times and free is now {backend.free}."
    )


@pytest.mark.task(5)
async def test_the_dependency_can_be_replaced_in_a_test() -> None:
    """Being replaced without a patch is half of what dependencies are for."""

    async def slot_42() -> int:
        return 42

    client = client_of(FakeBackend(free=[]), replaced={lesson.borrow_slot: slot_42})
    usual = "The replacement was not asked: is borrow_slot called by hand instead of through Depends?"
    body = expect(await client.post("/chat", json=ASK), 200, usual)

    assert body == {"slot": 42, "text": "About hi"}, f"borrow_slot was replaced by one that lends 42; answered: {body}."


# 01.6

SEARCH = {"X-Team": "search"}


@pytest.mark.task(6)
async def test_a_team_reads_its_own_usage() -> None:
    """Whoever pays wants to see for what."""
    client = client_of()
    usual = "A 307 means that the route is `/usage/`: with a prefix, the path of the route itself is empty."
    usage = expect(await client.get("/usage", headers=SEARCH), 200, usual)
    total = expect(await client.get("/usage/total", headers=SEARCH), 200)

    assert usage == {"team": "search", "tokens": {"mock-large": 1200, "mock-small": 300}}, f"/usage answered {usage}."
    assert total == {"team": "search", "total": 1500}, f"/usage/total answered {total}."


@pytest.mark.task(6)
async def test_without_a_known_team_every_route_refuses() -> None:
    """The check is worth what its weakest route is worth."""
    client = client_of()
    for path in ("/usage", "/usage/total"):
        body = expect(await client.get(path), 422, "The request had no X-Team.")
        assert ["header", "x-team"] in complaints(body), (
            f"{path} without X-Team was refused with {body}, which does not name the header x-team."
        )
        expect(await client.get(path, headers={"X-Team": "nobody"}), 403, "Nobody knows a team called nobody.")


@pytest.mark.task(6)
async def test_a_route_that_is_added_later_gets_prefix_tag_and_check() -> None:
    """The open route is never the one you wrote; it is the one a colleague adds next month."""
    router = lesson.usage_router()

    @router.get("/next-month")
    async def read_next_month() -> dict[str, str]:
        return {"added": "later"}

    app = FastAPI()
    app.include_router(router)
    client = caller(app)
    expect(await client.get("/usage", headers=SEARCH), 200)

    usual = "A route that is added to the router should start with /usage: the prefix belongs to the router."
    expect(await client.get("/usage/next-month", headers=SEARCH), 200, usual)
    usual = "A new route of the router is open to all: the check hangs on each route, and belongs to the router."
    expect(await client.get("/usage/next-month", headers={"X-Team": "nobody"}), 403, usual)
    tags = {path: operation.get("tags") for path, operation in operations(app.openapi())}
    assert tags == {path: ["usage"] for path in ("/usage", "/usage/total", "/usage/next-month")}, (
        f"OpenAPI files the routes under {tags}. A tag of the router is a tag of each of its routes."
    )


@pytest.mark.task(6)
async def test_one_replacement_serves_every_route_of_the_router() -> None:
    """A test that cares for numbers should not have to care for headers."""

    async def always_support() -> str:
        return "support"

    client = client_of(replaced={lesson.current_team: always_support})

    seen = [expect(await client.get(path, headers=SEARCH), 200) for path in ("/usage", "/usage/total")]

    assert seen == [{"team": "support", "tokens": {"mock-small": 80}}, {"team": "support", "total": 80}], (
        f"current_team was replaced by one that says support, and the routes answered {seen}. "
        "They get the team some other way than through Depends."
    )


@pytest.mark.task(6)
async def test_the_rest_of_the_service_asks_for_no_team() -> None:
    """A check on the whole application also locks out the load balancer."""
    client = client_of()
    expect(await client.get("/usage", headers=SEARCH), 200)

    expect(await client.get("/sessions/none"), 404, "This route is not under /usage and needs no X-Team.")
