"""Runs the image engine over a folder of files, and Pillow beside it: `corpus.py ENGINE FOLDER`.

ENGINE is the built example `corpus` of shared/media. Prints a line for each file: what the engine says it is, the size
as displayed and the frames, by the engine and by Pillow; how close the largest derivative comes to Pillow's picture, in
decibels (PSNR, 99 where they are the same); the engine's time and peak memory; what exiftool takes the file for, where
it is installed; warnings or the refusal. Then the sums of each folder and of all.

Every file is read in processes of its own, which are ended after TIMEOUT seconds: a file that brings one down costs its
line.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

TIMEOUT = 120
# Below, a picture isn't the same one: JPEG at quality 80 lies above 28, whatever it shows.
DIFFERENT = 22.0


def run(*command):
    """What a command prints, or why it didn't."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {TIMEOUT} s"
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    return done.stdout, None


def engine(program, path, folder):
    printed, failure = run(program, str(path), folder)
    return json.loads(printed) if printed else {"type": "?", "error": f"crash: {failure}", "derivatives": []}


def pillow(path, derivative):
    printed, failure = run(sys.executable, __file__, "--pillow", str(path), derivative or "")
    return json.loads(printed) if printed else {"error": failure}


def told_by_pillow(path, derivative):
    """Pillow's size and frames of a file, and how far the derivative is from its picture."""
    import numpy
    from PIL import Image, ImageCms, ImageOps

    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(path)
    frames = getattr(image, "n_frames", 1)
    image.seek(0)
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    told = {"size": image.size, "frames": frames}
    if not derivative:
        return told
    made = flat(Image.open(derivative))
    if image.mode.startswith(("I;16", "I", "F")):
        # Pillow cuts these off at 255.
        samples = numpy.asarray(image, dtype="float64")
        top = 1 if image.mode == "F" else 65535
        image = Image.fromarray(numpy.clip(samples / top * 255 + 0.5, 0, 255).astype("uint8"))
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        try:
            import io

            mode = "RGBA" if image.mode == "RGBA" else "L" if image.mode == "L" else "RGB"
            if image.mode != "L":
                source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError):
            pass
    reference = flat(image)
    if reference.size != made.size:
        reference = reference.resize(made.size, Image.Resampling.LANCZOS)
    difference = numpy.asarray(reference, dtype="float64") - numpy.asarray(made, dtype="float64")
    mean = float((difference**2).mean())
    told["psnr"] = 99.0 if mean == 0 else min(99.0, 10 * math.log10(255 * 255 / mean))
    return told


def flat(image):
    """The first frame on white, RGB."""
    from PIL import Image

    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


class Sums:
    """What is counted of a folder."""

    def __init__(self):
        self.counts = Counter()
        self.decibels = []
        self.milliseconds = 0
        self.memory = 0

    def add(self, ours, theirs):
        made, opened = not ours["error"], "size" in theirs
        self.counts["files"] += 1
        self.counts["shown"] += made
        self.counts["warned"] += bool(ours.get("warnings"))
        self.counts["by Pillow"] += opened
        self.counts["by the engine alone"] += made and not opened
        self.counts["by Pillow alone"] += opened and not made
        if made and opened:
            self.counts["of another size"] += list(ours["size"] or ()) != list(theirs["size"])
            self.counts["of other frames"] += ours["frames"] != theirs["frames"]
        if "psnr" in theirs:
            self.decibels.append(theirs["psnr"])
            self.counts["different"] += theirs["psnr"] < DIFFERENT
        self.counts["crashed"] += str(ours["error"]).startswith("crash")
        self.milliseconds += ours.get("milliseconds", 0)
        self.memory = max(self.memory, ours.get("memory", 0))

    def __str__(self):
        told = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        middle = sorted(self.decibels)[len(self.decibels) // 2] if self.decibels else 0
        return f"{told}; median {middle:.1f} dB; {self.milliseconds / 1000:.1f} s, at most {self.memory} MiB"


def size(told):
    width, height = told.get("size") or ("?", "?")
    frames = told.get("frames") or 1
    return f"{width}×{height}" + (f"×{frames}" if frames > 1 else "")


def main(program, root):
    exiftool = shutil.which("exiftool")
    if not exiftool:
        print("exiftool isn't installed (Debian: libimage-exiftool-perl): its column is left out")
    folders, everything = {}, Sums()
    root = Path(root)
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as out:
        for path in files:
            ours = engine(program, path, out)
            largest = ours["derivatives"][-1]["file"] if ours["derivatives"] else None
            theirs = pillow(path, largest)
            for derivative in ours["derivatives"]:
                os.remove(derivative["file"])
            record = ""
            if exiftool:
                printed, _ = run(exiftool, "-s3", "-m", "-FileType", "-ImageSize", str(path))
                record = "/".join((printed or "?").split())
            columns = [
                str(path.relative_to(root)) if path != root else path.name,
                ours["type"],
                size(ours) if ours.get("size") else "-",
                size(theirs) if "size" in theirs else "-",
                f"{theirs['psnr']:.1f} dB" if "psnr" in theirs else "-",
                f"{ours.get('milliseconds', 0)} ms",
                f"{ours.get('memory', 0)} MiB",
                record,
                ours["error"] or " ".join(ours["warnings"]),
            ]
            print("\t".join(columns), flush=True)
            for sums in (folders.setdefault(path.parent, Sums()), everything):
                sums.add(ours, theirs)
    print()
    for folder, sums in folders.items():
        print(f"{folder}: {sums}")
    print(f"all: {everything}")


if __name__ == "__main__":
    if sys.argv[1] == "--pillow":
        print(json.dumps(told_by_pillow(sys.argv[2], sys.argv[3])))
    else:
        main(*sys.argv[1:])
