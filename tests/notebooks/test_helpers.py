"""The finished code that cells import: a clock that jumps, requests by hand, pictures, verdicts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from xml.etree import ElementTree

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from tests.notebooks.running import ROOT, at_home

with at_home():
    import measured
    from pictures import Picture, Span, arrivals, bars, chunks, crowds, timeline
    from verdicts import check
    from virtual_time import now, run
    from visits import visit


def test_an_hour_is_over_at_once_and_the_clock_says_an_hour() -> None:
    async def hour() -> float:
        await asyncio.sleep(3_600)
        return now()

    before = time.monotonic()
    assert run(hour()) == 3_600
    assert time.monotonic() - before < 60


def test_an_error_comes_out_of_the_run() -> None:
    async def fails() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        run(fails())


async def test_it_runs_inside_of_an_event_loop_that_is_running() -> None:
    async def here() -> float:
        return now()

    assert run(here()) == 0


def service() -> FastAPI:
    app = FastAPI()

    @app.post("/echo")
    async def create_echo(request: Request) -> dict[str, object]:
        return {"body": await request.json(), "key": request.headers.get("x-key"), "n": request.query_params.get("n")}

    @app.get("/stream")
    async def read_stream() -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            for n in range(4):
                await asyncio.sleep(1)
                yield str(n)

        return StreamingResponse(tokens())

    @app.get("/refused")
    async def read_refused() -> None:
        raise HTTPException(418)

    @app.get("/broken")
    async def read_broken() -> None:
        raise LookupError("a bug")

    @app.get("/slow")
    async def read_slow() -> str:
        await asyncio.sleep(9)
        return "late"

    return app


def test_a_visit_sends_what_a_client_sends() -> None:
    seen = run(visit(service(), "/echo?n=3", method="POST", json={"a": 1}, headers={"x-key": "k"}))
    assert (seen.status, seen.json()) == (200, {"body": {"a": 1}, "key": "k", "n": "3"})
    assert seen.headers["content-type"] == "application/json"


def test_a_visit_notes_when_each_piece_came() -> None:
    seen = run(visit(service(), "/stream"))
    assert seen.pieces == [(1, b"0"), (2, b"1"), (3, b"2"), (4, b"3")]
    assert (seen.text, seen.whole, seen.ended_at) == ("0123", True, 4)


@pytest.mark.parametrize("leaving", [{"leaves_after": 2}, {"leaves_at_s": 2.5}])
def test_a_reader_who_leaves_gets_no_more_and_the_stream_ends(leaving: dict) -> None:
    seen = run(visit(service(), "/stream", **leaving))
    assert (seen.text, seen.whole) == ("01", False)
    assert seen.ended_at <= 3


def test_a_route_that_does_not_stream_runs_on_for_who_has_left() -> None:
    seen = run(visit(service(), "/slow", leaves_at_s=1))
    assert (seen.status, seen.ended_at) == (None, 9)


def test_a_refusal_has_its_status_and_a_bug_its_error() -> None:
    assert run(visit(service(), "/refused")).status == 418
    broken = run(visit(service(), "/broken"))
    assert broken.status == 500 and isinstance(broken.error, LookupError)


PICTURES = {
    "timeline": lambda: timeline({"two <threads>": [Span(0, 0, 3), Span(0, 3, 30)]}, until_s=12, title="T & t"),
    "arrivals": lambda: arrivals({"some": [1.0, 2.5, 99.0], "none": []}, until_s=10, title="T & t"),
    "crowds": lambda: crowds({"all": [0.1, 0.2, 7.0, 99.0]}, until_s=10, step_s=0.5, title="T & t"),
    "bars": lambda: bars({"a": 1.0, "b": 0.0}, unit="/s", title="T & t"),
    "chunks": lambda: chunks(["€ a\n".encode()[:2], "€ a\n".encode()[2:]], title="T & t"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_xml_and_the_same_every_time(name: str) -> None:
    picture, again = PICTURES[name](), PICTURES[name]()
    assert isinstance(picture, Picture) and picture == again
    root = ElementTree.fromstring(picture.svg)  # noqa: S314 - our own
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "T & t"
    assert repr(picture).startswith("T & t\n  ")
    width = float(root.attrib["width"])
    boxes = root.iter("{http://www.w3.org/2000/svg}rect")
    assert all(float(box.get("x", 0)) + float(box.attrib["width"]) <= width for box in boxes)


def test_what_goes_on_behind_the_edge_is_said_in_words() -> None:
    assert "after 30 s" in PICTURES["timeline"]().svg
    assert "none  ················" in PICTURES["arrivals"]().characters
    assert PICTURES["arrivals"]().characters.count("never") == 1


def test_the_characters_of_a_timeline_show_how_many_are_served() -> None:
    spans = [Span(0, 0, 6), Span(0, 0, 6), Span(0, 6, 12), Span(0, 12, 18)]
    lines = timeline({"two, then one": spans}, until_s=12, title="T").characters.splitlines()
    assert lines == [
        "T",
        "  two, then one  " + "▄" * 24 + "▂" * 24 + "  last answer after 18 s",
        "                 0" + " " * 43 + "12 s",
    ]


def double(n: int) -> int:
    return 2 * n


def open_function(n: int) -> int:
    """Return twice the number."""
    ...


def test_an_open_function_is_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    check(open_function, [((1,), 2)], because="Twice.")
    assert capsys.readouterr().out.startswith("to do    open_function: write it in the cell above")


@pytest.mark.parametrize(
    ("answer", "cases", "said"),
    [
        (double, [((1,), 2), ((4,), 8)], "done     double: 2 of 2\n"),
        (double, [((1,), 3)], "not yet  double(1) gave 2, not 3\n         Twice.\n"),
        (double, [((0,), False)], "not yet  double(0) gave 0, not False\n         Twice.\n"),
        (double, [((0.1,), 0.2000000000001)], "done     double: 1 of 1\n"),
        (double, [((None,), 1)], "not yet  double(None) raised TypeError: "),
        ({}.get, [((1,), None)], "done     get: 1 of 1\n"),
    ],
)
def test_an_answer_is_judged_by_what_it_returns(
    answer, cases: list, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answer, cases, because="Twice.")
    assert capsys.readouterr().out.startswith(said)


def test_a_verdict_may_try_the_answer_in_its_own_way(capsys: pytest.CaptureFixture[str]) -> None:
    check(double, [((1, 1), 4)], through=lambda answer, a, b: answer(a) + answer(b), because="Twice.")
    assert capsys.readouterr().out == "done     double: 1 of 1\n"


def test_within_is_a_share_of_the_expected_number(capsys: pytest.CaptureFixture[str]) -> None:
    check(double, [((10,), 21)], within=0.1, because="Twice.")
    check(double, [((10,), 25)], within=0.1, because="Twice.")
    assert capsys.readouterr().out.startswith("done     double: 1 of 1\nnot yet  double(10) gave 20, not 25")


def test_what_was_measured_is_rounded_up_and_not_by_much() -> None:
    cases = json.loads((ROOT / "benchmarks/results/service.json").read_text(encoding="utf-8"))["cases"]
    (ours,) = [case for case in cases if case["id"] == "capstone"]
    for name, seen in {
        "REQUEST_US": ours["busy"]["cpu_us_per_request"],
        "EVENT_US": ours["streams_1000"]["cpu_us_per_event"],
        "STREAM_KB": ours["streams_1000"]["kb_per_stream"],
    }.items():
        assert seen <= getattr(measured, name) <= 2 * seen, f"{name}: measured was {seen}"
