"""The same as the others: query, subscribe (stored, then live), close."""

import asyncio
import sys

from aionostr.relay import Manager

url, author = sys.argv[1:3]
FILTER = {"kinds": [1], "authors": [author]}


def say(word, detail=""):
    print(f"{word} {detail}".strip(), flush=True)


async def main():
    manager = Manager([url], origin="aionostr", private_key="01" * 32)
    async with manager:
        say("queried", len({event.id async for event in manager.get_events(FILTER)}))
        queue = await manager.subscribe("live", FILTER)
        stored = 0
        while (event := await queue.get()) is not None:
            stored += 1
        say("stored", stored)
        say("eose")
        event = await queue.get()
        say("live", event.id)
        await manager.unsubscribe("live")
    say("closed")


asyncio.run(main())
