// The peer: @tus/server with @tus/s3-store, as their documentation sets them up. Locks and the cache of uploads are in
// this process's memory, which is their default and their fastest form.
//
// node server.mjs ENDPOINT BUCKET: listens on a free port of 127.0.0.1 and prints it. Credentials and region come from
// the environment.
import { S3Store } from "@tus/s3-store";
import { Server } from "@tus/server";

const [endpoint, bucket] = process.argv.slice(2);
const server = new Server({
  path: "/files",
  datastore: new S3Store({ s3ClientConfig: { bucket, endpoint, forcePathStyle: true } }),
});
const http = server.listen({ host: "127.0.0.1", port: 0 }, () => console.log(http.address().port));
