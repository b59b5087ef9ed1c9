"""The image benchmark: the engine and sharp on the same files, side by side. `make bench-images` calls it.

The work: one file becomes a JPEG of at most 2048 pixels and one of at most 1024 (quality 80, 4:2:0) and a WebP of at most 256
(quality 80, method 4), upright, in sRGB, without metadata. An animation's WebP stays animated.

How it is measured
- Each side is a warm process that holds the file; both are pinned to the same one or two cores and take turns (A-B-A-B),
  each turn as many runs as take about a quarter of a second. Wall time and the CPU time of the whole process. Figures are
  medians; ratios are the median of the rounds' own ratios, so that a machine that gets slower in between disturbs neither.
- sharp runs in its fastest form, chosen before each case by trying (sharp.mjs), and with one arena for malloc: that is as
  fast, and takes a quarter to a third less memory than glibc's default.
- Memory: the most that a process ever had resident, (1) a fresh one that reads the file and does the work once, (2) the warm
  one after all rounds, which is what a function that lives for many files needs. Also how much of sharp's is above that of a
  Node.js process that only loaded it.
- Ours is to make the same bytes on one core and on two.
- Quality of what both made, against an independent reference (quality.py), and the sizes of the files.

Fails when a case can't be done, an output is missing or of another size than it should be, or ours is worse than sharp's
by more than TOLERANCE. Never because of speed: machines differ.

Writes a table for people (Markdown), and one line of JSON for each case and number of cores to $SLUICE_BENCH_RESULTS.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import inputs
from quality import Quality, Reference

HERE = Path(__file__).resolve().parent
OUTPUTS = {"large.jpg": 2048, "preview.jpg": 1024, "thumb.webp": 256}
# By how much ours may be worse: less than an eye can see (0.5 dB), more than encoders of the same quality setting differ by.
TOLERANCE = {"psnr_luma": 0.3, "psnr_rgb": 0.3, "ms_ssim": 0.003}
TOLERANCE_SIZE = 1.06  # of all files of a case together, ours to sharp's
# Times faster than sharp on one core and on two. Every other case: never slower.
GOALS = {"jpeg-12mp": (4, 6), "jpeg-24mp": (4, 6), "jpeg-48mp": (3, 6)}
MEMORY_GOALS = {"jpeg-48mp": 40, "png-100mp": 60}  # MiB
SHARP_ALLOCATOR = "MALLOC_ARENA_MAX=1"
ROUNDS = 5
TURN_SECONDS = 0.25
MOST_RUNS = 20  # in one turn


class Failure(Exception):
    """A side can't do a case."""


class Side:
    """One of the two, on one file and so many cores."""

    def __init__(self, command: list[str], options: list[str], path: Path, cores: list[int]):
        self.pinned = ["taskset", "-c", ",".join(map(str, cores)), *command]
        self.arguments = [str(path), str(len(cores)), *options]

    def call(self, mode: str, *more: str) -> dict:
        return call([*self.pinned, mode, *self.arguments, *more])

    def once(self, folder: Path, mode: str = "once") -> int:
        """Writes the files. The most memory in KiB."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.call(mode, str(folder))["peak_kib"]

    def start(self) -> "Worker":
        return Worker([*self.pinned, "serve", *self.arguments])


class Worker:
    """A warm process."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.runs = 1
        self.rounds: list[dict] = []

    def work(self, runs: int) -> dict:
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"stopped with {self.process.wait()}")
        return json.loads(line)

    def warm_up(self) -> None:
        self.work(1)
        seconds = min(self.work(2)["wall_ms"]) / 1000
        self.runs = max(1, min(MOST_RUNS, round(TURN_SECONDS / seconds)))

    def turn(self) -> None:
        self.rounds.append(self.work(self.runs))

    def peak(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def per_round(self, what: str) -> list[float]:
        return [statistics.median(samples[what]) for samples in self.rounds]

    def summary(self, what: str) -> dict:
        samples = [sample for one in self.rounds for sample in one[what]]
        return {"median": statistics.median(samples), "min": min(samples), "max": max(samples)}


def call(command: list[str]) -> dict:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout)


class Bench:
    """Both sides, and a folder for what they make: CASE/SIDE-CORES/FILE."""

    def __init__(self, ours: Path, node: Path, rounds: int, folder: Path):
        self.ours = [str(ours)]
        self.sharp = ["env", SHARP_ALLOCATOR, str(node), str(HERE / "sharp.mjs")]
        self.rounds = rounds
        self.folder = folder
        self.sharp_idle = call([*self.sharp, "idle"])["peak_kib"]

    def once(self, case: inputs.Case, path: Path, cores: list[int]) -> dict:
        """Makes the files of both; sharp's best form, and the memory that both took."""
        form = Side(self.sharp, [], path, cores).call("best")["form"]
        ours, sharp = Side(self.ours, [], path, cores), Side(self.sharp, [form], path, cores)
        folders = [self.folder / case.name / f"{name}-{len(cores)}" for name in ("ours", "sharp", "sharp-from-file")]
        return {
            "cores": len(cores),
            "sharp_form": form,
            "ours": {"peak_kib": ours.once(folders[0])},
            "sharp": {"peak_kib": sharp.once(folders[1]), "from_file_peak_kib": sharp.once(folders[2], "once-from-file")},
            "sharp_idle_kib": self.sharp_idle,
        }

    def speed(self, record: dict, path: Path, cores: list[int]) -> None:
        """Adds what both take when they are warm."""
        one, other = Side(self.ours, [], path, cores), Side(self.sharp, [record["sharp_form"]], path, cores)
        with one.start() as ours, other.start() as sharp:
            for worker in (ours, sharp):
                worker.warm_up()
            for _ in range(self.rounds):
                ours.turn()
                sharp.turn()
            record["rounds"] = self.rounds
            for name, worker in (("ours", ours), ("sharp", sharp)):
                record[name] |= {
                    "wall_ms": worker.summary("wall_ms"), "cpu_ms": worker.summary("cpu_ms"),
                    "warm_peak_kib": worker.peak(), "runs": worker.runs * self.rounds,
                }
            for what in ("wall", "cpu"):
                pairs = zip(ours.per_round(f"{what}_ms"), sharp.per_round(f"{what}_ms"))
                record[f"{what}_ratio"] = statistics.median(mine / theirs for mine, theirs in pairs)

    def quality(self, case: inputs.Case, path: Path, cores: int) -> dict:
        """Of the files that both made on so many cores, and their sizes."""
        reference, record = Reference(path), {}
        for name in ("ours", "sharp"):
            record[name] = {}
            for file in OUTPUTS:
                made = self.folder / case.name / f"{name}-{cores}" / file
                if not made.exists():
                    raise Failure(f"{name} made no {file}")
                record[name][file] = {**asdict(reference.measure(made)), "bytes": made.stat().st_size}
        record["expected"] = {file: reference.size(edge) for file, edge in OUTPUTS.items()}
        return record

    def differing(self, case: inputs.Case, counts: list[int]) -> list[str]:
        """Files of ours that depend on the number of cores. None may."""
        folders = [self.folder / case.name / f"ours-{count}" for count in counts]
        return [
            f"{file} is another on {count} cores" for file in OUTPUTS for count, folder in zip(counts, folders)
            if (folder / file).read_bytes() != (folders[0] / file).read_bytes()
        ]


def worse(outputs: dict) -> list[str]:
    """What is wrong with ours."""
    found = []
    for file in OUTPUTS:
        ours, sharp = outputs["ours"][file], outputs["sharp"][file]
        wanted = outputs["expected"][file]
        if max(abs(ours["width"] - wanted[0]), abs(ours["height"] - wanted[1])) > 1:
            found.append(f"{file} is {ours['width']}×{ours['height']}, not {wanted[0]}×{wanted[1]}")
        for measure, tolerance in TOLERANCE.items():
            if ours[measure] < sharp[measure] - tolerance:
                found.append(f"{file}: {measure} {ours[measure]:.4g}, sharp's {sharp[measure]:.4g}")
    ratio = size_ratio(outputs)
    if ratio > TOLERANCE_SIZE:
        found.append(f"its files are {ratio:.2f} times as large as sharp's")
    return found


def size_ratio(outputs: dict) -> float:
    total = {side: sum(outputs[side][file]["bytes"] for file in OUTPUTS) for side in ("ours", "sharp")}
    return total["ours"] / total["sharp"]


# ---- what is printed


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown that can be read as it is."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in lines
    )


def pair(record: dict, what: str) -> str:
    return f"{record['ours'][what] / 1024:.0f} / {record['sharp'][what] / 1024:.0f}"


def times(record: dict, what: str = "wall_ratio") -> str:
    return f"{1 / record[what]:.2f}×"


def milliseconds(record: dict) -> str:
    return f"{record['ours']['wall_ms']['median']:.1f} / {record['sharp']['wall_ms']['median']:.1f}"


def speeds(results: dict) -> str:
    header = [
        "case", "cores", "wall, ms", "faster", "less CPU", "peak, MiB", "above idle", "from a file", "warm, MiB", "sharp's form",
    ]
    rows = []
    for case, result in results.items():
        for count, record in result["speed"].items():
            sharp = record["sharp"]
            rows.append([
                case, str(count), milliseconds(record), times(record), times(record, "cpu_ratio"), pair(record, "peak_kib"),
                f"{(sharp['peak_kib'] - record['sharp_idle_kib']) / 1024:.0f}", f"{sharp['from_file_peak_kib'] / 1024:.0f}",
                pair(record, "warm_peak_kib"), record["sharp_form"],
            ])
    return table(header, rows)


def qualities(results: dict) -> str:
    header = ["case", "file", "size", "PSNR luma, dB", "PSNR RGB, dB", "MS-SSIM", "bytes", "ratio"]
    rows = []
    for case, result in results.items():
        for file in OUTPUTS if "outputs" in result else ():
            ours, sharp = (result["outputs"][side][file] for side in ("ours", "sharp"))
            rows.append([
                case, file, f"{ours['width']}×{ours['height']}",
                *(f"{ours[measure]:.{digits}f} / {sharp[measure]:.{digits}f}"
                  for measure, digits in (("psnr_luma", 2), ("psnr_rgb", 2), ("ms_ssim", 4))),
                f"{ours['bytes']} / {sharp['bytes']}", f"{ours['bytes'] / sharp['bytes']:.3f}",
            ])
    return table(header, rows)


def summary(results: dict) -> str:
    """One row a case, as it stands in README.md."""
    header = ["file", "1 core, ms", "faster", "2 cores", "peak, MiB", "warm", "PSNR, dB", "bytes"]
    rows = []
    for result in results.values():
        one, two = result["speed"].get(1), result["speed"].get(2)
        quality = ["–", "–"]
        if "outputs" in result:
            ours, sharp = (
                statistics.mean(result["outputs"][side][file]["psnr_luma"] for file in OUTPUTS) for side in ("ours", "sharp"))
            quality = [f"{ours:.1f} / {sharp:.1f}", f"{size_ratio(result['outputs']):.2f}"]
        rows.append([
            result["what"], milliseconds(one) if one else "–", times(one) if one else "–", times(two) if two else "–",
            *(pair(one or two, what) if one or two else "–" for what in ("peak_kib", "warm_peak_kib")), *quality,
        ])
    return table(header, rows)


def goals(results: dict) -> str:
    """What was set out for, and what came of it. Nothing fails by it."""
    rows = []
    for case, result in results.items():
        photo = case in GOALS
        for count, record in result["speed"].items():
            goal = GOALS[case][count - 1] if photo else 1.0
            rows.append((case, f"{count} core{'s' * (count > 1)}, times faster", f"≥ {goal:g}", 1 / record["wall_ratio"],
                         1 / record["wall_ratio"] >= goal))
        if 1 in result["speed"]:
            ours, sharp = (result["speed"][1][side] for side in ("ours", "sharp"))
            for name, what in (("once", "peak_kib"), ("warm", "warm_peak_kib")):
                share = ours[what] / sharp[what]
                rows.append((case, f"memory, {name}, of sharp's", "≤ 0.25", share, share <= 0.25))
            if case in MEMORY_GOALS:
                peak = max(ours["peak_kib"], ours["warm_peak_kib"]) / 1024
                rows.append((case, "memory, MiB", f"≤ {MEMORY_GOALS[case]}", peak, peak <= MEMORY_GOALS[case]))
    return table(
        ["goal", "of", "wanted", "is", ""],
        [[case, of, wanted, f"{value:.2f}", "" if reached else "missed"] for case, of, wanted, value, reached in rows],
    )


def write_results(records: list[dict]) -> None:
    path = os.environ.get("SLUICE_BENCH_RESULTS")
    if path:
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        with open(path, "a") as file:
            for record in records:
                file.write(json.dumps({"benchmark": "images", "at": at, **record}) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path, help="the program derive-bench, a release build")
    parser.add_argument("node", type=Path)
    parser.add_argument("--cases", default="", help="parts of names, by commas; all without")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="none: memory and quality only")
    parser.add_argument("--cores", default="1,2", help="1, 2 or both")
    parser.add_argument("--no-quality", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder for what both make: CASE/SIDE-CORES/FILE")
    arguments = parser.parse_args()

    available = sorted(os.sched_getaffinity(0))
    counts = [count for count in map(int, arguments.cores.split(",")) if count <= len(available)]
    cases = [
        case for case in inputs.CASES
        if not arguments.cases or any(part in case.name for part in arguments.cases.split(","))
    ]
    folder = inputs.ensure()
    # Ends like an exception, so that a run which is stopped leaves no folder and no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    results: dict[str, dict] = {}
    failures = []
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(arguments.ours, arguments.node, arguments.rounds, arguments.keep or Path(temporary))
        for case in cases:
            path = folder / case.file
            result = results[case.name] = {"what": case.what, "speed": {}}
            print(f"{case.name}: {case.what}, {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr, flush=True)
            try:
                made = {count: bench.once(case, path, available[:count]) for count in counts}
                for count, record in made.items() if arguments.rounds else ():
                    bench.speed(record, path, available[:count])
                    result["speed"][count] = record
                faults = bench.differing(case, counts)
                if not arguments.no_quality:
                    result["outputs"] = bench.quality(case, path, counts[0])
                    faults += worse(result["outputs"])
                failures += [f"{case.name}: {fault}" for fault in faults]
                common = {"case": case.name, "input": case.what, "input_bytes": path.stat().st_size, "load": os.getloadavg()[0]}
                write_results([{**common, **record, "outputs": result.get("outputs")} for record in made.values()])
            except Failure as failure:
                failures.append(f"{case.name}: {failure}")

    if arguments.rounds:
        print(f"\nImages, ours / sharp, median of {arguments.rounds} rounds in turns; sharp's memory also above that of an idle"
              f" process ({bench.sharp_idle / 1024:.0f} MiB), and when it reads the file itself\n")
        print(speeds(results))
    if not arguments.no_quality:
        print("\nQuality against an independent reference, ours / sharp\n")
        print(qualities(results))
    if arguments.rounds:
        print(f"\nGoals\n\n{goals(results)}")
        print("\nIn short, ours / sharp; PSNR of luma, mean of the three outputs; bytes of all three, ours to sharp's\n")
        print(summary(results))
    if os.getloadavg()[0] > len(available) + 0.5:
        print("\nThe machine was busy with other work: read the ratios only.")
    for failure in failures:
        print(f"FAILED  {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
