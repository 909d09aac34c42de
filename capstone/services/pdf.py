"""`python -m capstone.services.pdf < file.pdf`: the text of a PDF, in a process that may be killed.

A PDF is a program that somebody else wrote. Read in a thread it can neither be stopped nor be kept from eating all
memory; read here it takes a minute and a gigabyte at most, and the service goes on.
"""

import io
import resource
import sys

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


def main() -> int:
    """Read a PDF from standard input, write its text; if it cannot be read, write why and return 1."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
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
