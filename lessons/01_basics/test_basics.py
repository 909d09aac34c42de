"""What lesson 01 promises. Each test watches the service from outside, as a caller or a server would."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import copy
from functools import cache
from typing import Any

import anyio.to_thread
import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import app as lesson

# A test of 01.6 says what is wrong when a router is handed out twice; FastAPI only warns, and in every task.
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate Operation ID:UserWarning")

GUARD_S = 5  # how long a stopped loop is waited for; a right answer never waits
GUARD_TURNS = 100  # how many turns of the loop, 10 ms each, an event is waited for; a right answer never waits


class ModelDown(Exception):
    """What the fake model raises."""


class FakeBackend:
    """The lesson's `Backend`, with a model that can fail and a memory of what it was asked."""

    def __init__(self, free: list[int] | None = None, error: Exception | None = None) -> None:
        self.rows: dict[str, Any] = {}
        self.free = [0, 1] if free is None else free
        self.asked: list[str] = []
        self.free_while_asked: list[list[int]] = []
        self.saves = 0
        self.error = error

    async def complete(self, prompt: str) -> str:
        """Answer at once, or raise."""
        self.asked.append(prompt)
        self.free_while_asked.append(sorted(self.free))
        if self.error:
            raise self.error
        return f"About {prompt}"

    def save(self, session: Any) -> None:
        """Store it at once, as it is at this moment: a database does not see what is changed later."""
        self.saves += 1
        self.rows[session.id] = copy(session)


class Wire(httpx.ASGITransport):
    """Calls an application in the event loop of the test. What it raises becomes a 500 that carries the error."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; a TODO that is still open goes straight to the test."""
        try:
            return await super().handle_async_request(request)
        except NotImplementedError:
            raise
        except Exception as error:
            return httpx.Response(500, extensions={"error": error})


def caller(app: ASGIApp) -> httpx.AsyncClient:
    """Somebody who calls an application."""
    return httpx.AsyncClient(transport=Wire(app), base_url="http://test")


@cache
def shared_app() -> FastAPI:
    """Build the learner's application, once: the tests that share it change nothing in it but its dependencies."""
    return lesson.create_app()


@cache
def chat_desk() -> FastAPI:
    """Build an application with nothing but its two system routes, once."""
    return lesson.create_app(title="Chat desk", description="Ask it.", version="2.3.4", routers=[])


def app_of(backend: FakeBackend | None = None, replaced: dict[Any, Any] | None = None) -> FastAPI:
    """The learner's application. Until the next call of this function, that fake is behind it."""
    behind = backend or FakeBackend()

    async def fake_backend() -> FakeBackend:
        return behind

    app = shared_app()
    app.dependency_overrides = {lesson.get_backend: fake_backend, **(replaced or {})}
    return app


def client_of(backend: FakeBackend | None = None, replaced: dict[Any, Any] | None = None) -> httpx.AsyncClient:
    """A caller of the learner's application, with that fake behind it."""
    return caller(app_of(backend, replaced))


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application, lend a caller of it, and stop it, as a server does."""
    async with app.router.lifespan_context(app) as yielded:
        state = dict(yielded or {})

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": state.copy()}, receive, send)

        yield caller(with_state)


ASK_FOR_IT = "A handler gets the one that the tests put in its place as a parameter, `backend: BackendDep`."
BYPASSED = f"Nothing was started, so `request.state` is empty: the fake backend was never asked. {ASK_FOR_IT}"
AS_ERROR = "A warning counts as an error here: it says what to use instead."


def expect(response: httpx.Response, status: int, usual: str | Mapping[int, str] = "") -> Any:
    """Return the JSON of a response that has this status; fail in words if it has another.

    `usual` is what a failure usually means, or what it means for each status that may be seen instead.
    """
    seen = f"{response.request.method} {response.request.url.raw_path.decode()} answered {response.status_code}"
    error = response.extensions.get("error")
    if response.status_code != status:
        hint = usual if isinstance(usual, str) else usual.get(response.status_code, "")
        if error:
            seen += f" ({short(f'{type(error).__name__}: {error}')}), not {status}."
            if isinstance(error, Warning):
                hint = AS_ERROR
            elif not hint and "'State' object has no attribute" in str(error):
                hint = BYPASSED
        else:
            seen += f", not {status}: {short(response.text) or 'no body'}."
        raise AssertionError(f"{seen} {hint}".strip()) from error
    try:
        return response.json()
    except ValueError:
        pytest.fail(f"{seen} with a body that is not JSON: {short(response.text)}")


def short(text: str) -> str:
    """The first 200 characters, and a sign that there were more."""
    return text if len(text) <= 200 else f"{text[:200]}…"


def part(body: Any, name: str) -> Any:
    """One field of a JSON object; None if it has no such field, or is no object."""
    return body.get(name) if isinstance(body, dict) else None


def complaints(body: Any) -> list[Any]:
    """Where a 422 in FastAPI's shape found something wrong: [["query", "limit"], ...]."""
    detail = part(body, "detail")
    return [part(error, "loc") for error in detail] if isinstance(detail, list) else []


def operations(api: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of an OpenAPI document, with its path."""
    for path, methods in api["paths"].items():
        for operation in methods.values():
            yield path, operation


# 01.1


@pytest.mark.task(1)
async def test_root_says_which_service_and_version_answers() -> None:
    """At two in the morning the first question is which version is running."""
    body = expect(await caller(chat_desk()).get("/"), 200)

    assert body == {"service": "Chat desk", "version": "2.3.4", "docs": "/docs"}, (
        f"`/` of an application titled 'Chat desk', version 2.3.4, answered {body}. "
        "A title written twice is right in one place and old in the other: take it from the arguments."
    )


@pytest.mark.task(1)
async def test_health_says_ok() -> None:
    """A load balancer asks this every few seconds and takes the process out when it does not answer."""
    alone = "The application was not started: `/health` says that the process answers, and needs nothing behind it."
    body = expect(await caller(chat_desk()).get("/health"), 200, {500: alone})

    assert body == {"status": "ok"}, f'`/health` answered {body}, not {{"status": "ok"}}.'


@pytest.mark.task(1)
async def test_the_documentation_says_whose_it_is() -> None:
    """Clients are generated from OpenAPI; "FastAPI 0.1.0" tells them nothing."""
    client = caller(chat_desk())
    docs = part(expect(await client.get("/"), 200), "docs")

    info = part(expect(await client.get("/openapi.json"), 200), "info")
    page = await client.get(str(docs))

    for name, given in {"title": "Chat desk", "description": "Ask it.", "version": "2.3.4"}.items():
        told = part(info, name)
        assert told == given, (
            f"create_app was given the {name} {given!r}, but in OpenAPI the {name} is "
            f"{'missing' if told is None else repr(told)}. What create_app is given has to reach FastAPI(...)."
        )
    assert sorted(info) == ["description", "title", "version"], f"OpenAPI's info holds more than was given: {info}."
    assert page.status_code == 200 and "Chat desk" in page.text, (
        f"`/` points at {docs!r}, which answered {page.status_code}. The page that FastAPI serves names the service."
    )


@pytest.mark.task(1)
async def test_openapi_files_the_system_routes_under_one_tag_with_a_description() -> None:
    """A route without a word in the docs is asked about in chat, every week."""
    client = caller(chat_desk())
    expect(await client.get("/health"), 200)

    paths = expect(await client.get("/openapi.json"), 200)["paths"]

    for path in ("/", "/health"):
        operation = part(paths.get(path), "get") or {}
        assert operation.get("tags") == ["system"] and operation.get("description"), (
            f"OpenAPI says of {path}: tags {operation.get('tags')}, description {operation.get('description')!r}. "
            "It should have the tag system and a description; a handler's docstring becomes one."
        )


@pytest.mark.task(1)
async def test_it_serves_the_routers_it_is_given_and_no_others() -> None:
    """A route that nobody asked for is one that nobody guards."""
    client = caller(chat_desk())
    expect(await client.get("/health"), 200)

    paths = expect(await client.get("/openapi.json"), 200)["paths"]

    more = sorted(set(paths) - {"/", "/health"})
    assert not more, f"With routers=[] there is only `/` and `/health`, but OpenAPI also knows {short(str(more))}. " + (
        "An empty list is not None: `or` takes one for the other." if "/models" in more else "Nobody asked for that."
    )


@pytest.mark.task(1)
async def test_two_applications_share_nothing() -> None:
    """A factory is what lets every test have a service of its own."""
    first, second = (caller(lesson.create_app(title=title, routers=[])) for title in ("First", "Second"))

    names = [part(expect(await client.get("/"), 200), "service") for client in (first, second, first)]

    assert names == ["First", "Second", "First"], (
        f"Two applications, titled First and Second, call themselves {names}. "
        "Something outlives the call of create_app: a global, or one application handed out twice."
    )


@pytest.mark.task(1)
async def test_the_lifespan_it_is_given_runs() -> None:
    """A lifespan that nobody runs fails on the first request, not at start-up."""
    log: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.append("start")
        yield
        log.append("stop")

    async with started(lesson.create_app(routers=[], lifespan=lifespan)) as client:
        expect(await client.get("/"), 200)

    assert log == ["start", "stop"], f"The lifespan given to create_app logged {log}. Was it passed to FastAPI(...)?"


# 01.2


async def page_of(client: httpx.AsyncClient, query: str) -> tuple[int, list[str]]:
    """Ask for one page of models; return the total it states and the names on it."""
    body = expect(await client.get(f"/models{query}"), 200)
    assert isinstance(body, dict) and sorted(body) == ["items", "total"], (
        f"/models{query} answered {body}, not an object with total and items."
    )
    return body["total"], [part(card, "name") for card in body["items"]]


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
    """What is let in unchecked costs somebody: `limit=1000000` is an outage, `vision=perhaps` a wrong answer."""
    client = client_of()
    bad = {"limit": ["0", "11", "many"], "offset": ["-1"], "vision": ["perhaps"]}
    usual = "Declare type and bounds with the parameter, and FastAPI refuses what breaks them and says where."

    for name, values in bad.items():
        for value in values:
            body = expect(await client.get("/models", params={name: value}), 422, usual)
            assert complaints(body) == [["query", name]], (
                f"{name}={value} was refused with {body}, which does not name the query parameter {name}. {usual}"
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
    usual = {404: "A plain {name} in a path ends at the first slash."}
    slash = expect(await client.get("/models/acme/mock-chat"), 200, usual)

    assert plain == {"name": "mock-large", "vision": True}, f"/models/mock-large answered {plain}."
    assert slash == {"name": "acme/mock-chat", "vision": False}, f"/models/acme/mock-chat answered {slash}."


@pytest.mark.task(2)
async def test_an_unknown_model_is_404_and_the_body_says_which_exist() -> None:
    """The caller mistyped a name or the model retired; say what to write instead."""
    body = expect(
        await client_of().get("/models/mock-huge"),
        404,
        {422: "That usually means an Enum of names in the code: then each model that comes or goes is a release."},
    )

    detail = part(body, "detail")
    assert isinstance(detail, dict), (
        f"detail of the 404 has to be an object with message and available, so that a program can read it; it is: "
        f"{detail!r}. HTTPException takes a dict as detail, too."
    )
    assert "mock-huge" in str(detail.get("message")), f"detail.message of the 404 does not name mock-huge: {detail}."
    assert detail.get("available") == ["acme/mock-chat", "mock-large", "mock-small", "mock-vision"], (
        f"detail.available of the 404 is {detail.get('available')}, not the four names that exist, sorted."
    )


# 01.3

NEW = {"model": "mock-small", "prompt": "Tokyo in May"}
IN_URL = "If it asks for ['query', 'prompt']: a bare `prompt: str` is read from the URL; a model is read from the body."


@pytest.mark.task(3)
async def test_creating_answers_201_with_the_new_session() -> None:
    """200 says "here is something"; 201 says "it exists now"."""
    backend = FakeBackend()
    client = client_of(backend)

    body = expect(await client.post("/sessions", json=NEW), 201, {422: IN_URL})

    assert body == {"id": part(body, "id"), "model": "mock-small", "title": "About Tokyo in May"}, (
        f"The new session is {body}. It has an id, the model of the request and, as its title, "
        "what backend.complete answers to the prompt alone: here 'About Tokyo in May'."
    )
    assert backend.asked, (
        f"The answer was {body}, but the fake backend was never asked: a Backend of your own? {ASK_FOR_IT}"
    )
    assert isinstance(body["id"], str) and body["id"], f"The id of a session is a text; this one is {body['id']!r}."
    documented = expect(await client.get("/openapi.json"), 200)["paths"]["/sessions"]["post"]["responses"]
    assert "201" in documented, (
        f"OpenAPI documents {sorted(documented)}. A status that is set on the response alone is not seen by the docs."
    )
    assert "200" not in documented, f"OpenAPI documents {sorted(documented)}: 200 as well, which is never answered."


class BlockingBackend(FakeBackend):
    """Saving blocks its thread until the test has been answered something else."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.loop_thread = threading.get_ident()
        self.saving = asyncio.Event()
        self.go_on = threading.Event()
        self.frozen = False
        self.log: list[str] = []

    def save(self, session: Any) -> None:
        """Block until the test lets go."""
        if threading.get_ident() == self.loop_thread:
            self.frozen = True  # this very call is what keeps the loop from doing anything else
        else:
            self.loop.call_soon_threadsafe(self.saving.set)
            self.frozen = not self.go_on.wait(GUARD_S)
        super().save(session)
        self.log.append("saved")


async def either(task: asyncio.Future[Any], event: asyncio.Event) -> None:
    """Wait until the event is set or the task has ended, whichever is first, or until neither will come any more."""
    waiter = asyncio.ensure_future(event.wait())
    for _ in range(GUARD_TURNS):
        done, _ = await asyncio.wait([task, waiter], timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
        if done:
            break
    waiter.cancel()


@pytest.mark.task(3)
async def test_while_a_session_is_saved_its_own_caller_waits_and_nobody_else() -> None:
    """One blocking call in one `async def`, and every user waits; answer before it, and a crash loses what you said."""
    backend = BlockingBackend()
    app = app_of(backend)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def watched_send(message: Message) -> None:
            if scope["method"] == "POST" and message["type"] == "http.response.start":
                backend.log.append("answered")
            await send(message)

        await app(scope, receive, watched_send)

    client = caller(watched)
    post = asyncio.ensure_future(client.post("/sessions", json=NEW))
    try:
        await either(post, backend.saving)
        if not post.done():
            expect(await client.get("/sessions/none"), 404)
        for _ in range(50):  # turns of the loop, in which an answer that waits for nobody goes out
            await asyncio.sleep(0)
    finally:
        backend.go_on.set()
    expect(await post, 201, {422: IN_URL})

    assert not backend.frozen, (
        "While save() was running, the event loop was stopped and nobody else was answered. "
        "save() blocks, as time.sleep or requests do: inside `async def` it has to go to a thread."
    )
    assert backend.log[0] == "saved", (
        "When the answer went out, save() had not ended: 201 was said of a session that is not stored. "
        "A task that nobody awaits runs on its own, and BackgroundTasks run after the answer: await it instead."
    )


@pytest.mark.task(3)
async def test_the_model_is_asked_once_and_the_session_saved_once() -> None:
    """Every call of the model is on the bill, and every write is one more that can fail half way."""
    backend = FakeBackend()

    expect(await client_of(backend).post("/sessions", json=NEW), 201, {422: IN_URL})

    assert backend.asked == [NEW["prompt"]], (
        f"One session was created, and the model was asked {len(backend.asked)} times: {backend.asked}. "
        "Ask once, with the prompt alone, and keep what it answers."
    )
    assert backend.saves == 1, f"One session was created, and save() was called {backend.saves} times, not once."


@pytest.mark.task(3)
async def test_location_leads_to_the_new_session() -> None:
    """A caller follows Location; it should not have to know how you build URLs."""
    client = client_of()
    response = await client.post("/sessions", json=NEW)
    body = expect(response, 201, {422: IN_URL})

    location = response.headers.get("location")
    assert location, f"201 came without Location: {dict(response.headers)}. It says where the new thing is."
    url = response.url.join(location)
    assert url.host == "test", (
        f"The request went to http://test/sessions, and Location is {location!r}. "
        "A host that is written into the code is right on one machine: leave it out, or take it from the request."
    )
    found = expect(await client.get(url), 200, f"Location was {location!r}.")
    assert found == body, (
        f"The answer was {body}, but at its Location {location!r} is {found}. "
        "What is changed in a session after save() does not reach the database."
    )


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


class PatientBackend(FakeBackend):
    """A model that answers only after all `users` are waiting for it."""

    def __init__(self, users: int) -> None:
        super().__init__()
        self.users = users
        self.loop = asyncio.get_running_loop()
        self.other_loops = 0
        self.waiting = 0
        self.all_wait = asyncio.Event()
        self.go_on = asyncio.Event()

    async def complete(self, prompt: str) -> str:
        """Wait until the test lets go."""
        if asyncio.get_running_loop() is not self.loop:
            self.other_loops += 1
            return await super().complete(prompt)
        self.waiting += 1
        if self.waiting == self.users:
            self.all_wait.set()
        await self.go_on.wait()
        return await super().complete(prompt)

    def save(self, session: Any) -> None:
        """Store it in the next turn of the loop: after all who wait for the same answer have gone on."""
        with suppress(RuntimeError):  # a thread that nobody awaits may outlive the loop
            self.loop.call_soon_threadsafe(super().save, session)


@pytest.mark.task(3)
async def test_five_users_wait_together_and_hold_no_thread_and_get_five_sessions() -> None:
    """What works for one user fails in the first busy second: 40 threads run out, a counted id is given twice."""
    backend = PatientBackend(users=5)
    client = client_of(backend)

    posts = asyncio.gather(*(client.post("/sessions", json=NEW) for _ in range(5)))
    await either(posts, backend.all_wait)
    threads = int(anyio.to_thread.current_default_thread_limiter().borrowed_tokens)
    waiting = backend.waiting
    backend.go_on.set()
    ids = [part(expect(response, 201, {422: IN_URL}), "id") for response in await posts]

    assert not backend.other_loops, (
        f"{backend.other_loops} of 5 model calls ran on an event loop of their own (asyncio.run in a `def` handler?). "
        "That costs a thread and a loop per user, and a client shared by all breaks on it."
    )
    assert waiting == 5, (
        f"5 requests were sent, and only {waiting} reached complete() at the same time. "
        "Something lets them in a few at a time: a Lock or a Semaphore around the call?"
    )
    assert threads == 0, (
        f"5 users wait for the model, and {threads} of the 40 threads are held meanwhile. "
        "A `def` handler keeps its thread until it returns; what can be awaited is awaited in `async def`."
    )
    assert len(set(ids)) == 5, (
        f"5 sessions were created at the same moment, with ids {ids}; who has the same id overwrites the other. "
        "What is counted or read from the clock is the same for two who come together; uuid4() is not."
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


async def run(lifespan: Any, serve: Callable[[], object]) -> list[str]:
    """Enter a lifespan, serve, leave it; return the texts of the errors that came out, one of a group each."""
    opened = lifespan(FastAPI())
    assert isinstance(opened, AbstractAsyncContextManager), (
        f"open_all(...)(app) gave an object of type {type(opened).__name__}, which `async with` cannot enter. "
        "A function with a `yield` becomes an async context manager by @asynccontextmanager."
    )
    try:
        async with opened:
            serve()
    except ExceptionGroup as group:
        return [str(error) for error in group.exceptions]
    except Exception as error:
        return [str(error)]
    return []


@pytest.mark.task(4)
async def test_opens_in_the_order_given_and_closes_in_reverse() -> None:
    """What was opened later may lean on what was opened first, so it has to go first."""
    log: list[str] = []
    lifespan = lesson.open_all(c=maker(log, "c"), a=maker(log, "a"), b=maker(log, "b"))

    async with started(FastAPI(lifespan=lifespan)):
        log.append("serve")

    assert log != ["serve"], (
        "open_all(c=..., a=..., b=...) was started, and nothing was opened: enter what makers make."
    )
    opened = [step for step in log if step.startswith("open")]
    assert opened == ["open c", "open a", "open b"], (
        f"open_all(c=..., a=..., b=...) did {opened}. The caller's order counts, not the alphabet's."
    )
    assert log == ["open c", "open a", "open b", "serve", "close b", "close a", "close c"], (
        f"open_all(c=..., a=..., b=...) and one run of the service gave: {log}. "
        "All is opened before the service serves, and closing goes backwards: b, a, c."
    )


@pytest.mark.task(4)
def test_nothing_is_opened_before_the_service_starts() -> None:
    """An import that opens connections breaks tests, workers that fork, and every tool that reads your code."""
    log: list[str] = []

    lifespan = lesson.open_all(a=maker(log, "a"))
    FastAPI(lifespan=lifespan)

    assert log == [], f"Building the application already did: {log}. Opening belongs to start-up."


@pytest.mark.task(4)
async def test_requests_find_the_resource_and_it_is_opened_once() -> None:
    """A client costs about 20 ms to build: opened per request, it costs more than your whole service."""
    log: list[str] = []
    app = FastAPI(lifespan=lesson.open_all(pool=maker(log, "pool"), store=maker(log, "store")))

    @app.get("/probe")
    async def probe(request: Request) -> dict[str, str | None]:
        found = {name: getattr(request.state, name, None) for name in ("pool", "store")}
        return {name: one if one is None or type(one) is str else type(one).__name__ for name, one in found.items()}

    async with started(app) as client:
        seen = [expect(await client.get("/probe"), 200) for _ in range(3)]

    assert seen[0] != {"pool": "Resource", "store": "Resource"}, (
        "request.state.pool is the manager itself, as the maker made it. What entering it returns is the resource."
    )
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

    assert "serve" not in log, f"c failed to open, and the service was started without it: {log}."
    assert "open d" not in log, f"d was opened although c, before it, had failed: {log}. Open them one after another."
    assert "close c" not in log, f"c was closed, but it had failed to open: {log}. Only what is open can be closed."
    left = " and ".join(name for name in ("a", "b") if f"close {name}" not in log)
    assert not left, (
        f"c failed to open after a and b were open, and this happened: {log}. Nobody closed {left}: open forever. "
        "What closes them has to be in place before the next one is opened."
    )
    assert log == ["open a", "open b", "open c", "close b", "close a"], (
        f"c failed to open after a and b were open, and this happened: {log}. Closing goes backwards: b, then a."
    )
    assert failure == ["c is down"], f"The server should see the error that c raised; it saw {failure}."


@pytest.mark.task(4)
async def test_a_service_that_ends_by_an_error_closes_what_was_open() -> None:
    """A server that is killed by a bug should not leave its connections to the database to time out."""
    log: list[str] = []

    def break_down() -> None:
        raise OSError("the disk is full")

    failure = await run(lesson.open_all(a=maker(log, "a"), b=maker(log, "b")), break_down)

    assert log == ["open a", "open b", "close b", "close a"], (
        f"The service ended by an error, and this happened: {log}. "
        "The error comes in at the `yield`: without `async with` or `finally` around it, what follows is skipped."
    )
    assert failure == ["the disk is full"], f"The error that ended the service has to go on; out came {failure}."


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

ASK = {"prompt": "Oslo in June"}
ASKED_IN_URL = {422: "The prompt travels in the body: a bare `prompt: str` is read from the URL."}


async def failure_of(error: Exception) -> Exception | int:
    """Let the model raise while a slot is lent; return what came out of the service, or the status if nothing did."""
    backend = FakeBackend(error=error)
    response = await client_of(backend).post("/chat", json=ASK)
    assert backend.asked, f"The model was never asked: /chat answered {response.status_code}."
    return response.extensions.get("error") or response.status_code


@pytest.mark.task(5)
async def test_the_slot_comes_from_the_backend_that_all_requests_share() -> None:
    """A limit that each request brings along with itself limits nobody."""
    body = expect(await client_of(FakeBackend(free=[7])).post("/chat", json=ASK), 200, ASKED_IN_URL)

    assert part(body, "slot") == 7, (
        f"The service's backend had slot 7 to lend and no other, but the answer was {body}. "
        "Numbers of your own, or a resource opened per request: the backend is opened once, and `backend.free` counts."
    )


@pytest.mark.task(5)
async def test_a_reply_is_made_with_a_borrowed_slot() -> None:
    """A slot is the right to use the model; without holding one, a hundred users are a hundred calls."""
    backend = FakeBackend(free=[4, 9])

    body = expect(await client_of(backend).post("/chat", json=ASK), 200, ASKED_IN_URL)

    assert backend.asked, f"The answer was {body}, but the model was not asked: await backend.complete(prompt)."
    assert backend.asked == [ASK["prompt"]], f"The model was asked {backend.asked}, not {ASK['prompt']!r}, once."
    assert body in ({"slot": 4, "text": "About Oslo in June"}, {"slot": 9, "text": "About Oslo in June"}), (
        f"The slots 4 and 9 were free, and the answer was {body}. "
        "It holds the slot that was borrowed, 4 or 9, and what complete() returned, 'About Oslo in June'."
    )
    others = [slot for slot in (4, 9) if slot != body["slot"]]
    assert backend.free_while_asked == [others], (
        f"Slot {body['slot']} was answered, but while the model worked {backend.free_while_asked[0]} were free. "
        "A slot that is lent is not in backend.free."
    )
    assert sorted(backend.free) == [4, 9], f"After the reply free is {backend.free}; it was [4, 9] before."


@pytest.mark.task(5)
async def test_the_slot_comes_back_when_the_handler_raises() -> None:
    """Two errors in a night, and the service answers 503 until somebody wakes up."""
    backend = FakeBackend(error=ModelDown("down"))

    await client_of(backend).post("/chat", json=ASK)

    assert backend.asked, "The model was never asked, so nothing can be said about what follows its error."
    assert sorted(backend.free) == [0, 1], (
        f"The handler raised, and free is {backend.free}; it was [0, 1]. "
        "The clean-up after `yield` was skipped: an error comes in at the `yield`, so what follows it needs `finally`."
    )


@pytest.mark.task(5)
async def test_the_slot_comes_back_when_the_handler_is_cancelled() -> None:
    """Two users close their tabs, and the service answers 503 until somebody wakes up."""
    backend = PatientBackend(users=1)

    post = asyncio.ensure_future(client_of(backend).post("/chat", json=ASK))
    await either(post, backend.all_wait)
    lent = list(backend.free)
    post.cancel()
    [ended] = await asyncio.gather(post, return_exceptions=True)
    if isinstance(ended, NotImplementedError):
        raise ended

    assert backend.waiting == 1, "The model was never asked, so nothing can be said about what follows."
    assert len(lent) == 1, f"While the model worked, {lent} were free: no slot was lent."
    assert sorted(backend.free) == [0, 1], (
        f"The handler was cancelled, and free is {backend.free}; it was [0, 1]. "
        "A cancellation is no Exception, so `except Exception` does not see it: `finally` sees all there is."
    )


@pytest.mark.task(5)
async def test_the_error_goes_on_as_it_was() -> None:
    """A dependency that swallows an error turns a clear cause into a riddle."""
    for error in (ModelDown("down"), IndexError("no choices in the answer"), KeyError("text"), ValueError("not JSON")):
        seen = await failure_of(error)
        assert seen is error, (
            f"The model raised {error!r} while the slot was lent, and out came {short(repr(seen))}. "
            "After clean-up the error has to go on: raise it again. An `except` around the `yield` sees the handler's "
            "errors too, not only your own."
        )
    busy = await failure_of(HTTPException(429, "slow down"))
    assert busy == 429, f"An HTTPException 429 was raised while the slot was lent, and out came {busy!r}."


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_when_no_slot_is_free_it_is_503_with_retry_after() -> None:
    """Saying "busy, try in a second" at once is kinder than a queue without an end."""
    backend = FakeBackend(free=[])
    loop = asyncio.get_running_loop()
    before_s = loop.time()  # virtual: it moves when a coroutine sleeps, and only then

    response = await client_of(backend).post("/chat", json=ASK)

    usual = {500: "Nothing is free, so there is nothing to take: ask before you take, or catch what taking raises."}
    expect(response, 503, {**ASKED_IN_URL, **usual})
    retry = response.headers.get("retry-after")
    assert retry == "1", f"503 came with Retry-After {retry!r}, not '1'. Clients back off by this header."
    assert not backend.asked and backend.free == [], (
        f"No slot was free, yet the model was asked {len(backend.asked)} times and free is now {backend.free}."
    )
    slept_s = loop.time() - before_s
    assert slept_s == 0, f"503 came after {slept_s:g} s of sleep. It has to come at once: waiting is the caller's."


@pytest.mark.task(5)
async def test_the_dependency_can_be_replaced_in_a_test() -> None:
    """Being replaced without a patch is half of what dependencies are for."""

    async def slot_42() -> int:
        return 42

    client = client_of(FakeBackend(free=[]), replaced={lesson.borrow_slot: slot_42})
    usual = {503: "The replacement was not asked: is borrow_slot called by hand instead of through Depends?"}
    body = expect(await client.post("/chat", json=ASK), 200, {**ASKED_IN_URL, **usual})

    assert body == {"slot": 42, "text": "About Oslo in June"}, (
        f"borrow_slot was replaced by one that lends 42; answered: {body}."
    )


# 01.6

SEARCH = {"X-Team": "search"}


@pytest.mark.task(6)
async def test_a_team_reads_its_own_usage() -> None:
    """Whoever pays wants to see for what."""
    client = client_of()
    usual = {307: "That means the route is `/usage/`: with a prefix, the path of the route itself is empty."}
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
        places = [[str(one).lower() for one in place or []] for place in complaints(body)]
        assert ["header", "x-team"] in places, (
            f"{path} without X-Team was refused with {body}, which does not name the header x-team."
        )
        for team in ("nobody", "SEARCH"):
            usual = f"There is no team {team!r} in USAGE, letter by letter."
            expect(await client.get(path, headers={"X-Team": team}), 403, usual)
        empty = await client.get(path, headers={"X-Team": ""})
        if empty.status_code != 422:  # a check of the length is as good
            expect(empty, 403, "X-Team was there, and empty: that names no team either.")


@pytest.fixture
def night_team() -> Iterator[None]:
    """A team that comes while the service runs, and whose models nobody foresaw."""
    lesson.USAGE["night"] = {"mock-vision": 7, "acme/mock-chat": 5}
    yield
    lesson.USAGE.pop("night", None)


@pytest.mark.task(6)
@pytest.mark.usefixtures("night_team")
async def test_the_total_is_a_sum_over_whatever_models_there_are() -> None:
    """A sum that names its models is wrong on the day a model comes."""
    client = client_of()

    usual = "A team with other models, added to USAGE by this test: add up all that is there."
    total = expect(await client.get("/usage/total", headers={"X-Team": "night"}), 200, usual)

    assert total == {"team": "night", "total": 12}, f"7 tokens and 5 are 12, but /usage/total answered {total}. {usual}"


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
    expect(await client.get("/usage/next-month", headers=SEARCH), 200, {404: usual})
    usual = "A new route of the router is open to all: the check hangs on each route, and belongs to the router."
    expect(await client.get("/usage/next-month", headers={"X-Team": "nobody"}), 403, {200: usual})
    tags = {path: operation.get("tags") for path, operation in operations(app.openapi())}
    assert tags == {path: ["usage"] for path in ("/usage", "/usage/total", "/usage/next-month")}, (
        f"OpenAPI files the routes under {tags}. A tag of the router is a tag of each of its routes."
    )


@pytest.mark.task(6)
async def test_every_call_builds_a_router_of_its_own() -> None:
    """What one application adds to a router that is shared, all others serve too."""
    first, second = lesson.usage_router(), lesson.usage_router()
    app = FastAPI()
    app.include_router(second)
    expect(await caller(app).get("/usage", headers=SEARCH), 200)

    assert first is not second, (
        "usage_router() was called twice and returned the same router. "
        "Build it inside the function: at module level, or kept by a cache, there is one for all."
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
