#!/usr/bin/env python3
"""The peer that speaks through the Python library websockets (see README.md).

    peer.py server        an echo server on a free port, with the query parameters of README.md
    peer.py client URL    the cases without compression against sockeye's echo server; exit status 1 if one failed
    peer.py deflate JSON  those with compression (see deflate.py)

peer.mjs is its twin: the same parameters, the same cases by the same names.
"""
import asyncio
import contextlib
import json
import sys
import time
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from common import END_LIMIT, MAX_SIZE, Client, Failed, Recording, binary, close, need, same, split, text
from deflate import DeflateClient
from extension import ServerFactory, in_use, watched

SIZES = [("0 B", 0), ("1 B", 1), ("125 B", 125), ("126 B", 126), ("65535 B", 65535), ("65536 B", 65536),
         ("1 MiB", 1 << 20), ("16 MiB", 16 << 20)]
CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
REASON = "Grüße, 世界 🦦"
CLOSES = [(str(code), code, REASON) for code in CODES] + [
    ("without a body", None, ""), ("without a reason", 1000, ""), ("with the longest reason", 1000, "é" * 61 + "x")]
STATUSES = [301, 400, 401, 403, 404, 426, 503]
PINGS = [("empty", ""), ("short", "hello"), ("not ASCII", "Grüße 🦦"), ("125 bytes", "é" * 62 + "x")]


class RecordingServer(Recording, ServerConnection):
    pass


# ---------------------------------------------------------------------------------- server

records = {}  # what was seen of the connections with record=KEY


def query(request):
    return dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))


def record(key):
    return records.setdefault(key, asyncio.get_running_loop().create_future())


def process_request(conn, request):
    wishes = query(request)
    if "status" in wishes:
        response = conn.respond(int(wishes["status"]), "you asked for %s – bitte schön\n" % wishes["status"])
        if "location" in wishes:
            response.headers["Location"] = wishes["location"]
        return response
    try:
        extensions = [] if "extensions" in wishes else [ServerFactory(wishes.get("deflate", ""))]
    except ValueError as e:
        return conn.respond(501, str(e))
    conn.protocol.available_extensions = extensions


def process_response(conn, request, response):
    if "extensions" in query(request):
        response.headers["Sec-WebSocket-Extensions"] = query(request)["extensions"]


def select_subprotocol(conn, offered):
    wanted = query(conn.request).get("protocol")
    return wanted if wanted in offered else None


async def handle(conn):
    wishes = query(conn.request)
    try:
        await play(conn, wishes)
    except ConnectionClosed:
        pass
    if "record" in wishes:
        await conn.wait_closed()
        end = conn.protocol.close_exc
        clean = end.rcvd is not None and end.sent is not None and end.__cause__ is None
        record(wishes["record"]).set_result("\n".join([
            "protocol " + (conn.subprotocol or ""),
            "code %d" % conn.close_code,
            "reason " + conn.close_reason,
            "clean %s" % str(clean).lower(),
            "offered " + conn.request.headers.get("Sec-WebSocket-Extensions", ""),
            "deflate " + in_use(conn, is_server=True),
            "window " + (watched(conn).violation if watched(conn) else ""),
            "sent %d" % (watched(conn).sent if watched(conn) else 0),
            "frames " + " ".join(conn.frames)]))


async def play(conn, wishes):
    if "report" in wishes:
        async with asyncio.timeout(END_LIMIT):
            await conn.send(await record(wishes["report"]))
    for n in range(int(wishes.get("push", 0))):
        await conn.send(str(n))
    if "ping" in wishes:
        payload = wishes["ping"]
        await (await conn.ping(payload))
        await conn.send("pong:" + bytes.fromhex(conn.frames[-1].removeprefix("pong:")).decode())
    if "deaf" in wishes:
        conn.transport.pause_reading()
        await conn.send("deaf")
    if "abort" in wishes:
        await asyncio.sleep(0.05)
        conn.transport.abort()
    if "close" in wishes:
        await close(conn, int(wishes["close"]) if wishes["close"] else None, wishes.get("reason", ""))
    if "raw" in wishes:
        conn.transport.write(bytes.fromhex(wishes["raw"]))
    if "zeros" in wishes:
        await conn.send(bytes(int(wishes["zeros"])))
    async for message in conn:
        if "plain" in wishes and watched(conn):
            watched(conn).plain = len(message.encode() if isinstance(message, str) else message) % 2 == 1
        if "fragment" in wishes:
            await send_fragmented(conn, message, int(wishes["fragment"]))
        else:
            await conn.send(message)


async def send_fragmented(conn, message, pieces):
    """In so many frames and an empty last one, with Pings in between."""
    is_text = isinstance(message, str)

    async def frames():
        for n, piece in enumerate(split(message.encode() if is_text else message, pieces)):
            if n:
                await conn.ping("between %d" % n)
            yield piece
    await conn.send(frames(), text=is_text)


async def server():
    async with serve(handle, "127.0.0.1", 0, max_size=MAX_SIZE, ping_interval=None, create_connection=RecordingServer,
                     process_request=process_request, process_response=process_response,
                     select_subprotocol=select_subprotocol) as listener:
        print("listening on ws://127.0.0.1:%d" % listener.sockets[0].getsockname()[1], flush=True)
        await listener.serve_forever()


# ---------------------------------------------------------------------------------- client

class PlainClient(Client):
    """The cases without compression."""

    async def run_cases(self):
        for name, size in SIZES:
            await self.case("echo text %s" % name, self.echo, text(size))
        for name, size in SIZES:
            await self.case("echo binary %s" % name, self.echo, binary(size))
        await self.case("compression is not offered", self.no_compression)
        await self.case("compression is declined", self.compression)

        await self.case("fragments from the peer, text cut inside characters", self.send_fragments, text(100), 100)
        await self.case("fragments from the peer, binary", self.send_fragments, binary(1 << 20), 3)
        await self.case("fragments from the peer, with Pings in between", self.send_fragments, text(100), 33, True)
        await self.case("fragments from the peer, empty ones", self.send_fragments, "", 20)
        for pieces in (2, 3, 7, 100):
            await self.case("fragments from us, text in %d" % pieces, self.receive_fragments, text(100), pieces)
        await self.case("fragments from us, binary in 7", self.receive_fragments, binary(1 << 20), 7)

        for name, payload in PINGS:
            await self.case("Ping from the peer, %s" % name, self.ping, payload)
        await self.case("Ping from the peer, several at once", self.ping_often)
        await self.case("Pong from the peer that nobody asked for", self.unsolicited_pong)
        for name, payload in PINGS:
            await self.case("Ping from us, %s" % name, self.pinged, payload)

        for name, code, reason in CLOSES:
            await self.case("closed by the peer, %s" % name, self.close, code, reason)
        for name, code, reason in CLOSES:
            await self.case("closed by us, %s" % name, self.closed, code, reason)

        await self.case("subprotocol, agreed", self.subprotocol, ["chat.v2", "chat.v1"], "chat.v2")
        await self.case("subprotocol, none in common", self.subprotocol, ["chat.v2", "chat.v1"], None)
        await self.case("subprotocol, none offered", self.subprotocol, None, None)

        for status in STATUSES:
            await self.case("refused with %d" % status, self.refused, status)

        await self.case("1,000 messages at once, echoed", self.burst)
        await self.case("1,000 messages at once, pushed", self.pushed)

        await self.case("cut off by us", self.cut_by_us)
        await self.case("cut off by the peer", self.cut_by_peer)

    async def echo(self, message):
        async with self.open() as conn:
            await conn.send(message)
            same(await conn.recv(), message, "echo")

    async def compression(self):
        async with self.open(offer="client_max_window_bits", nodeflate="") as conn:
            same(conn.request.headers["Sec-WebSocket-Extensions"], "permessage-deflate; client_max_window_bits", "offer")
            await self.uncompressed(conn)

    async def no_compression(self):
        async with self.open() as conn:
            same(conn.request.headers.get("Sec-WebSocket-Extensions"), None, "offer")
            await self.uncompressed(conn)

    @staticmethod
    async def uncompressed(conn):
        same(conn.response.headers.get("Sec-WebSocket-Extensions"), None, "extensions")
        await conn.send("a" * 2000)
        same(await conn.recv(), "a" * 2000, "echo")
        same(conn.frames, ["text:2000"], "frames")

    async def send_fragments(self, message, pieces, with_pings=False):
        is_text = isinstance(message, str)
        async with self.open() as conn:
            pongs = []

            async def frames():
                for n, piece in enumerate(split(message.encode() if is_text else message, pieces)):
                    if with_pings and n:
                        pongs.append(await conn.ping("between %d" % n))
                    yield piece
            await conn.send(frames(), text=is_text)
            same(await conn.recv(), message, "echo")
            await asyncio.gather(*pongs)
            if with_pings:
                wanted = ["pong:" + (b"between %d" % n).hex() for n in range(1, pieces)]
                same([f for f in conn.frames if f.startswith("pong")], wanted, "Pongs")

    async def receive_fragments(self, message, pieces):
        kind = "text" if isinstance(message, str) else "binary"
        async with self.open(fragment=pieces) as conn:
            await conn.send(message)
            same(await conn.recv(), message, "echo")
            lengths = [len(p) for p in split(message.encode() if kind == "text" else message, pieces)]
            wanted = ["%s%s:%d" % ("cont" if n else kind, "*" if n < pieces - 1 else "", length)
                      for n, length in enumerate(lengths)]
            same(conn.frames, wanted, "frames")

    async def ping(self, payload):
        async with self.open() as conn:
            await (await conn.ping(payload))
            same(conn.frames, ["pong:" + payload.encode().hex()], "frames")

    async def ping_often(self):
        async with self.open() as conn:
            for n in range(20):
                await conn.ping("number %d" % n)
            await conn.send("and a text")
            same(await conn.recv(), "and a text", "echo")
            wanted = ["pong:" + (b"number %d" % n).hex() for n in range(20)] + ["text:10"]
            same(conn.frames, wanted, "frames")

    async def unsolicited_pong(self):
        async with self.open() as conn:
            await conn.pong("unasked")
            await conn.send("hello")
            same(await conn.recv(), "hello", "echo")

    async def pinged(self, payload):
        async with self.open(ping=payload) as conn:
            same(await conn.recv(), "pong:" + payload, "what the server got back")
            same(conn.frames[0], "ping:" + payload.encode().hex(), "the first frame")

    async def close(self, code, reason):
        conn = await self.connect()
        start = time.monotonic()
        await close(conn, code, reason)
        await self.check_end(conn, code, reason, start, by_us=True)

    async def closed(self, code, reason):
        wishes = {"reason": reason} if reason else {}
        start = time.monotonic()
        conn = await self.connect(close="" if code is None else code, **wishes)
        await self.check_end(conn, code, reason, start, by_us=False)

    async def subprotocol(self, offered, wanted):
        wishes = {"noproto": ""} if offered and not wanted else {}
        async with self.open(subprotocols=offered, **wishes) as conn:
            same(conn.subprotocol, wanted, "subprotocol")
            same(conn.response.headers.get("Sec-WebSocket-Protocol"), wanted, "header line")
            await conn.send("hello")
            same(await conn.recv(), "hello", "echo")

    async def refused(self, status):
        try:
            await self.connect(status=status)
            raise Failed("not refused")
        except InvalidStatus as e:
            same(e.response.status_code, status, "status")
            same(e.response.body.decode(), "you asked for %d\n" % status, "body")

    async def burst(self):
        async with self.open() as conn:
            for n in range(1000):
                await conn.send("message %d" % n)
            for n in range(1000):
                same(await conn.recv(), "message %d" % n, "echo")

    async def pushed(self):
        async with self.open(push=1000) as conn:
            for n in range(1000):
                same(await conn.recv(), str(n), "message")

    async def cut_by_us(self):
        conn = await self.connect(abort="")
        try:
            await conn.recv()
            raise Failed("a message where the end was expected")
        except ConnectionClosed as e:
            same(e.rcvd, None, "the Close that came")
            same(conn.close_code, 1006, "code")
            same(conn.frames, [], "frames")

    async def cut_by_peer(self):
        conn = await self.connect()
        await conn.send("hello")
        same(await conn.recv(), "hello", "echo")
        self.cut += 1
        conn.transport.abort()
        await conn.wait_closed()


def main():
    args = sys.argv[1:]
    if args == ["server"]:
        return asyncio.run(server())
    if len(args) == 2 and args[0] == "client":
        return asyncio.run(PlainClient(args[1]).run())
    if len(args) == 2 and args[0] == "deflate":
        return asyncio.run(DeflateClient(json.loads(args[1])).run())
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
