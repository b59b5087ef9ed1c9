// The client of both servers: tus-js-client, in chunks of 4 MiB.
//
// node client.mjs ENDPOINT FILE BYTES COUNT: uploads the file's first BYTES bytes COUNT times at once, and prints
// {"seconds", "retries"}. TOKEN, if set, is sent as a bearer token.
import { readFile } from "node:fs/promises";
import { Upload } from "tus-js-client";

const CHUNK_SIZE = 4 * 1024 * 1024;

const [endpoint, path, bytes, count] = process.argv.slice(2);
const headers = process.env.TOKEN ? { authorization: `Bearer ${process.env.TOKEN}` } : {};
const file = (await readFile(path)).subarray(0, Number(bytes));
let retries = 0;

const upload = (number) =>
  new Promise((resolve, reject) => {
    new Upload(file, {
      endpoint,
      headers,
      chunkSize: CHUNK_SIZE,
      metadata: { filename: `bench-${number}.bin`, filetype: "application/octet-stream" },
      onShouldRetry: () => {
        retries += 1;
        return true;
      },
      onError: reject,
      onSuccess: resolve,
    }).start();
  });

const start = performance.now();
await Promise.all(Array.from({ length: Number(count) }, (_, number) => upload(number)));
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, retries }));
