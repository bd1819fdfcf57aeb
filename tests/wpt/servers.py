#!/usr/bin/env python3
"""Serve the suite on 127.0.0.1: wptserve for HTTP and HTTPS, pywebsocket3 for ws and wss.

    servers.py WPT DIR

Writes certificates into DIR.  Prints the ports, when all of them listen, as a line of JSON; ends when
stdin does.  Runs in the venv that `setup` makes.
"""
import argparse
import json
import logging
import socketserver
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pywebsocket3.websocket_server
from wptserve import config as wptconfig
from wptserve import server as wptserver

HOST = "web-platform.test"  # what the suite's own runner says
ALTERNATE = "not-web-platform.test"
ADDRESS = "127.0.0.1"

# The first is ours alone; nobody else will ever have to trust it.  The second is for what clients connect to, which is
# the address: the bridge looks no names up.
CERTIFICATES = """
[req]
distinguished_name = name
prompt = no
[name]
CN = sockeye tests/wpt
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:%s, DNS:%s, DNS:*.%s
""" % (ADDRESS, HOST, HOST)


def openssl(folder, *argv):
    done = subprocess.run(["openssl", *argv], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit("%s\nservers: openssl %s failed" % (done.stdout, argv[0]))


def make_certificates(folder):
    """Those of the suite are for its checkout, and run out."""
    (folder / "openssl.cnf").write_text(CERTIFICATES)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "openssl.cnf"]
    openssl(folder, "req", "-x509", *key, "-extensions", "authority", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, "req", *key, "-subj", "/CN=" + HOST, "-keyout", "server.key", "-out", "server.csr")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "openssl.cnf", "-extensions", "server", "-out", "server.pem")


# ------------------------------------------------------------------------------ ws and wss

class WebSocketServer(pywebsocket3.websocket_server.WebSocketServer):
    """Without `ssl.wrap_socket`, which Python 3.12 has no more; the TLS handshake is not for the thread that
    accepts, which others wait for."""

    def __init__(self, handlers, context):
        self.context = context
        super().__init__(argparse.Namespace(
            server_host=ADDRESS, port=0, websock_handlers=str(handlers), scan_dir=str(handlers),
            allow_handlers_outside_root_dir=True, websock_handlers_map_file=None, request_queue_size=128,
            use_tls=False, use_basic_auth=False, validation_host=None, validation_port=None,
            cgi_directories=[], is_executable_method=None))
        self.websocket_server_options.use_tls = bool(context)

    def _create_sockets(self):
        super()._create_sockets()
        if self.context:
            self._sockets = [(self.context.wrap_socket(one, server_side=True, do_handshake_on_connect=False), info)
                             for one, info in self._sockets]

    def get_request(self):
        return self.socket.accept()


def websocket_server(handlers, context=None):
    server = WebSocketServer(handlers, context)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server.server_port


# --------------------------------------------------------------------------- HTTP and HTTPS

def http_server(wpt, **secure):
    server = wptserver.WebTestHttpd(
        host=ADDRESS, port=0, doc_root=str(wpt), **secure,
        rewrites=[("GET", "/resources/WebIDLParser.js", "/resources/webidl2/lib/webidl2.js")])
    return server, server.httpd.socket.getsockname()[1]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("wpt", type=Path)
    ap.add_argument("dir", type=Path)
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    socketserver.TCPServer.request_queue_size = 128
    make_certificates(args.dir)
    key, certificate = (str(args.dir / name) for name in ("server.key", "server.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    handlers = args.wpt / "websockets" / "handlers"
    ports = {"ws": [websocket_server(handlers)], "wss": [websocket_server(handlers, context)]}
    http, ports["http"] = http_server(args.wpt)
    https, ports["https"] = http_server(args.wpt, use_ssl=True, key_file=key, certificate=certificate)
    for name in ("http", "https"):
        ports[name] = [ports[name], ports[name]]
    # Files ask for it whether it is used or not.
    ports["h2"] = [0]
    with wptconfig.ConfigBuilder(logging.getLogger(), browser_host=HOST, alternate_hosts={"alt": ALTERNATE},
                                 subdomains={"www"}, ports=ports, doc_root=str(args.wpt), server_host=ADDRESS,
                                 ssl={"type": "pregenerated", "pregenerated": {
                                     "host_key_path": key, "host_cert_path": certificate}}) as config:
        wptserver.Server.config = config
        http.start()
        https.start()
        first = {name: some[0] for name, some in ports.items()}
        print(json.dumps({"host": HOST, "address": ADDRESS, **first}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
