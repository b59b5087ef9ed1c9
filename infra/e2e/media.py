"""Files to send: the real ones of `data/`, and bigger ones made when a test runs."""

import os
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageStat

MIB = 1024 * 1024
PART = 5 * MIB
DIRECT_LIMIT = 10 * MIB
PHOTO = "photo-12mp-exif6-gps.jpg"

_DATA = Path(__file__).resolve().parent / "data"


def sample(name: str) -> bytes:
    return (_DATA / name).read_bytes()


def noise(size: int) -> bytes:
    """Bytes of no known type, different each time."""
    return os.urandom(size)


def big_photo() -> bytes:
    """A JPEG just over the limit of a direct upload: noise can't be compressed."""
    side = 2400
    out = BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(out, "JPEG", quality=95, subsampling=0)
    content = out.getvalue()
    assert len(content) > DIRECT_LIMIT
    return content


def pdf() -> bytes:
    """One empty page (ISO 32000-2, 7.5)."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(
        (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
         b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"), start=1,
    ):
        offsets.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table)


def opened(content: bytes) -> Image.Image:
    """An image whose pixels were all decoded."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def fitted(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size within a square of `edge`, never enlarged."""
    scale = min(1, edge / max(width, height))
    return round(width * scale), round(height * scale)


def in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = image.convert("RGB")
    if not profile:
        return image
    return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"))


def difference(one: bytes, other: bytes) -> float:
    """How far two pictures of one size are apart in sRGB: the mean over pixels and channels, of 255."""
    pictures = [in_srgb(opened(content)) for content in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*pictures)).mean) / 3
