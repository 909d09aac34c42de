"""`python -I capstone/services/pdf.py < file.pdf`: the text of a PDF, in a process that may be killed.

A PDF is a program that somebody else wrote. Read in a thread it can neither be stopped nor be kept from eating all
memory; read here it takes a minute and a gigabyte at most, and the service goes on. Whoever takes over this process
through a mistake in the reader finds no key in its environment, an empty folder, and no file that it could open.
"""

import encodings
import importlib
import io
import pkgutil
import resource
import sys
from contextlib import suppress

MOST_MEMORY = 1024 * 1024 * 1024  # bytes
MOST_CPU_S = 60
MOST_TEXT = 20_000_000  # characters


def text_of_pdf(content: bytes) -> str:
    """Return the text of all pages, a blank line between two.

    Raises:
        ValueError: it needs a password, or holds more text than anybody wants.
    """
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is protected by a password")
    pages: list[str] = []
    for page in reader.pages:
        pages.append(page.extract_text().strip())
        if sum(map(len, pages)) > MOST_TEXT:
            raise ValueError(f"it holds more than {MOST_TEXT:,} characters of text")
    return "\n\n".join(page for page in pages if page)


def fence() -> None:
    """Give up what reading a PDF does not take: memory, time, and every file but the pipes that are open."""
    for limit, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_FSIZE, 0),  # it has nothing to write
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    # What pypdf imports late and which encodings a page has, nobody knows before, and later nothing can be imported.
    for package in (encodings, importlib.import_module("pypdf")):
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with suppress(ImportError):  # an encoding of another system, a picture's format
                importlib.import_module(one.name)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def main() -> int:
    """Read a PDF from standard input, write its text; if it cannot be read, write why and return 1."""
    fence()
    try:
        text = text_of_pdf(sys.stdin.buffer.read())
    except ValueError as error:
        said = str(error)
        text, failed = said if said.startswith("it ") else "it is damaged", True
    except Exception:  # whatever pypdf makes of it; what it says is not for strangers
        text, failed = "it is damaged", True
    else:
        failed = False
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
