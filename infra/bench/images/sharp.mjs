// The peer on one file, for `run.py`; the same interface as `derive-bench` (src/main.rs).
//
// node sharp.mjs serve INPUT THREADS FORM: reads numbers, one a line; does the work that often, prints {"wall_ms", "cpu_ms"}.
// node sharp.mjs once INPUT THREADS FORM FOLDER: does the work once, prints {"peak_kib"}, writes the files.
// node sharp.mjs once-from-file ...: the same, but sharp is given the file's path in place of its bytes.
// node sharp.mjs best INPUT THREADS: prints the {"form"} that is fastest here for this file.
// node sharp.mjs idle: prints {"peak_kib"} of a process that only loaded sharp.
//
// Fastest, at equal quality, is one decode to raw pixels at the largest size and all else from those (three pipelines from the
// file, or clones of one, decode it three times and take 1.8 times as long), standard Huffman tables (`optimiseCoding`, on by
// default, makes it a fifth slower for 12 MP), and the encoders at once: on one core that costs nothing. Whether the thumbnail is
// better made from the large pixels or from the middle ones depends on the file and the cores: the forms of that choice. A colour
// profile is converted at full size, which takes most of the time; "profile late" is a way around, in memory, by way of TIFF.
// sharp itself keeps JPEG's shrink-on-load off until the picture is three times as wide as the output; no option changes that.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import sharp from "sharp";

const LARGE = 2048;
const PREVIEW = 1024;
const THUMB = 256;
const JPEG = { quality: 80, chromaSubsampling: "4:2:0", mozjpeg: false, optimiseCoding: false };
const WEBP = { quality: 80, effort: 4 };

const [mode, path, threads, ...rest] = process.argv.slice(2);

sharp.cache(false);
sharp.concurrency(Number(threads ?? 1));
const input = path && (mode === "once-from-file" ? path : readFileSync(path));

const fit = (edge) => ({ width: edge, height: edge, fit: "inside", withoutEnlargement: true });
const from = ({ data, info: { width, height, channels } }) => sharp(data, { raw: { width, height, channels } });
const pixels = (pipeline) => pipeline.raw().toBuffer({ resolveWithObject: true });
const larger = ({ info }) => Math.max(info.width, info.height);

const jpeg = (pipeline, { info: { channels } }) =>
  (channels === 2 || channels === 4 ? pipeline.flatten({ background: "#fff" }) : pipeline).jpeg(JPEG).toBuffer();
const resized = (picture, edge) => (larger(picture) > edge ? from(picture).resize(fit(edge)) : from(picture));

const decoded = () =>
  pixels(sharp(input, { sequentialRead: true }).autoOrient().resize(fit(LARGE)).toColourspace("srgb"));

async function decodedProfileLate() {
  const shrunk = sharp(input, { sequentialRead: true, ignoreIcc: true }).autoOrient().resize(fit(LARGE));
  return pixels(sharp(await shrunk.keepIccProfile().tiff({ compression: "none" }).toBuffer()).toColourspace("srgb"));
}

const moving = () => sharp(input, { animated: true, sequentialRead: true }).resize(fit(THUMB)).webp(WEBP).toBuffer();

async function thumbFromLarge(decode, animated) {
  const picture = await decode();
  const large = jpeg(from(picture), picture);
  const preview = larger(picture) > PREVIEW ? jpeg(resized(picture, PREVIEW), picture) : large;
  return Promise.all([animated ? moving() : resized(picture, THUMB).webp(WEBP).toBuffer(), preview, large]);
}

async function thumbFromPreview(decode, animated) {
  const picture = await decode();
  const large = jpeg(from(picture), picture);
  const rest = (async () => {
    const middle = larger(picture) > PREVIEW ? await pixels(resized(picture, PREVIEW)) : picture;
    return Promise.all([
      animated ? moving() : resized(middle, THUMB).webp(WEBP).toBuffer(),
      middle === picture ? large : jpeg(from(middle), middle),
    ]);
  })();
  return [...(await rest), await large];
}

const FORMS = {
  "256 from 2048": (animated) => thumbFromLarge(decoded, animated),
  "256 from 1024": (animated) => thumbFromPreview(decoded, animated),
};
const FORMS_WITH_PROFILE = {
  "256 from 2048, profile late": (animated) => thumbFromLarge(decodedProfileLate, animated),
  "256 from 1024, profile late": (animated) => thumbFromPreview(decodedProfileLate, animated),
};
const ALL_FORMS = { ...FORMS, ...FORMS_WITH_PROFILE };

const peak = () => Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function look() {
  const { pages, icc } = await sharp(input).metadata();
  return { animated: (pages ?? 1) > 1, forms: icc ? ALL_FORMS : FORMS };
}

async function timed(work) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / 1000 };
}

switch (mode) {
  case "serve": {
    const { animated } = await look();
    const form = ALL_FORMS[rest[0]];
    for await (const line of createInterface({ input: process.stdin })) {
      const samples = [];
      for (let left = Number(line); left > 0; left -= 1) samples.push(await timed(() => form(animated)));
      print({ wall_ms: samples.map(({ wall }) => wall), cpu_ms: samples.map(({ cpu }) => cpu) });
    }
    break;
  }
  case "once":
  case "once-from-file": {
    const [form, folder] = rest;
    const files = await ALL_FORMS[form]((await look()).animated);
    print({ peak_kib: peak() });
    ["thumb.webp", "preview.jpg", "large.jpg"].forEach((name, at) => writeFileSync(join(folder, name), files[at]));
    break;
  }
  case "best": {
    const { animated, forms } = await look();
    const least = Object.fromEntries(Object.keys(forms).map((form) => [form, Infinity]));
    const until = performance.now() + 1500;
    for (let round = 0; round < 2 || (round < 9 && performance.now() < until); round += 1) {
      for (const [form, work] of Object.entries(forms)) {
        least[form] = Math.min(least[form], (await timed(() => work(animated))).wall);
      }
    }
    print({ form: Object.keys(forms).reduce((best, form) => (least[form] < least[best] ? form : best)) });
    break;
  }
  case "idle":
    print({ peak_kib: peak() });
    break;
  default:
    throw new Error("usage: see the head of sharp.mjs");
}
