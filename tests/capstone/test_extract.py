"""The process in which PDFs are read: what is left to whoever takes it over."""

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from capstone.services.extract import READER, text_of
from tests.capstone.pdfs import bomb, locked, make_pdf
from tests.capstone.test_documents import eventually, readers


async def test_who_takes_over_the_reader_of_a_pdf_finds_no_key_and_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    task = asyncio.create_task(text_of(bomb(400), "application/pdf"))  # it is busy for a while

    async def reading() -> set[str]:
        return readers()

    (process,) = (Path("/proc", one) for one in await eventually(reading))
    folder = (process / "cwd").resolve()
    assert (process / "environ").read_bytes() == b""
    assert list(folder.iterdir()) == []
    task.cancel()
    await asyncio.wait({task})
    assert not folder.exists()


def test_behind_its_fence_nothing_can_be_opened_or_started() -> None:
    code = (
        f"import runpy; fence = runpy.run_path({str(READER)!r})['fence']; fence()\n"
        f"for act in (lambda: open({__file__!r}), lambda: __import__('os').fork(), lambda: open('x', 'w')):\n"
        "    try:\n        act(); print('done')\n    except OSError as error:\n        print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert said[0] == said[2] == str(errno.EMFILE)
    assert said[1] == str(errno.EAGAIN) or os.getuid() == 0, "root may always start another process"


async def test_a_fenced_reader_reads_what_is_encrypted_without_a_password() -> None:
    assert "A sentence." in await text_of(locked(make_pdf("A sentence."), password=""), "application/pdf")
