"""A live picture of one area's coverage.

    python coverage.py 'actual.4408.440802.>'

The marker, key `_.at`, comes every two seconds: it says up to where the bucket is in step and whether it is complete. Without it
for six seconds the picture is stale, and is read anew.
"""

import asyncio
import json
import os
import sys

import nats

STALE_S = 6


async def follow(bucket, keys):
    markers = await bucket.watch("_.at")
    while not await is_complete(markers):
        pass
    rows = await bucket.watch(keys)
    picture = {}
    while entry := await rows.updates(STALE_S):  # None: that was all there is
        if entry.operation is None:
            picture[entry.key] = json.loads(entry.value)
    print(f"snapshot: {len(picture)} areas", flush=True)
    for row in picture.values():
        show(row)
    showing = asyncio.create_task(show_changes(rows))
    try:
        while await is_complete(markers):
            pass
    finally:
        showing.cancel()
        await rows.stop()
        await markers.stop()


async def is_complete(markers):
    while not (entry := await markers.updates(STALE_S)):
        pass
    return entry.operation is None and json.loads(entry.value)["complete"]


async def show_changes(rows):
    async for entry in rows:
        if entry.operation is None:
            show(json.loads(entry.value))
        else:
            print(f"gone: {entry.key}", flush=True)


def show(row):
    # Numbers are decimal strings, and what is zero is left out.
    print(f"{row['area_id']} {row.get('name', '')}: gap {row.get('gap', '0')}, as of {row['at']}", flush=True)


async def main():
    keys = sys.argv[1] if len(sys.argv) > 1 else "actual.>"
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    while True:
        try:
            await follow(await client.jetstream().key_value("muster_coverage"), keys)
            print("the bucket is being filled", flush=True)
        except nats.errors.TimeoutError:
            print("stale: the publisher is silent", flush=True)


asyncio.run(main())
