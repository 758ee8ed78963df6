"""Follows the events of an area, and goes on where it stopped.

    python events.py PLACE_FILE 'muster.evt.actual.4408.440802.>'

The file keeps `epoch.position` of the last event that was dealt with. The payload is a protobuf `muster.v1.Envelope`
(proto/muster/v1/envelope.proto); what it is about stands in the headers.
"""

import asyncio
import os
import sys
from pathlib import Path

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

STREAM = "MUSTER_EVENTS"


async def start_after(stream, place):
    """Right behind the last event; from the first one if the log no longer has that one, as after a restore."""
    if not place.exists():
        return 1
    seen = place.read_text()
    position = int(seen.split(".")[1])
    try:
        message = await stream.get_msg(STREAM, position)
        if message.headers["ce-id"] == seen:
            return position + 1
    except nats.js.errors.NotFoundError:
        pass
    print("reset: the log is another one, everything comes anew", flush=True)
    return 1


async def main():
    place = Path(sys.argv[1])
    subjects = sys.argv[2] if len(sys.argv) > 2 else "muster.evt.actual.>"
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    stream = client.jetstream()
    start = await start_after(stream, place)
    begin = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start)
    events = await stream.subscribe(subjects, stream=STREAM, ordered_consumer=True, config=begin)
    async for event in events.messages:
        print(event.headers["ce-id"], event.headers["ce-type"], event.headers.get("ce-subject", ""), flush=True)
        # Beside its place and renamed, so that half a file is never read.
        written = place.with_suffix(".new")
        written.write_text(event.headers["ce-id"])
        written.replace(place)


asyncio.run(main())
