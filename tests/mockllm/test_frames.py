"""Where a body is cut, and what a cut does not change."""

import random

import pytest

from mockllm.frames import Cutter, Frame

EVENTS = [
    Frame("data: né\n\n".encode(), tokens=1),
    Frame("data: 🙂\n\n".encode(), tokens=1),
    Frame(b"end\n\n", ends="answered"),
]
BODY = b"".join(frame.data for frame in EVENTS)


def cut(how, frames=EVENTS) -> list[Frame]:
    cutter = Cutter(how)
    return [chunk for frame in frames for chunk in cutter.push(frame)] + list(cutter.flush())


def test_uncut_frames_stay_as_they_are():
    assert cut(None) == EVENTS


def test_bytes():
    assert [chunk.data for chunk in cut("bytes")] == [bytes([byte]) for byte in BODY]


def test_inside_characters():
    chunks = [chunk.data for chunk in cut("utf8")]
    assert chunks[:2] == [b"data: n\xc3", b"\xa9\n\n"]
    with pytest.raises(UnicodeDecodeError):
        chunks[0].decode()


def test_inside_line_ends():
    chunks = [chunk.data for chunk in cut("crlf")]
    assert chunks[:3] == ["data: né\r".encode(), b"\n\r", b"\n"]
    assert b"".join(chunks) == BODY.replace(b"\n", b"\r\n")


def test_across_frames():
    chunks = [chunk.data for chunk in cut("frames")]
    assert len(chunks) == 4
    assert b"\n\ndata" in chunks[1]


def test_whole_sizes_and_offsets():
    assert [chunk.data for chunk in cut("whole")] == [BODY]
    assert {len(chunk.data) for chunk in cut(4)[:-1]} == {4}
    assert [len(chunk.data) for chunk in cut([3, 20])] == [3, 17, len(BODY) - 20]


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_loses_a_byte_a_token_or_the_end(seed):
    chance = random.Random(seed)
    frames = [
        Frame(bytes(chance.choices(b"ab\n\xc3\xa9", k=chance.randint(1, 12))), tokens=chance.randint(0, 2))
        for _ in range(9)
    ] + [Frame(b"end\n", ends="answered")]
    body = b"".join(frame.data for frame in frames)
    for how in (None, "bytes", "utf8", "frames", "whole", chance.randint(1, 9), chance.sample(range(1, len(body)), 4)):
        chunks = cut(how, frames)
        assert b"".join(chunk.data for chunk in chunks) == body
        assert sum(chunk.tokens for chunk in chunks) == sum(frame.tokens for frame in frames)
        assert [chunk.ends for chunk in chunks if chunk.ends] == ["answered"]
        assert all(chunk.data for chunk in chunks)
