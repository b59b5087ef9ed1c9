"""How near a derivative comes to the picture that it should be.

The reference shares no code with either side: a full decode by Pillow (libjpeg-turbo, libwebp, libtiff, zlib), another
profile than sRGB converted by LittleCMS at full size, turned upright, then Lanczos-3 with its support widened by the
factor of reduction, channel by channel in floating point, from the original to each size directly, in the picture's own
(gamma-encoded) values as both sides do it, alpha premultiplied. Never rounded to 8 bits after that.

Measures, of the derivative decoded by Pillow against the reference:
- PSNR in dB of luma (BT.601) and of R, G and B together;
- MS-SSIM of luma: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003, five
  scales, window 11×11, σ 1.5; of pictures too small for five scales, as many as there are, their weights scaled to 1.

A JPEG shows transparency on white. Where the derivative has alpha both are laid on white and on black, and the squares of
both differences count. Of an animation frames are compared that are shown at the same moment.
"""

import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

Image.MAX_IMAGE_PIXELS = None
LUMA = np.array([0.299, 0.587, 0.114])
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
WINDOW /= WINDOW.sum()
FRAMES = 10  # that are compared of an animation


@dataclass(frozen=True)
class Quality:
    width: int
    height: int
    psnr_luma: float
    psnr_rgb: float
    ms_ssim: float


class Reference:
    """The original of one case."""

    def __init__(self, path: Path):
        self.path = path
        with Image.open(path) as picture:
            self.frames = getattr(picture, "n_frames", 1)
        self._still = cache(self._resized_still)
        self._moving = cache(self._resized_moving)

    @cache
    def upright(self) -> Image.Image:
        with Image.open(self.path) as picture:
            return _upright(picture)

    def size(self, edge: int) -> tuple[int, int]:
        """That a derivative of at most `edge` pixels should have."""
        width, height = self.upright().size
        scale = min(1.0, edge / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def measure(self, file: Path) -> Quality:
        """`file` is a derivative of it."""
        with Image.open(file) as derivative:
            size = derivative.size
            if getattr(derivative, "n_frames", 1) > 1:
                shown = _by_time(derivative)
                pairs = [pair for moment, frame in self._moving(size) for pair in _layers(frame, _at(shown, moment))]
            else:
                picture = derivative.convert("RGBA" if _has_alpha(derivative) else "RGB")
                pairs = _layers(self._still(size), np.asarray(picture, np.float64))
        luma = [(wanted @ LUMA, shown @ LUMA) for wanted, shown in pairs]
        return Quality(
            *size, _psnr(luma), _psnr(pairs), float(np.mean([ms_ssim(wanted, shown) for wanted, shown in luma])),
        )

    def _resized_still(self, size: tuple[int, int]) -> np.ndarray:
        return _lanczos(self.upright(), size)

    def _resized_moving(self, size: tuple[int, int]) -> list[tuple[float, np.ndarray]]:
        """Some frames, evenly chosen, each with a moment at which it is shown, in ms."""
        every = max(1, self.frames // FRAMES)
        frames, now = [], 0.0
        with Image.open(self.path) as picture:
            for number in range(self.frames):
                picture.seek(number)
                duration = picture.info.get("duration", 0)
                if number % every == 0:
                    frames.append((now + duration / 2, _lanczos(_upright(picture), size)))
                now += duration
        return frames


def _has_alpha(picture: Image.Image) -> bool:
    return picture.has_transparency_data


def _upright(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    picture = ImageOps.exif_transpose(picture).convert("RGBA" if _has_alpha(picture) else "RGB")
    if profile is None:
        return picture
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    converted = ImageCms.profileToProfile(
        picture.convert("RGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    if alpha:
        converted.putalpha(alpha)
    return converted


def _lanczos(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Height × width × 3 or 4, 0 to 255, alpha not premultiplied."""
    def resize(channel: Image.Image) -> np.ndarray:
        return np.asarray(channel.resize(size, Image.Resampling.LANCZOS), np.float64)

    if picture.mode == "RGB":
        channels = [resize(picture.getchannel(name).convert("F")) for name in "RGB"]
        return np.clip(np.stack(channels, axis=2), 0, 255)
    full = np.asarray(picture.getchannel("A"), np.float32) / 255
    alpha = np.clip(resize(Image.fromarray(full)), 0, 1)
    channels = []
    for name in "RGB":
        premultiplied = np.asarray(picture.getchannel(name), np.float32) * full
        resized = np.clip(resize(Image.fromarray(premultiplied)), 0, 255 * alpha)
        channels.append(np.divide(resized, alpha, out=np.zeros_like(resized), where=alpha > 0))
    return np.stack([*channels, alpha * 255], axis=2)


def _layers(wanted: np.ndarray, shown: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of opaque pictures."""
    grounds = (255.0,) if shown.shape[2] == 3 else (255.0, 0.0)
    if wanted.shape[2] == 3 and shown.shape[2] == 3:
        return [(wanted, shown)]
    return [(_on(wanted, ground), _on(shown, ground)) for ground in grounds]


def _on(picture: np.ndarray, ground: float) -> np.ndarray:
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:] / 255
    return picture[..., :3] * alpha + ground * (1 - alpha)


def _by_time(picture: Image.Image) -> list[tuple[float, np.ndarray]]:
    """Every frame with the moment at which it ends, in ms."""
    frames, now = [], 0.0
    for number in range(picture.n_frames):
        picture.seek(number)
        picture.load()
        now += picture.info.get("duration", 0)
        frames.append((now, np.asarray(picture.convert("RGB"), np.float64)))
    return frames


def _at(frames: list[tuple[float, np.ndarray]], moment: float) -> np.ndarray:
    return next((frame for end, frame in frames if moment < end), frames[-1][1])


def _psnr(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    error = np.mean([np.mean((wanted - shown) ** 2) for wanted, shown in pairs])
    return 10 * math.log10(255**2 / error) if error else math.inf


def _blurred(picture: np.ndarray) -> np.ndarray:
    """By the window, where it lies within the picture."""
    rows = sum(weight * picture[at:picture.shape[0] - 10 + at] for at, weight in enumerate(WINDOW))
    return sum(weight * rows[:, at:rows.shape[1] - 10 + at] for at, weight in enumerate(WINDOW))


def ms_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Of two planes in the range 0 to 255."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    scales = max(1, min(len(WEIGHTS), int(math.log2(min(first.shape) / 11)) + 1))
    weights = WEIGHTS[:scales] / WEIGHTS[:scales].sum()
    result = 1.0
    for scale, weight in enumerate(weights):
        mean1, mean2 = _blurred(first), _blurred(second)
        variance1 = _blurred(first * first) - mean1**2
        variance2 = _blurred(second * second) - mean2**2
        covariance = _blurred(first * second) - mean1 * mean2
        term = (2 * covariance + c2) / (variance1 + variance2 + c2)
        if scale == scales - 1:
            term = term * (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
        result *= max(0.0, float(term.mean())) ** weight
        first, second = _halved(first), _halved(second)
    return result


def _halved(plane: np.ndarray) -> np.ndarray:
    even = plane[:plane.shape[0] // 2 * 2, :plane.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
