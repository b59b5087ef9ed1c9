"""The inputs of the image benchmark: files like those of cameras, made from the samples of shared/media.

A sample enlarged to 24 megapixels would be smooth, its file small, and its entropy decoding, which is most of the work on a
real photo, next to nothing. So each scene is a sample (the 12 MP photo) at the case's size, plus what a sensor and a
lens give: fine texture (the high frequencies of the other samples, tiled without seams at several scales, stronger in
some places than in others) and noise (white in luma with a variance that grows with the light, coarser in chroma).
Tuned so that JPEG 4:2:0 takes 0.35 to 0.45 bytes per pixel, as cameras' files do.

JPEG files are written by libjpeg-turbo (Pillow) with the standard Huffman tables, as cameras write them; the
progressive one has tables of its own, as the standard demands no others there. PNG rows have the filter with the
least sum of absolute differences, and deflate level 6.

Everything is seeded: the same versions (requirements.txt) make the same files. They are kept in `.inputs` until this file
changes.
"""

import hashlib
import io
import struct
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

HERE = Path(__file__).resolve().parent
SAMPLES = HERE / "../../../shared/media/tests/data"
FOLDER = HERE / ".inputs"
SEED = 20260401
TEXTURES = (288, 704, 1120, 1600)  # edges of a tile of fine texture, in pixels
BAND = 256  # rows that are made at a time, each band with its own seed
EXIF_ORIENTATION = 0x0112
TIFF_PREDICTOR = 317

Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Case:
    """One row of the benchmark: a file and what it shows."""

    name: str
    file: str
    what: str


CASES = [
    Case("jpeg-12mp", "jpeg-12mp.jpg", "JPEG 4:2:0, 4032×3024"),
    Case("jpeg-24mp", "jpeg-24mp.jpg", "JPEG 4:2:0, 6000×4000"),
    Case("jpeg-48mp", "jpeg-48mp.jpg", "JPEG 4:2:0, 8064×6048"),
    Case("jpeg-12mp-turned", "jpeg-12mp-turned.jpg", "JPEG 4:2:0, 4032×3024, orientation 6"),
    Case("jpeg-24mp-444", "jpeg-24mp-444.jpg", "JPEG 4:4:4, 6000×4000"),
    Case("jpeg-24mp-progressive", "jpeg-24mp-progressive.jpg", "JPEG 4:2:0, progressive, 6000×4000"),
    Case("jpeg-24mp-p3", "jpeg-24mp-p3.jpg", "JPEG 4:2:0, Display P3, 6000×4000"),
    Case("png-12mp", "png-12mp.png", "PNG RGB, 4032×3024"),
    Case("png-100mp", "png-100mp.png", "PNG RGB, 12000×8334"),
    Case("webp-12mp", "webp-12mp.webp", "WebP lossy, 4032×3024"),
    Case("webp-3mp-alpha", "webp-3mp-alpha.webp", "WebP lossless with alpha, 2048×1536"),
    Case("gif-60-frames", "gif-60-frames.gif", "GIF, 60 frames of 800×600"),
    Case("tiff-12mp", "tiff-12mp.tif", "TIFF RGB, LZW, 4032×3024"),
    Case("avif-12mp", "avif-12mp.avif", "AVIF 4:2:0, 4032×3024"),
]


def ensure() -> Path:
    """The folder with the inputs of all cases; made if this file or the libraries changed."""
    stamp = FOLDER / ".made"
    version = hashlib.sha256(Path(__file__).read_bytes() + (HERE / "requirements.txt").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == version:
        return FOLDER
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    print("making the inputs (a minute or two, once)", file=sys.stderr)
    # The large ones first: each job takes one core.
    jobs = [_make_100mp, _make_48mp, _make_24mp, _make_12mp, _make_small]
    with ProcessPoolExecutor(max_workers=2) as pool:
        for made in [pool.submit(job) for job in jobs]:
            made.result()
    stamp.write_text(version)
    return FOLDER


# ---- scenes


def _sample(name: str) -> Image.Image:
    return Image.open(SAMPLES / name).convert("RGB")


def _texture(edge: int) -> np.ndarray:
    """The fine detail of two samples, side by side and mirrored so that it tiles; about -1 to 1."""
    parts = []
    for name in ("chelsea.png", "astronaut.jpg"):
        luma = _sample(name).convert("L").resize((edge, edge), Image.Resampling.LANCZOS)
        luma = np.asarray(luma, np.float32)
        low = Image.fromarray(luma).resize((edge // 16, edge // 16), Image.Resampling.BOX)
        low = np.asarray(low.resize((edge, edge), Image.Resampling.BICUBIC))
        detail = luma - low
        parts.append(np.clip(detail / (3 * detail.std()), -1, 1))
    half = np.hstack([parts[0], parts[1][:, ::-1]])
    row = np.hstack([half, half[:, ::-1]])
    return np.vstack([row, row[::-1]])


def _smooth_field(rng: np.random.Generator, width: int, height: int, cells: int) -> Image.Image:
    """Noise of a few cells across, 0 to 1, smooth; to be resized to the picture."""
    return Image.fromarray(rng.random((max(2, cells * height // width), cells), np.float32))


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture with a camera's detail, RGB of 8 bits."""
    base = _sample("photo-12mp-exif6-gps.jpg").transpose(Image.Transpose.ROTATE_90)
    base = base.resize((width, height), Image.Resampling.BICUBIC)
    rng = np.random.default_rng([SEED, seed])
    where = _smooth_field(rng, width, height, 9)
    tiles = [_texture(edge) for edge in TEXTURES]
    columns = np.arange(width)
    picture = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND):
        rows = np.arange(top, min(top + BAND, height))
        count = len(rows)
        rng = np.random.default_rng([SEED, seed, top])
        light = np.asarray(base.crop((0, top, width, top + count)), np.float32)
        down = where.height / height
        box = (0, top * down, where.width, min(where.height, (top + count) * down))
        strength = np.asarray(where.resize((width, count), Image.Resampling.BICUBIC, box=box))
        detail = np.zeros((count, width), np.float32)
        for tile in tiles:
            detail += 15 * tile[np.ix_(rows % tile.shape[0], columns % tile.shape[1])]
        luma = light.mean(axis=2)
        noise = rng.standard_normal((count, width), np.float32) * np.sqrt(5.0 + luma / 7)
        chroma = rng.standard_normal((2, (count + 1) // 2, (width + 1) // 2), np.float32) * 2.0
        chroma = chroma.repeat(2, axis=1).repeat(2, axis=2)[:, :count, :width]
        luma_change = detail * (0.15 + 1.1 * strength**2) + noise
        band = light + luma_change[..., None]
        band[..., 0] += 1.4 * chroma[0]
        band[..., 1] -= 0.34 * chroma[1] + 0.71 * chroma[0]
        band[..., 2] += 1.77 * chroma[1]
        picture[top:top + count] = np.clip(band + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(picture)


# ---- files

JPEG = {"quality": 94, "subsampling": "4:2:0"}


def _save(picture: Image.Image, file: str, **options) -> None:
    start = time.monotonic()
    picture.save(FOLDER / file, **options)
    size, pixels = (FOLDER / file).stat().st_size, picture.width * picture.height
    print(f"  {file}: {size / 1e6:.1f} MB, {size / pixels:.2f} bytes a pixel, {time.monotonic() - start:.1f} s", file=sys.stderr)


def _make_12mp() -> None:
    picture = scene(4032, 3024, 12)
    _save(picture, "jpeg-12mp.jpg", **JPEG)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    _save(picture, "jpeg-12mp-turned.jpg", exif=exif, **JPEG)
    _save(picture, "png-12mp.png", compress_level=6)
    _save(picture, "webp-12mp.webp", quality=90, method=4)
    _save(picture, "tiff-12mp.tif", compression="tiff_lzw", tiffinfo={TIFF_PREDICTOR: 2})
    _save(picture, "avif-12mp.avif", quality=85, speed=8, subsampling="4:2:0")


def _make_24mp() -> None:
    picture = scene(6000, 4000, 24)
    _save(picture, "jpeg-24mp.jpg", **JPEG)
    _save(picture, "jpeg-24mp-444.jpg", **{**JPEG, "subsampling": "4:4:4"})
    _save(picture, "jpeg-24mp-progressive.jpg", progressive=True, **JPEG)
    # The same numbers in a wider gamut: more saturated, so that a profile that is dropped shows.
    _save(picture, "jpeg-24mp-p3.jpg", icc_profile=display_p3(), **JPEG)


def _make_48mp() -> None:
    _save(scene(8064, 6048, 48), "jpeg-48mp.jpg", **JPEG)


def _make_100mp() -> None:
    _save(scene(12000, 8334, 100), "png-100mp.png", compress_level=6)


def _make_small() -> None:
    _save_alpha("webp-3mp-alpha.webp")
    _save_animation("gif-60-frames.gif")


def _save_alpha(file: str) -> None:
    """A picture cut out: opaque inside, soft at the edge, with some panes of half transparency."""
    picture = scene(2048, 1536, 3)
    y, x = np.mgrid[0:1536, 0:2048].astype(np.float32)
    radius = np.hypot((x - 1024) / 1000, (y - 768) / 740)
    alpha = np.clip((1 - radius) * 40, 0, 1) * np.where((x // 256 + y // 256) % 5 == 0, 0.5, 1.0)
    picture.putalpha(Image.fromarray((alpha * 255 + 0.5).astype(np.uint8)))
    _save(picture, file, lossless=True, quality=50, method=2)


def _save_animation(file: str) -> None:
    """Half a pan, in which every pixel changes, half an object that moves before a still background."""
    wide = scene(2400, 1800, 1).resize((1200, 900), Image.Resampling.LANCZOS)
    cat = _sample("chelsea.png").resize((225, 150), Image.Resampling.LANCZOS)
    frames = []
    for number in range(60):
        step = min(number, 30)
        frame = wide.crop((step * 8, step * 5, step * 8 + 800, step * 5 + 600))
        if number > 30:
            frame.paste(cat, ((number - 30) * 18, 60 + (number - 30) * 9))
        frames.append(frame)
    # One palette for all, of both kinds of frame, as encoders of video make it.
    palette = Image.new("RGB", (800, 1200))
    palette.paste(frames[0], (0, 0))
    palette.paste(frames[59], (0, 600))
    palette = palette.quantize(255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    # Without dither where nothing moves: else each frame's noise would be new.
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    _save(frames[0], file, save_all=True, append_images=frames[1:], duration=40, loop=0)


def display_p3() -> bytes:
    """An ICC profile (ICC.1:2010, version 4.2) with P3's primaries, D65 adapted to D50, and sRGB's curve."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    def text(value: str) -> bytes:
        encoded = value.encode("utf-16-be")
        return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded

    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + b"".join(
        map(number, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    adaptation = (1.047882, 0.022919, -0.050217, 0.029587, 0.990479, -0.017059, -0.009232, 0.015076, 0.751678)
    tags = {
        b"desc": text("Display P3"),
        b"cprt": text("CC0"),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
        b"chad": b"sf32\0\0\0\0" + b"".join(map(number, adaptation)),
    }
    table, data, at, shared = b"", b"", 128 + 4 + 12 * len(tags), {}
    for name, value in tags.items():
        if value not in shared:
            shared[value] = (at + len(data), len(value))
            data += value + b"\0" * (-len(value) % 4)
        table += struct.pack(">4sII", name, *shared[value])
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4sQI12s4s16s28s", 128 + len(body), b"\0\0\0\0", 0x04200000, b"mntr", b"RGB ", b"XYZ ",
        struct.pack(">6H", 2026, 4, 1, 0, 0, 0), b"acsp", b"\0\0\0\0", 0, b"\0\0\0\0", b"\0\0\0\0", 0, 0,
        number(0.9642) + number(1.0) + number(0.8249), b"\0\0\0\0", b"", b"")
    profile = header + body
    ImageCms.ImageCmsProfile(io.BytesIO(profile))  # refused here if it is broken
    return profile


if __name__ == "__main__":
    ensure()
