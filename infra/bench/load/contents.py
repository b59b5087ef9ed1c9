"""What is sent: small photos, pictures, texts and PDFs, some of them twice; each made from its number alone."""

import random
from functools import lru_cache
from io import BytesIO

from media import MIB, pdf
from PIL import Image

# S3's smallest part, and a little more: such a file comes in two parts.
IN_PARTS = 5 * MIB + 70_000

_EDGES = (48, 640)
_WORDS = ["upload", "part", "grant", "asset", "derivative", "rendition", "poster", "cover", "version", "lease"]


def made(number: int, kind: str, size: int = 0) -> bytes:
    """The bytes of a kind (`jpg`, `png`, `txt`, `pdf`), at least `size` many: what comes after the end of an image, or of a
    PDF, belongs to no decoder."""
    source = random.Random(f"{kind} {number}")
    content = _MAKERS[kind](source) + b"\n%% %d\n" % number
    return content + source.randbytes(max(size - len(content), 0))


def _picture(source: random.Random, form: str) -> bytes:
    # Few pixels drawn large: a real picture, which is quickly made and of some 5 to 100 kB.
    coarse = Image.frombytes("RGB", (16, 16), source.randbytes(16 * 16 * 3))
    size = source.randint(*_EDGES), source.randint(*_EDGES)
    out = BytesIO()
    coarse.resize(size, Image.Resampling.BILINEAR).save(out, form)
    return out.getvalue()


def _text(source: random.Random) -> bytes:
    return " ".join(source.choices(_WORDS, k=source.randint(10, 5000))).encode()


@lru_cache(1)
def _page() -> bytes:
    return pdf()


_MAKERS = {
    "jpg": lambda source: _picture(source, "JPEG"),
    "png": lambda source: _picture(source, "PNG"),
    "txt": _text,
    "pdf": lambda _: _page(),
}
CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "txt": "text/plain", "pdf": "application/pdf"}
