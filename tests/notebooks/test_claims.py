"""Every question stands alone, and every proof fails when its claim is broken on purpose."""

import pytest

from coach.questions import Question
from tests.notebooks.running import QUESTIONS, run_cells

# Of each question one piece of its code, and what makes the claim untrue.
BROKEN = {
    "basics-01": ("le=4_096", "le=8_000"),
    "basics-02": (
        'yield "a connection"\n    finally:\n        log.append("back")',
        'yield "a connection"\n    finally:\n        pass',
    ),
    "basics-03": (
        '    def blocks() -> None:\n        inside.append("one more")\n        door.wait()',
        '    async def blocks() -> None:\n        inside.append("one more")\n        await free.wait()',
    ),
    "basics-04": ("async def parse() -> None:", "def parse() -> None:"),
    "basics-05": ("stack.enter_async_context(resource(name))", "resource(name).__aenter__()"),
    "basics-06": (
        'body: GenerateRequest) -> str:\n    return f"About {body.prompt}"',
        'prompt: str) -> str:\n    return f"About {prompt}"',
    ),
    "basics-07": (
        "create_app({}) for _ in range(4)",
        "create_app(shared_by_accident) for shared_by_accident in [{}] * 4",
    ),
    "basics-08": ("waiting_after_a_minute(7, 30.0, at_once)", "waiting_after_a_minute(7, 0.5, at_once)"),
    "models-01": ('one["msg"] for one in error.errors()', "str(one) for one in error.errors()"),
    "models-02": ("temperature: float | None\n", "temperature: float | None = None\n"),
    "models-03": ("temperature: float | None = Field(default=None", "temperature: float | None = Field(default=0.7"),
    "models-04": ("for last in (False, True):", "for last in (False, False, True):"),
    "models-05": ("class ChatResponse(BaseModel):", 'class ChatResponse(BaseModel, extra="allow"):'),
    "models-06": ('TypeAdapter(Annotated[AnyPart, Field(discriminator="type")])', "TypeAdapter(AnyPart)"),
    "models-07": ('validation_alias=AliasChoices("completion_tokens", "output_tokens")', "default=0"),
    "models-08": ("class Choice(BaseModel):", 'class Choice(BaseModel, extra="forbid"):'),
    "async-01": ("timeout=httpx.Timeout(5, read=60)", "timeout=httpx.Timeout(5, read=600)"),
    "async-02": ("[await ask_model() for _ in range(3)]", "await together()"),
    "async-03": (
        "        calls = [group.create_task(ask(client, prompt))",
        "        return await with_gather(client)\n        calls = [group.create_task(ask(client, prompt))",
    ),
    "async-04": ('"doubling, full jitter": lambda n: draw(0, bound(n))', '"doubling, full jitter": lambda n: bound(n)'),
    "async-05": ("max_retries=client_retries", "max_retries=0"),
    "async-06": ("run(load(calls_per_s, 3.0, 100))", "run(load(calls_per_s, 3.0, 50))"),
    "async-07": ("        working.cancel()\n", ""),
    "async-08": (
        "with httpx.Client(headers=KEY) as client:\n        client.post",
        "async with httpx.AsyncClient(headers=KEY) as client:\n        await client.post",
    ),
    "async-09": ('raise ConnectionError("the mail server is down")', 'ran.append("send_receipt")'),
    "streaming-01": (
        "StreamingResponse(tokens(), media_type",
        "StreamingResponse(iter([token async for token in tokens()]), media_type",
    ),
    "streaming-02": ('codecs.getincrementaldecoder("utf-8")()', 'codecs.getincrementaldecoder("latin-1")()'),
    "streaming-03": ("        if reply.status_code == 429:\n", "        if False:\n"),
    "streaming-04": ('    raise ConnectionError("the model broke off")\n', ""),
    "streaming-05": ("CancelScope(shield=shielded)", "CancelScope(shield=False)"),
    "streaming-06": ('"X-Accel-Buffering": "no"', '"X-Accel-Buffering": "yes"'),
    "streaming-07": ('@app.post("/chat")', '@app.api_route("/chat", methods=["GET", "POST"])'),
    "streaming-08": (
        "        yield part  # outside of the timeout: the reader's time",
        "        async with asyncio.timeout(limit_s):\n            yield part",
    ),
    "streaming-09": ("        if chat not in kept:\n", "        if True:\n"),
    "rag-01": ("best(scores, k=5)", "best(scores, k=100)"),
    "rag-02": ("if used > budget:", "if len(taken) == 5:"),
    "rag-03": ("agree(unit * lengths)", "agree(unit)"),
    "rag-04": ("1 / (60 + rank)", "1 / (60 + row)"),
    "rag-05": ("if not shown(one, hits):", "if False:"),
    "rag-06": ("mine = np.flatnonzero(owner == tenant)", "mine = np.arange(len(owner))"),
    "rag-07": ("escape(text.translate(DISGUISES), quote=False)", "text.translate(DISGUISES)"),
    "rag-08": ("vectors_of(texts)[:, shuffled]", "vectors_of(texts)"),
    "rag-09": ("return text if named else UNKNOWN", "return text"),
    "rag-10": ('"index.new"', '"index"'),
    "production-01": ("hide_input_in_errors=True", "hide_input_in_errors=False"),
    "production-02": ('SECRET.sub("[redacted]", json.dumps(line))', "json.dumps(line)"),
    "production-03": ("(first, now() - began, whole)", "(first, first, whole)"),
    "production-04": ("one > at - WINDOW_S", "one >= at - at % WINDOW_S"),
    "production-05": ("async with asyncio.timeout(1):", "async with asyncio.timeout(None):"),
    "production-06": ('getattr(request.scope.get("route"), "path", "other")', "request.url.path"),
    "production-07": ("self.trying = tries and not self.everybody_tries", "self.trying = False"),
    "production-08": ("json.dumps([caller, body], sort_keys=True)", "json.dumps([body], sort_keys=True)"),
    "production-09": ("burns(14.4, 60, 5)", "burns(14.4, 1, 1)"),
    "deployment-01": ("        await asyncio.sleep(self.notice_s)\n", ""),
    "deployment-02": ('self.asks_provider == "live" and 60', "60"),
    "deployment-03": ("math.ceil(average + 3 * math.sqrt(average))", "average"),
    "deployment-04": ('f"exec {shlex.join(server)}"', 'f"trap : TERM; {shlex.join(server)}; true"'),
    "deployment-05": ('ill = self.server.state == "database gone" and', "ill = False and"),
    "deployment-06": ("job TEXT PRIMARY KEY", "job TEXT"),
    "deployment-07": ("return open_streams * FUNCTION_GB", "return requests_per_s * FUNCTION_GB"),
    "auth-01": ("APIRouter(dependencies=[Depends(current_principal)])", "APIRouter()"),
    "auth-02": ('[hasher.hash("letmein") for _', '[sha256("letmein") for _'),
    "auth-03": (
        'alg, material, issuer = RING[header["kid"]]',
        '(_, material, issuer), alg = RING[header["kid"]], header["alg"]',
    ),
    "auth-04": (
        'caller = service(foreign=HTTPException(404, "not found"))',
        'caller = service(foreign=HTTPException(404, "not yours"))',
    ),
    "auth-05": (
        "found.update(good=now < ends_at, until=now + cached_s)",
        "found.update(good=now < ends_at, until=now + 60)",
    ),
    "auth-06": ('three = {10: ("old", {"old", "new"}), 20', "three = {20"),
    "auth-07": ("CancelScope(shield=True)", "CancelScope(shield=False)"),
    "design-01": ("min(USERS * 60 / EVERY_S, by_cpu, by_provider)", "min(USERS * 60 / EVERY_S, by_cpu)"),
    "design-02": ('near = np.argsort(far, kind="stable")[:candidates]', 'near = np.argsort(far, kind="stable")[:10]'),
    "design-03": ("waiting += leased[n:]", "waiting += leased[n + 1 :]"),
    "design-04": ("take = 1 if take_turns else left[team]", "take = left[team]"),
    "design-05": (
        "        if key not in self.paid:\n            self.paid.append(key)",
        "        self.paid.append(key)",
    ),
}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_question_stands_alone_and_proves_its_claim(question: Question, capsys: pytest.CaptureFixture[str]) -> None:
    for cells in (question.proof, question.counterproof):
        assert any("assert " in cell for cell in cells), "a proof asserts what it prints"
    run_cells(question, *question.proof, *question.counterproof, question.exercise, question.check)
    said = capsys.readouterr().out.strip().splitlines()
    assert said[-1].startswith("to do "), "an open exercise is said to be open"
    assert len(said) - 1 <= 5 * (len(question.proof) + len(question.counterproof)), "about three lines a cell"


def test_every_question_is_broken_on_purpose() -> None:
    assert set(BROKEN) == {question.id for question in QUESTIONS}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_broken_claim_fails_its_proof(question: Question) -> None:
    right, wrong = BROKEN[question.id]
    cells = [*question.proof, *question.counterproof]
    assert sum(cell.count(right) for cell in cells) >= 1, "what is to be broken is not there any more"
    with pytest.raises(AssertionError):
        run_cells(question, *(cell.replace(right, wrong) for cell in cells))
