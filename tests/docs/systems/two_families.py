"""httpx and httpx2 in one process, as in a service that was half moved. Run by test_httpx.py; shown on its page.

Apart from the tests, because there `mockllm.alias` has made one name of both.
"""

from collections.abc import Callable

import httpx
import httpx2
import respx


def silent(request: httpx2.Request) -> httpx2.Response:
    """A provider that does not answer in time."""
    raise httpx2.ReadTimeout("60 s without a byte", request=request)


def broken(client: httpx2.Client) -> Callable[[], str]:
    # --8<-- [start:broken]
    def ask_model() -> str:
        try:
            # httpx2's client, as the official ones have inside
            return client.get("https://model.test/").text
        # httpx's error, from the import of last year
        except httpx.TimeoutException:
            return "The model is slow today."

    # --8<-- [end:broken]
    return ask_model


def repaired(client: httpx2.Client) -> Callable[[], str]:
    httpx = httpx2
    # --8<-- [start:repaired]
    # import httpx2 as httpx, in every file

    def ask_model() -> str:
        try:
            return client.get("https://model.test/").text
        except httpx.TimeoutException:
            return "The model is slow today."

    # --8<-- [end:repaired]
    return ask_model


def said_by(work: Callable[[], str]) -> str:
    """What a call returns, or the class of what it raises."""
    try:
        return work()
    except Exception as error:
        return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


with httpx2.Client(transport=httpx2.MockTransport(silent), trust_env=False) as client:
    # --8<-- [start:seen]
    # which no `except` of httpx knows
    assert said_by(broken(client)) == "httpx2.ReadTimeout"
    assert not issubclass(httpx2.TimeoutException, httpx.HTTPError)
    # --8<-- [end:seen]
    assert said_by(repaired(client)) == "The model is slow today."

with respx.mock(assert_all_called=False) as router, httpx2.Client(trust_env=False) as client:
    router.get("http://127.0.0.1:9/").respond(json="a fake answer")
    # --8<-- [start:escapes]
    # it really went there
    said = said_by(lambda: client.get("http://127.0.0.1:9/").text)
    assert said == "httpx2.ConnectError"
    # --8<-- [end:escapes]
