"""PDFs that are small enough to be read by eye."""

import io
import zlib


def make_pdf(*pages: str) -> bytes:
    """Return a PDF with these texts, one a page, in one line each."""
    return _pdf([(b"", f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode("latin-1")) for text in pages])


def bomb(megabytes: int) -> bytes:
    """Return a small PDF whose page is this long once it is unpacked."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()
    return _pdf([(b"/Filter [/FlateDecode /FlateDecode] ", zlib.compress(packed, 9))])


def locked(pdf: bytes, password: str = "open sesame") -> bytes:  # noqa: S107 - nobody is let in by it
    """Return the PDF behind a password; without one it is encrypted all the same."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _pdf(pages: list[tuple[bytes, bytes]]) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, (options, content) in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * n)
        )
        objects.append(b"<< %s/Length %d >>\nstream\n%s\nendstream" % (options, len(content), content))
    out, places = io.BytesIO(), list[int]()
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()
