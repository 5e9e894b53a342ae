"""PDFs, good and bad, written byte by byte."""

import zlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache

Json = dict[str, object]

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_BOX = b"[0 0 612 792]"


def written(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file of these objects; the first is its catalog."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(objects) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size + table
    out += b"trailer << /Size %d /Root 1 0 R %s >>\n" % (size, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more, data)


def deflated(data: bytes) -> bytes:
    return stream(zlib.compress(data, 9), b"/Filter /FlateDecode")


def shown(text: str, encoding: str = "cp1252") -> bytes:
    """What draws a text, a line for each of its lines."""
    raw = text.encode(encoding).replace(b"\\", b"\\\\")
    raw = raw.replace(b"(", b"\\(").replace(b")", b"\\)")
    lines = b" T* ".join(b"(%s) Tj" % line for line in raw.split(b"\n"))
    return b"BT /F1 12 Tf 14 TL 36 756 Td %s ET" % lines


def paged(
    contents: Sequence[bytes], pages: Sequence[int], font: Sequence[bytes] = (_FONT,)
) -> bytes:
    """A file whose pages draw `contents[page]`: stream objects, which pages may share."""
    first_font, first_content = 3, 3 + len(font)
    first_page = first_content + len(contents)
    kids = b" ".join(b"%d 0 R" % (first_page + at) for at in range(len(pages)))
    return written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox %s /Resources << /Font << /F1 %d 0 R "
            b">> >> >>" % (kids, len(pages), _BOX, first_font),
            *font,
            *contents,
            *(
                b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R >>" % (first_content + content)
                for content in pages
            ),
        ]
    )


def pdf(*texts: str) -> bytes:
    """A page for each text; an empty text is an empty page."""
    return paged([stream(shown(text)) for text in texts], range(len(texts)))


def unicode_pdf(text: str) -> bytes:
    """One page, whose font says by a map which characters its codes are: of any script."""
    codes = {char: code for code, char in enumerate(dict.fromkeys(text), 1)}
    pairs = b"\n".join(
        b"<%04x> <%s>" % (code, char.encode("utf-16-be").hex().encode())
        for char, code in codes.items()
    )
    names = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        b"/CMapName /Own def /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        b"%d beginbfchar\n%s\nendbfchar\nendcmap end end" % (len(codes), pairs)
    )
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /Own /Encoding /Identity-H"
        b" /DescendantFonts [4 0 R] /ToUnicode 6 0 R >>",
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Own /DW 600 /FontDescriptor 5 0 R"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        b"<< /Type /FontDescriptor /FontName /Own /Flags 4 /FontBBox [0 0 600 800]"
        b" /ItalicAngle 0 /Ascent 800 /Descent 0 /CapHeight 700 /StemV 80 >>",
        stream(names),
    )
    drawn = "".join(f"{codes[char]:04x}" for char in text).encode()
    return paged([stream(b"BT /F1 12 Tf 36 700 Td <%s> Tj ET" % drawn)], [0], font)


def locked_pdf() -> bytes:
    """Needs a password (the standard handler's 40-bit encryption, with a key of no password)."""
    key = b"4b" * 32
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox %s >>" % _BOX,
        b"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <%s> /U <%s> >>" % (key, key),
    ]
    return written(objects, b"/Encrypt 4 0 R /ID [<00> <00>]")


def slow_pdf() -> bytes:
    """60 kB whose pages share one content of millions of operators: minutes of work, no memory."""
    return paged([deflated(b"q Q " * 5_000_000)], [0] * 1000)


@cache
def bomb_pdf(mebibytes: int) -> bytes:
    """A thousandth of that, whose one page is so many spaces when it is inflated."""
    return paged([stream(_spaces(mebibytes), b"/Filter /FlateDecode")], [0])


def _spaces(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)) + packer.flush()


def swelling_pdf() -> bytes:
    """A few kilobytes whose one page is a gigabyte when it is inflated, twice."""
    twice = stream(zlib.compress(_spaces(1024), 9), b"/Filter [/FlateDecode /FlateDecode]")
    return paged([twice], [0])


def nested_pdf() -> bytes:
    """A page that draws a form ten times, which draws another ten times, twelve deep."""
    draw, depth = b"/X Do " * 10, 12
    forms = [
        stream(
            draw if level < depth else shown("x"),
            b"/Type /XObject /Subtype /Form /BBox %s /Resources << /XObject << /X %d 0 R >> >>"
            % (_BOX, 5 + level),
        )
        for level in range(1, depth + 1)
    ]
    return written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Contents 4 0 R"
            b" /Resources << /XObject << /X 5 0 R >> >> >>" % _BOX,
            stream(draw),
            *forms,
        ]
    )


def block(raw: bytes, **more: object) -> Json:
    """A document block of Messages."""
    source = {"type": "base64", "media_type": "application/pdf", "data": encoded(raw)}
    return {"type": "document", "source": source, **more}


def encoded(raw: bytes) -> str:
    return b64encode(raw).decode()
