"""The status page of the served fake, and the control endpoints behind its buttons.

GET  /_mock/requests            the calls, as JSON
POST /_mock/script              {"fault": "429 retry_after=2", "times": 3} queues an answer; see `faults`
POST /_mock/reset               forgets scripts and calls
"""

import json
from html import escape
from string import Template
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from .app import LLMApp
from .faults import FAULTS, script_from_words
from .mock import MockLLM
from .requests import Request
from .script import Script


def with_status_page(fake: MockLLM) -> Starlette:
    """The fake's ASGI app, with the status page at `/` and its control endpoints at `/_mock`."""

    async def show(http: HttpRequest) -> Response:
        return HTMLResponse(_page(fake, str(http.base_url).rstrip("/")))

    async def list_requests(http: HttpRequest) -> Response:
        return JSONResponse(
            {
                "requests": [_row(request) for request in fake.requests],
                "in_flight": fake.in_flight,
                "peak": fake.peak,
                "connections": fake.connections,
                "queued": fake.queued,
            }
        )

    async def script(http: HttpRequest) -> Response:
        from_page = "urlencoded" in http.headers.get("content-type", "")
        try:
            wanted = _read_form(await http.body(), from_page)
            # Checked first on a script of no consequence: a wrong word must not stay in the queue.
            script_from_words(wanted["fault"], Script(fake.bell))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        script_from_words(wanted["fault"], fake.script()).times(wanted["times"])
        return RedirectResponse("/", 303) if from_page else JSONResponse({"queued": fake.queued}, status_code=201)

    async def reset(http: HttpRequest) -> Response:
        fake.reset()
        from_page = "urlencoded" in http.headers.get("content-type", "")
        return RedirectResponse("/", 303) if from_page else JSONResponse({"queued": 0})

    return Starlette(
        routes=[
            Route("/", show),
            Route("/_mock/requests", list_requests),
            Route("/_mock/script", script, methods=["POST"]),
            Route("/_mock/reset", reset, methods=["POST"]),
            Mount("/", LLMApp(fake)),
        ]
    )


def _read_form(body: bytes, from_page: bool) -> dict[str, Any]:
    """What the picker or a JSON body asks for.

    Raises:
        ValueError: it has no "fault", or "times" is no number from 1 to 1000.
    """
    wanted = dict(parse_qsl(body.decode())) if from_page else json.loads(body)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("fault"), str):
        raise ValueError('send {"fault": "429 retry_after=2", "times": 1}')
    times = wanted.get("times", 1)
    if not str(times).isdecimal() or not 1 <= int(times) <= 1000:
        raise ValueError(f'"times" must be a number from 1 to 1000, got {times!r}')
    return {"fault": wanted["fault"], "times": int(times)}


def _row(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "method": request.method,
        "path": request.path,
        "model": request.chat.model if request.chat else None,
        "prompt": request.chat.prompt if request.chat else None,
        "stream": request.streamed,
        "status": request.status,
        "tokens_sent": request.tokens_sent,
        "state": request.state,
    }


def _page(fake: MockLLM, url: str) -> str:
    options = "".join(
        f'<option value="{escape(words)}">{escape(words)} - {escape(what)}</option>' for words, what in FAULTS.items()
    )
    models = ", ".join(f"<code>{escape(name)}</code>" for name in fake.catalog)
    return _PAGE.substitute(url=escape(url), options=options, models=models)


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mockllm</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  pre, code { font-family: ui-monospace, monospace; font-size: .9em; }
  pre { padding: .8rem; border: 1px solid #8886; border-radius: 6px; overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
  .wide { overflow-x: auto; }
  td.prompt { max-width: 18rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  form { display: flex; gap: .6rem; flex-wrap: wrap; align-items: end; margin: .6rem 0; }
  select, input, button { font: inherit; padding: .3rem .5rem; max-width: 100%; }
  label { display: grid; gap: .2rem; }
</style>
</head>
<body>
<h1>mockllm</h1>
<p>A fake of the OpenAI and Anthropic APIs. No model is behind it and nothing leaves this machine. Models: $models.</p>

<h2>Point a client at it</h2>
<pre>export OPENAI_BASE_URL=$url/v1 OPENAI_API_KEY=mock
export ANTHROPIC_BASE_URL=$url ANTHROPIC_API_KEY=mock

curl -N $url/v1/chat/completions \\
  -H 'Authorization: Bearer mock' -H 'Content-Type: application/json' \\
  -d '{"model": "mock-small", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'</pre>

<h2>Script the next answer</h2>
<form method="post" action="/_mock/script">
  <label>Fault <select name="fault">$options</select></label>
  <label>Calls <input name="times" type="number" min="1" max="1000" value="1"></label>
  <button>Queue it</button>
</form>
<form method="post" action="/_mock/reset"><button>Forget scripts and calls</button></form>
<p>For one request only, send the header <code>X-Mock-Fault: 429 retry_after=2</code>.
From a script: <code>POST /_mock/script</code> with <code>{"fault": "cut after=3", "times": 2}</code>.</p>

<h2>Calls</h2>
<p id="counts" role="status"></p>
<div class="wide"><table>
  <thead><tr><th>id</th><th>call</th><th>model</th><th>prompt</th><th>status</th><th>tokens</th><th>state</th></tr></thead>
  <tbody id="calls"></tbody>
</table></div>
<script>
  async function refresh() {
    const seen = await (await fetch("/_mock/requests")).json();
    document.getElementById("counts").textContent =
      `$${seen.requests.length} calls, $${seen.in_flight} in flight, at most $${seen.peak} at once, ` +
      `$${seen.connections} connections, $${seen.queued} answers queued`;
    const rows = seen.requests.slice().reverse().map((call) => {
      const row = document.createElement("tr");
      const cells = [call.id.replace("req_", ""), call.method + " " + call.path, call.model ?? "", call.prompt ?? "",
                     call.status ?? "waits", call.tokens_sent, call.state + (call.stream ? ", stream" : "")];
      for (const [i, text] of cells.entries()) {
        const cell = document.createElement("td");
        cell.textContent = text;  // never innerHTML: prompts come from anywhere
        if (i === 3) cell.className = "prompt";
        row.append(cell);
      }
      return row;
    });
    document.getElementById("calls").replaceChildren(...rows);
  }
  refresh().catch(console.error);
  setInterval(() => refresh().catch(() => {}), 2000);
</script>
</body>
</html>
""")
