"""permessage-deflate of the library websockets, watched (see README.md)."""
import zlib
from collections import deque

from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import CTRL_OPCODES, Opcode

NAME = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"


def parse(written):
    """"server_max_window_bits=10; client_no_context_takeover" as a dict; True where there is no value."""
    params = {}
    for part in written.split(";"):
        name, has_value, value = part.strip().partition("=")
        if name and name != NAME:
            params[name] = int(value) if has_value else True
    return params


class Watched(Extension):
    """Notes the frames as they are on the wire. A window smaller than what we send needs is no error to zlib as long as
    its output has room; so all is inflated again here, in small steps, for each of which zlib forgets what is older."""

    name = NAME

    def __init__(self, inner):
        self.inner = inner
        self.came = deque()  # of each frame: RSV1, and the length of its payload
        self.sent = 0  # bytes of payload
        self.plain = False  # what is sent is not compressed
        self.inflater = None
        self.is_inside = False
        self.violation = ""

    def decode(self, frame, *, max_size=None):
        self.came.append((frame.rsv1, len(frame.data)))
        if frame.opcode not in CTRL_OPCODES:
            if frame.opcode is not Opcode.CONT:
                self.is_inside = frame.rsv1
                if self.inflater is None or self.inner.remote_no_context_takeover:
                    self.inflater = zlib.decompressobj(wbits=-self.inner.remote_max_window_bits)
            if self.is_inside:
                self.inflate(bytes(frame.data) + (TAIL if frame.fin else b""), max_size)
        return self.inner.decode(frame, max_size=max_size)

    def inflate(self, data, max_size):
        step = max(64, 1 << self.inner.remote_max_window_bits - 2)
        left = max_size
        try:
            while data and left > 0:
                left -= len(self.inflater.decompress(data, step))
                data = self.inflater.unconsumed_tail
        except zlib.error as e:
            self.violation = str(e)

    def encode(self, frame):
        if not self.plain:
            frame = self.inner.encode(frame)
        self.sent += len(frame.data)
        return frame


class ClientFactory(ClientPerMessageDeflateFactory):
    def __init__(self, written):
        super().__init__(**parse(written) | {"client_max_window_bits": parse(written).get("client_max_window_bits")})

    def process_response_params(self, params, accepted):
        return Watched(super().process_response_params(params, accepted))


class ServerFactory(ServerPerMessageDeflateFactory):
    def __init__(self, written):
        super().__init__(**parse(written))

    def process_request_params(self, params, accepted):
        reply, inner = super().process_request_params(params, accepted)
        return reply, Watched(inner)


def watched(conn):
    """The extension of a connection, if it was agreed on."""
    return conn.protocol.extensions[0] if conn.protocol.extensions else None


def write(server_no_context_takeover, client_no_context_takeover, server_max_window_bits, client_max_window_bits):
    """Parameters with all that is not the default."""
    return "; ".join(
        [NAME]
        + ["server_no_context_takeover"] * server_no_context_takeover
        + ["client_no_context_takeover"] * client_no_context_takeover
        + ["server_max_window_bits=%d" % server_max_window_bits] * (server_max_window_bits < 15)
        + ["client_max_window_bits=%d" % client_max_window_bits] * (client_max_window_bits < 15))


def in_use(conn, is_server):
    """The parameters by which the library compresses; "" if it does not."""
    if not watched(conn):
        return ""
    it = watched(conn).inner
    local = it.local_no_context_takeover, it.local_max_window_bits
    remote = it.remote_no_context_takeover, it.remote_max_window_bits
    server, client = (local, remote) if is_server else (remote, local)
    return write(server[0], client[0], server[1], client[1])
