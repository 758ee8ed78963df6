// A live picture of one area's coverage.
//
//     node coverage.js 'actual.4408.440802.>'
//
// The marker, key `_.at`, comes every two seconds: it says up to where the bucket is in step and whether it is complete.
// Without it for six seconds the picture is stale, and is read anew.
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const MARKER = "_.at";
const STALE_MS = 6_000;

// Numbers are decimal strings, and what is zero is left out.
const show = (row) => console.log(`${row.area_id} ${row.name ?? ""}: gap ${row.gap ?? "0"}, as of ${row.at}`);

async function follow(bucket, keys) {
  const entries = await bucket.watch({ key: [keys, MARKER] });
  const picture = new Map();
  let whole = false;
  const silence = setTimeout(() => entries.stop(), STALE_MS);
  for await (const entry of entries) {
    const value = entry.operation === "PUT" ? entry.json() : undefined;
    if (entry.key === MARKER) {
      silence.refresh();
      const complete = value?.complete && (whole || entry.delta === 0);
      if (complete && !whole) {
        console.log(`snapshot: ${picture.size} areas, as of ${value.at}`);
        picture.forEach(show);
      }
      whole = complete;
    } else if (value) {
      picture.set(entry.key, value);
      if (whole) show(value);
    } else {
      picture.delete(entry.key);
      if (whole) console.log(`gone: ${entry.key}`);
    }
  }
  clearTimeout(silence);
}

const keys = process.argv[2] ?? "actual.>";
const client = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });
for (;;) {
  await follow(await new Kvm(client).open("muster_coverage"), keys);
  console.log("stale: the publisher is silent");
}
