"""The cases with compression of peer.py (see README.md). deflate.mjs is its twin."""
import functools
import hashlib
from collections import namedtuple

from websockets.exceptions import ConnectionClosed, NegotiationError

from common import Client, Failed, need, same, split
from extension import NAME, in_use, parse, watched, write

# zlib has no compressor for a window of 8 bits; so websockets neither offers that to be its own nor takes it. These are
# its words. peer.mjs covers both, and here it is still the window of the server.
CANNOT_OFFER = {"client_max_window_bits=8": "client_max_window_bits must be between 9 and 15"}
CANNOT_TAKE = {"client_max_window_bits=8": "Unsupported extension: name = permessage-deflate"}

MIN_LEN = 64  # of DeflateConfig: the shortest message that the server compresses
LOOKAHEAD = 262  # how much less than the window zlib refers back to

HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692, section 7.2.3.1
HELLO_AGAIN = bytes.fromhex("f200110000")  # section 7.2.3.2: refers to the one before
HELLOS = [("without compression", "000500faff48656c6c6f00"), ("with BFINAL", "f348cdc9c9070000"),
          ("in two blocks", "f248050000" "00ffffcac9c90700")]
VIOLATIONS = [  # frames of first byte and payload, and the code that they are answered with
    ("no DEFLATE", [(0xc1, b"\x07\x07\x07")], 1007),
    ("a reference to before the beginning", [(0xc1, HELLO_AGAIN)], 1007),
    ("cut short", [(0xc1, HELLO[:-3])], 1007),
    ("cut short in fragments", [(0x41, HELLO[:2]), (0x80, HELLO[2:-3])], 1007),
    ("no UTF-8", [(0xc1, bytes.fromhex("000100feffff00"))], 1007),
    ("RSV1 in a continuation", [(0x41, HELLO[:2]), (0xc0, HELLO[2:])], 1002),
    ("RSV1 in a Ping", [(0xc9, b"")], 1002),
    ("RSV2", [(0xa1, HELLO)], 1002)]

Agreed = namedtuple("Agreed", "server_alone client_alone server_bits client_bits")


def noise(size):
    """Bytes that cannot be compressed, others for every size."""
    return hashlib.shake_256(b"%d" % size).digest(size)


@functools.cache
def words(size):
    """Text of so many bytes that is compressed to less than half, with references over any distance."""
    made = "".join("aé%x " % (byte * byte) for byte in noise(size // 4)).encode()[:size].decode(errors="ignore")
    return made + " " * (size - len(made.encode()))


def lines(size):
    """Bytes that are compressed to very few."""
    return b"".join(b"%d bottles of milk on the wall\n" % n for n in range(size // 30 + 1))[:size]


def agreement(offer, limits):
    """What the server makes of the offer, and how it writes it; None, None if it declines."""
    offer, limits = parse(offer), parse(limits)
    server, client = offer.get("server_max_window_bits"), offer.get("client_max_window_bits")
    if client is None and limits.get("client_max_window_bits", 15) < 15:
        return None, None
    agreed = Agreed(
        *(name in offer or name in limits for name in ("server_no_context_takeover", "client_no_context_takeover")),
        min(server or 15, limits.get("server_max_window_bits", 15)),
        min(15 if client in (None, True) else client, limits.get("client_max_window_bits", 15)))
    is_repeated = server == 15 and agreed.server_bits == 15
    return agreed, write(*agreed) + "; server_max_window_bits=15" * is_repeated


class Talk:
    """A connection on which echoes are exchanged, and each is looked at on the wire."""

    def __init__(self, conn, agreed):
        self.conn, self.agreed, self.extension = conn, agreed, watched(conn)
        self.seen = 0  # frames

    def take(self, count):
        frames = self.conn.frames[self.seen:]
        self.seen += count
        same(len(frames), count, "number of frames of %r" % frames)
        return frames

    async def send(self, message, pieces=1, plain=False):
        self.extension.plain = plain
        if pieces == 1:
            await self.conn.send(message)
        else:
            data = message.encode() if isinstance(message, str) else message
            await self.conn.send(split(data, pieces), text=isinstance(message, str))
        self.extension.plain = False

    async def echo(self, message, kept, alone, **how):
        """kept, alone: the least and the most bytes that the server compresses this to, with its context and without;
        None if that would gain nothing, so that it goes as it is. Gives the length on the wire."""
        await self.send(message, **how)
        same(await self.conn.recv(), message, "echo")
        [frame] = self.take(1)
        return self.check(frame, message, alone if self.agreed.server_alone else kept)

    def check(self, frame, message, bounds):
        kind, size = kind_and_size(message)
        if self.agreed.server_bits == 8 or size < MIN_LEN or bounds is None:
            same(frame, "%s:%d" % (kind, size), "frame")
            return size
        head, _, length = frame.partition(":")
        same(head, kind + "~", "head of %s" % frame)
        need(bounds[0] <= int(length) <= bounds[1], "%s of %d bytes, expected %d to %d" % (frame, size, *bounds))
        return int(length)

    async def whole(self):
        """Messages in one frame."""
        for message in ("", b"", "x", b"x"):
            await self.echo(message, None, None)
        await self.echo("hello, " * 17 + "hello!", (1, 60), (1, 60))
        await self.echo(noise(125), (125, 140), None)
        sent = self.extension.sent
        await self.echo(words(65536), (1, 32768), (1, 32768))
        need(self.extension.sent - sent < 32768, "it was not sent compressed")
        await self.echo(noise(65536), (65536, 66000), None)
        await self.echo(lines(1 << 20), (1, 1 << 18), (1, 1 << 18))
        await self.repeated()
        for bits in dict.fromkeys([self.agreed.server_bits, self.agreed.client_bits]):
            await self.far_apart(1 << bits)
        await self.echo(words(3000), (1, 1500), (1, 1500), pieces=7)
        await self.echo(words(3000), (1, 1500), (1, 1500), pieces=7, plain=True)
        await self.many()

    async def repeated(self):
        """The same again and again, with messages in between that are sent plain: by the peer, and short ones by us."""
        again = noise(90).hex()  # which four bits for each of its characters are enough for
        first = await self.echo(again, (90, 179), (90, 179))
        lengths = [await self.echo(again, (1, 20), (90, 179)) for _ in range(2)]
        await self.echo(noise(40), None, None, plain=True)
        lengths.append(await self.echo(again, (1, 20), (90, 179)))
        await self.echo(noise(300), (300, 320), None, plain=True)
        lengths.append(await self.echo(again, (1, 179), (90, 179)))
        await self.echo(again, (1, 20), (90, 179), plain=True)
        await self.echo(again, (1, 20), (90, 179))
        if self.agreed.server_alone:
            same(lengths, [first] * 4, "lengths without context takeover")

    async def far_apart(self, window):
        """A message that is repeated from just inside a window, and from outside of it."""
        mark = noise(120)
        await self.echo(mark, (1, 140), None)
        for between in (max(10, window - 400), window):
            await self.echo(noise(between), (between, between + 100), None)
            is_found = len(mark) + between <= (1 << self.agreed.server_bits) - LOOKAHEAD
            await self.echo(mark, (1, 30) if is_found else (120, 140), None)

    async def many(self):
        """Without waiting for echoes."""
        sent = [("message %d, " % n * (n % 40))[:n * 37 % 400] for n in range(300)]
        for message in sent:
            await self.conn.send(message)
        for message in sent:
            same(await self.conn.recv(), message, "echo")
        for message, frame in zip(sent, self.take(len(sent))):
            self.check(frame, message, (1, len(message)))

    async def in_fragments(self, pieces):
        """The server sends each echo in so many frames."""
        again, mixed = noise(90).hex(), words(65536)
        lengths = []
        for message, kept, alone in (
                (again, (90, 215), (90, 215)), (again, (1, 60), (90, 215)), ("", (1, 10), (1, 10)),
                ("x", (1, 20), (1, 20)), (again, (1, 60), (90, 215)), (noise(5000), (5000, 5200), (5000, 5200)),
                (mixed, (1, 32768), (1, 32768)), (mixed.encode(), (1, 32768), (1, 32768))):
            await self.send(message, pieces=2)
            same(await self.conn.recv(), message, "echo")
            bounds = alone if self.agreed.server_alone else kept
            lengths.append(self.check_fragments(self.take(pieces), message, bounds))
        if self.agreed.server_alone:
            same([lengths[1], lengths[4]], [lengths[0]] * 2, "lengths without context takeover")

    def check_fragments(self, frames, message, bounds):
        kind, size = kind_and_size(message)
        heads = [kind + "*", *["cont*"] * (len(frames) - 2), "cont"]
        if self.agreed.server_bits == 8:
            data = message.encode() if kind == "text" else message
            same(frames, ["%s:%d" % (h, len(p)) for h, p in zip(heads, split(data, len(frames)))], "frames")
            return size
        heads[0] = kind + "~*"
        same([frame.partition(":")[0] for frame in frames], heads, "heads of frames")
        length = sum(int(frame.partition(":")[2]) for frame in frames)
        need(bounds[0] <= length <= bounds[1], "%s of %d bytes, expected %d to %d" % (frames, size, *bounds))
        return length


def kind_and_size(message):
    return ("text", len(message.encode())) if isinstance(message, str) else ("binary", len(message))


class DeflateClient(Client):
    def __init__(self, given):
        super().__init__(given["open"])
        self.given = given

    async def run_cases(self):
        for offer in self.given["offers"]:
            name = "offered by the peer, %s" % (offer or "nothing")
            await self.case(name, self.whole, self.url, offer, "")
            await self.case("%s, in fragments" % name, self.in_fragments, self.url, offer, "")
        narrow = "server_max_window_bits=12; client_max_window_bits=12"
        for limits, url in self.given["demanding"]:
            name = "demanded by us, %s" % (limits or "nothing")
            await self.case(name, self.whole, url, "client_max_window_bits", limits)
            await self.case("%s, in fragments and of a window of 12 bits" % name, self.in_fragments, url, narrow, limits)
        for limits, url in self.given["demanding"]:
            if parse(limits).get("client_max_window_bits", 15) < 15:
                await self.case("not agreed on, %s demanded of a client that has not offered it" % limits,
                                self.not_agreed, url, limits)

        for name, payload in HELLOS:
            await self.case("message %s" % name, self.hello, bytes.fromhex(payload))
        for name, frames, code in VIOLATIONS:
            await self.case("violation, %s" % name, self.violation, "", frames, code)
        twice = [(0xc1, HELLO), (0xc1, HELLO_AGAIN)]
        await self.case("message that refers to the one before", self.hello, HELLO, HELLO_AGAIN)
        await self.case("violation, a message that refers to the one before, without context takeover",
                        self.violation, "client_no_context_takeover", twice, 1007)
        await self.case("violation, RSV1 without compression", self.violation, None, [(0xc1, HELLO)], 1002)
        await self.case("message as long as may be", self.longest)
        await self.case("violation, 64 MiB of zeros", self.bomb, 64 << 20)
        await self.case("violation, a byte more than may be", self.bomb, self.given["limit"] + 1)

    async def whole(self, url, offer, limits):
        await self.agree(url, offer, limits, Talk.whole)

    async def in_fragments(self, url, offer, limits):
        await self.agree(url, offer, limits, functools.partial(Talk.in_fragments, pieces=3), fragment=3)

    async def agree(self, url, offer, limits, run, **wishes):
        """Runs this on a connection, if websockets can agree to what the server makes of the offer."""
        agreed, reply = agreement(offer, limits)
        for params, words in CANNOT_OFFER.items():
            if params in offer:
                return await self.not_connected(url, offer, ValueError, words)
        for params, words in CANNOT_TAKE.items():
            if params in reply:
                self.cut += 1
                return await self.not_connected(url, offer, NegotiationError, words)
        async with self.open(url=url, offer=offer, **wishes) as conn:
            same(conn.request.headers["Sec-WebSocket-Extensions"], "; ".join(filter(None, [NAME, offer])), "offer")
            same(conn.response.headers["Sec-WebSocket-Extensions"], reply, "reply")
            same(in_use(conn, is_server=False), write(*agreed), "in use")
            await run(Talk(conn, agreed))
            same(watched(conn).violation, "", "window")

    async def not_connected(self, url, offer, kind, words):
        try:
            await self.connect(url=url, offer=offer)
            raise Failed("connected")
        except kind as e:
            need(words in str(e.__cause__ or e), "%r, expected %r" % (e, words))

    async def not_agreed(self, url, limits):
        same(agreement("", limits), (None, None), "agreement")
        async with self.open(url=url, offer="") as conn:
            same(conn.response.headers.get("Sec-WebSocket-Extensions"), None, "reply")
            await conn.send(lines(2000))
            same(await conn.recv(), lines(2000), "echo")
            same(conn.frames, ["binary:2000"], "frames")

    async def hello(self, *payloads):
        async with self.open(offer="") as conn:
            for payload in payloads:
                send_raw(conn, 0xc1, payload)
                same(await conn.recv(), "Hello", "echo")

    async def violation(self, offer, frames, code):
        self.cut += 1
        conn = await self.connect(offer=offer)
        for first, payload in frames:
            send_raw(conn, first, payload)
        await self.ended(conn, code, ["Hello"] * (len(frames) - 1))

    async def longest(self):
        async with self.open(url=self.given["limited"], offer="") as conn:
            for message in (lines(self.given["limit"]), noise(self.given["limit"] - 1024)):
                await conn.send(message)
                same(await conn.recv(), message, "echo")

    async def bomb(self, size):
        self.cut += 1
        conn = await self.connect(url=self.given["limited"], offer="")
        await conn.send(bytes(size))
        need(watched(conn).sent < size // 1000, "it was not sent compressed")
        await self.ended(conn, 1009, [])

    @staticmethod
    async def ended(conn, code, before):
        """The server ended the connection with this code, after these messages at most."""
        came = []
        try:
            while len(came) <= len(before):
                came.append(await conn.recv())
        except ConnectionClosed as e:
            same(came, before[:len(came)], "messages")
            same(e.rcvd and e.rcvd.code, code, "code")
        else:
            raise Failed("more messages than expected: %r" % came)


def send_raw(conn, first, payload):
    conn.transport.write(bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
