"""What the cases of peer.py and deflate.py have in common, and what its server and its clients have."""
import asyncio
import contextlib
import time
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from extension import ClientFactory, watched

MAX_SIZE = 80 << 20
CASE_LIMIT = 10  # seconds
END_LIMIT = 3  # seconds that the end of a connection may take: less than anybody's timeout

OPCODES = {Opcode.TEXT: "text", Opcode.BINARY: "binary", Opcode.CONT: "cont",
           Opcode.PING: "ping", Opcode.PONG: "pong", Opcode.CLOSE: "close"}


def text(size):
    """Characters of one to four bytes."""
    return "aé世🦦" * (size // 10) + "a" * (size % 10)


def binary(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def split(data, pieces):
    """Into so many pieces, of as equal a length as can be."""
    for left in range(pieces, 0, -1):
        cut = len(data) // left
        yield data[:cut]
        data = data[cut:]


class Recording:
    """Of a connection: the frames that came, as "text*:3 cont:2 ping:6869 text~:17" (* is one with more to come, ~ one
    with RSV1; lengths of data as they were on the wire, payloads of control frames in hex)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.frames = []

    def process_event(self, event):
        if isinstance(event, Frame):
            rsv1, length = watched(self).came.popleft() if watched(self) else (event.rsv1, len(event.data))
            control = event.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
            self.frames.append("%s%s%s:%s" % (OPCODES[event.opcode], "~" if rsv1 else "", "" if event.fin else "*",
                                              bytes(event.data).hex() if control else length))
        super().process_event(event)


class RecordingClient(Recording, ClientConnection):
    pass


async def close(conn, code, reason):
    if code is None:  # the library's own close() always has a code
        async with conn.send_context():
            conn.protocol.send_close()
    else:
        await conn.close(code, reason)


class Failed(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Failed(what)


def same(got, wanted, what):
    if got != wanted:
        raise Failed("%s: %s, expected %s" % (what, brief(got), brief(wanted)))


def brief(value):
    shown = repr(value)
    return shown if len(shown) <= 200 else "%s… (%d)" % (shown[:200], len(value))


class Client:
    """Runs cases, which are in run_cases() of those who inherit."""

    def __init__(self, url):
        self.url = url
        self.cases = self.failed = 0
        self.cut = 0  # connections that the server is to find cut off

    async def run(self):
        await self.run_cases()
        print("cut %d" % self.cut)
        print("cases %d" % self.cases, flush=True)
        return 1 if self.failed else 0

    async def case(self, name, run, *args):
        self.cases += 1
        try:
            async with asyncio.timeout(CASE_LIMIT):
                await run(*args)
        except Exception as e:
            self.failed += 1
            print("not ok %s: %s" % (name, str(e) or type(e).__name__), flush=True)
        else:
            print("ok %s" % name, flush=True)

    def connect(self, *, url=None, subprotocols=None, offer=None, **wishes):
        """offer: parameters of permessage-deflate, None to offer none."""
        extensions = None if offer is None else [ClientFactory(offer)]
        return connect("%s/?%s" % (url or self.url, urlencode(wishes)), subprotocols=subprotocols, compression=None,
                       extensions=extensions, max_size=MAX_SIZE, proxy=None, ping_interval=None,
                       create_connection=RecordingClient)

    @contextlib.asynccontextmanager
    async def open(self, **how):
        """A connection that is closed in good order when the case is through with it."""
        conn = await self.connect(**how)
        try:
            yield conn
            start = time.monotonic()
            await close(conn, 1000, "done")
            await self.check_end(conn, 1000, "done", start, by_us=True)
        finally:
            conn.transport.abort()

    @staticmethod
    async def check_end(conn, code, reason, start, by_us):
        """Both sides have said the same, and TCP ended in time and by itself."""
        try:
            await conn.recv()
            raise Failed("a message where the end was expected")
        except ConnectionClosed as e:
            end = e
        seconds = time.monotonic() - start
        need(end.rcvd is not None, "no Close frame came")
        same((end.rcvd.code, end.rcvd.reason), (code or 1005, reason), "the Close that came")
        same((end.sent.code, end.sent.reason), (code or 1005, reason), "the Close that was sent")
        same(end.rcvd_then_sent, not by_us, "closed by the server")
        body = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
        same(conn.frames[-1], "close:" + body.hex(), "the last frame")
        need(end.__cause__ is None, "not a clean end: %r" % end.__cause__)
        need(seconds < END_LIMIT, "the end took %.1f s" % seconds)
