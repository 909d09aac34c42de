"""From what somebody uploaded to the text in it, away from the event loop."""

import asyncio
import sys
import tempfile
from pathlib import Path

READER = Path(__file__).with_name("pdf.py")
PATIENCE_S = 90.0  # for one PDF; its process has a minute of CPU time
NEITHER = "it is neither a PDF nor UTF-8 text"


class Unreadable(Exception):
    """There is no text to be had. Why, is a half sentence about the document that its owner may read."""


def media_type_of(name: str, content: bytes) -> str:
    """Return what a document is, by its first bytes: what a caller says about it may be wrong.

    Raises:
        Unreadable: it is neither a PDF nor a text.
    """
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if "\0" in decoded(content):
        raise Unreadable(NEITHER)
    return "text/markdown" if name.lower().endswith((".md", ".markdown")) else "text/plain"


def decoded(content: bytes) -> str:
    """Return the text that bytes are in UTF-8; a byte order mark is none of it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(NEITHER) from error


async def text_of(content: bytes, media_type: str) -> str:
    """Return the text of a document.

    Raises:
        Unreadable: there is none.
    """
    if media_type == "application/pdf":
        text = await _text_of_pdf(content)
    else:
        text = await asyncio.to_thread(decoded, content)
    text = text.replace("\0", "")  # PostgreSQL keeps no such character
    if not text.strip():
        raise Unreadable("there is no text in it: a scan needs text recognition first")
    return text


async def _text_of_pdf(content: bytes) -> str:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="pdf-") as empty:
        # Without our environment and our folder: the keys of the providers stand in the one, `.env` in the other.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(READER), stdin=pipe, stdout=pipe, stderr=nowhere, cwd=empty, env={}
        )
        return await _said_by(process, content)


async def _said_by(process: asyncio.subprocess.Process, content: bytes) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate(content)
    except TimeoutError:
        raise Unreadable("it takes too long to read") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 1:
        raise Unreadable(said.decode() or "it is damaged")
    if process.returncode:
        raise Unreadable("it takes too much memory or time to read")
    return said.decode()
