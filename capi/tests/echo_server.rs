//! The echo server in C, as a process: what comes back, and what becomes of peers that
//! break rules, read nothing, or say nothing. Linked in both ways; with sanitizers, which
//! make it fail at any misuse of memory, and at its end for what was not freed.

#![cfg(all(target_os = "linux", feature = "deflate"))]

mod c;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/processes/mod.rs"]
mod processes;
#[path = "../../tests/sockets/mod.rs"]
mod sockets;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use c::*;
use common::*;
use processes::Server;
use sockets::*;
use sockeye::blocking::{self, Stream, WebSocket};
use sockeye::deflate::{Params, WindowBits};
use sockeye::net::Endpoint;
use sockeye::{Config, DeflateConfig, Message, Seed};

/// Where a server listens.
#[derive(Clone, Copy)]
struct Here(u16);

impl Here {
    fn endpoint(self, config: Arc<Config>) -> Endpoint {
        Endpoint::new("127.0.0.1", self.0, "/").config(config)
    }

    #[track_caller]
    fn connect(self) -> WebSocket<Stream> {
        blocking::connect(self.endpoint(defaults())).unwrap()
    }

    fn stream(self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.0)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A raw client with its connection open.
    #[track_caller]
    fn peer(self) -> Peer {
        let mut peer = Peer::new(Role::Client, self.stream());
        peer.send_bytes(request(""));
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    }
}

/// A patience that no good run waits for, on however busy a machine.
const LONG: &[&str] = &["--patience", "60"];

/// One that is waited for; what a peer has to do meanwhile takes far less.
const SHORT: &[&str] = &["--patience", "3"];

/// Runs a test against a server of each kind, and has it end: nothing is left behind.
#[track_caller]
fn with_server(args: &[&str], test: impl Fn(Here) + Copy + Send + 'static) {
    each_server(args, |server| {
        let here = Here(server.port);
        bounded(move || test(here));
    });
}

#[track_caller]
fn each_server(args: &[&str], test: impl Fn(&Server)) {
    for link in LINKS {
        let mut command = Command::new(program("examples/echo_server.c", link));
        let server = Server::of(command.arg("127.0.0.1:0").args(args));
        test(&server);
        end(server, link);
    }
}

/// Ends a server as an administrator would. The sanitizers then have the last word.
#[track_caller]
fn end(server: Server, link: Link) {
    let id = server.id().to_string();
    run(Command::new("kill").args(["-TERM", &id]));
    let mut said = String::new();
    while let Ok(line) = server.complaints.recv_timeout(PATIENCE) {
        said += &line;
        said.push('\n');
    }
    assert!(!said.contains("Sanitizer") && !said.contains("runtime error"), "{link:?}: {said}");
    assert!(!said.contains("panicked"), "{link:?}: {said}");
}

fn compressing(params: Params) -> Arc<Config> {
    config(|config| {
        let mut deflate = DeflateConfig::default();
        deflate.params = vec![params];
        config.deflate = Some(deflate);
    })
}

// ---- the echo ---------------------------------------------------------------------------

#[test]
fn messages_come_back() {
    with_server(LONG, |here| {
        assert_echoes(here.connect(), [0, 1, 125, 126, 4095, 4096, 65_535, 65_536]);
    });
}

#[test]
fn messages_of_the_longest_length_allowed_come_back() {
    with_server(LONG, |here| {
        let (mut reader, sender) = here.connect().split().unwrap();
        // The server holds nothing back but what one turn gives, so that both directions
        // have to move at once.
        let sending = Task::start(move || {
            messages_of(16 << 20).into_iter().for_each(|message| sender.send(message).unwrap());
        });
        for message in messages_of(16 << 20) {
            assert!(reader.read().unwrap() == Some(message));
        }
        sending.join();
    });
}

#[test]
fn compressed_messages_come_back() {
    with_server(LONG, |here| {
        for params in [Params::default(), Params::NO_CONTEXT_TAKEOVER] {
            let mut ws = blocking::connect(here.endpoint(compressing(params))).unwrap();
            for len in [0, 10, 100, 10_000, 1_000_000] {
                for text in [numbered_lines(len), text_of(len)] {
                    ws.send(&text).unwrap();
                    assert!(ws.read().unwrap() == Some(Message::from(text)));
                }
            }
            assert_echoes(ws, [100, 100_000]);
        }
    });
}

/// 4 KiB on the wire that are 4 MiB inside: far more than the server has room for.
#[test]
fn what_inflates_to_a_thousandfold_comes_back() {
    with_server(LONG, |here| {
        let mut ws = blocking::connect(here.endpoint(compressing(Params::default()))).unwrap();
        let zeros = vec![0; 4 << 20];
        ws.send(&zeros[..]).unwrap();
        assert!(ws.read().unwrap() == Some(Message::from(zeros)));
        assert_echoes(ws, [100]);
    });
}

#[test]
fn fragments_and_what_comes_between_come_back() {
    with_server(LONG, |here| {
        let mut peer = here.peer();
        peer.send([fragment(TEXT, "h\u{e9}"), ping("p"), fragment(CONTINUATION, "l")]);
        peer.expect([fragment(TEXT, "h\u{e9}"), pong("p"), fragment(CONTINUATION, "l")]);
        peer.send([frame(CONTINUATION, "lo"), frame(TEXT, ""), frame(BINARY, "")]);
        peer.expect([frame(CONTINUATION, "lo"), frame(TEXT, ""), frame(BINARY, "")]);
        peer.send([close(4000, "so long")]);
        peer.expect([close(4000, "so long")]);
        peer.finish();
    });
}

#[test]
fn segments_of_one_byte_give_the_same() {
    with_server(LONG, |here| {
        let mut peer = Peer::new(Role::Client, here.stream());
        let frames = [text("h\u{e9} \u{1f41f}"), ping("abc"), binary([1, 2, 3]), close(1000, "")];
        let mut bytes = request("Sec-WebSocket-Protocol: a, b\r\n").into_bytes();
        bytes.extend(peer.encode(frames));
        for byte in bytes {
            peer.send_bytes([byte]);
        }
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "));
        assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("a"));
        let (mut said, mut others) = (Vec::new(), Vec::new());
        for (first, payload) in peer.frames_to_the_end() {
            if first & 0x0f <= BINARY {
                said.extend(payload);
            } else {
                others.push((first, payload));
            }
        }
        // The text comes back as it came, in however many pieces; and then the rest.
        assert_eq!(said, [text_bytes("h\u{e9} \u{1f41f}"), vec![1, 2, 3]].concat());
        assert_eq!(others, [(0x8a, b"abc".to_vec()), (0x88, vec![3, 232])]);
    });
}

fn text_bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn request_and_frames_in_one_segment_are_served() {
    with_server(LONG, |here| {
        let mut peer = Peer::new(Role::Client, here.stream());
        let frames = peer.encode([text("early"), close(1000, "")]);
        peer.send_bytes([request("").into_bytes(), frames].concat());
        peer.head();
        peer.expect([text("early"), close(1000, "")]);
        peer.finish();
    });
}

#[test]
fn a_hundred_clients_at_once_are_served() {
    with_server(LONG, |here| {
        let mut all: Vec<_> = (0..100).map(|_| here.connect()).collect();
        for (n, ws) in all.iter_mut().enumerate() {
            ws.send(n.to_string()).unwrap();
        }
        for (n, ws) in all.iter_mut().enumerate() {
            assert_eq!(ws.read().unwrap(), Some(Message::from(n.to_string())));
        }
        all.into_iter().for_each(|ws| assert_echoes(ws, [100]));
    });
}

// ---- those who break rules --------------------------------------------------------------

#[test]
fn broken_rules_are_answered_with_their_codes() {
    with_server(&["--patience", "60", "--max-message", "1000"], |here| {
        let masked = |frames: &[Frame]| frames.iter().flat_map(Frame::masked).collect::<Vec<_>>();
        let cases: [(&str, Vec<u8>, u16); 14] = [
            ("reserved bits", text("x").rsv(2).masked(), 1002),
            ("compression that was not agreed on", text("x").compressed().masked(), 1002),
            ("a reserved opcode", frame(3, "x").masked(), 1002),
            ("a reserved control opcode", frame(0xb, "").masked(), 1002),
            ("no mask", text("x").unmasked(), 1002),
            ("a fragmented Ping", fragment(PING, "").masked(), 1002),
            ("a long Ping", ping([0; 126]).masked(), 1002),
            ("a continuation of nothing", frame(CONTINUATION, "x").masked(), 1002),
            ("a message in a message", masked(&[fragment(TEXT, "a"), frame(TEXT, "b")]), 1002),
            ("a length with its top bit set", announce(0x82, 1 << 63, true), 1002),
            ("a Close of one byte", frame(CLOSE, [3]).masked(), 1002),
            ("a close code of nobody's", close(1005, "").masked(), 1002),
            ("text that is not UTF-8", frame(TEXT, b"\xff").masked(), 1007),
            ("too long a message", binary([0; 1001]).masked(), 1009),
        ];
        for (what, bytes, code) in cases {
            let mut peer = here.peer();
            peer.send_bytes(bytes);
            let last = peer.frames_to_the_end().pop();
            assert_eq!(last, Some((0x88, code.to_be_bytes().to_vec())), "{what}");
        }
        assert_echoes(here.connect(), [100]);
    });
}

#[test]
fn compressed_data_that_is_none_is_answered_with_1007() {
    with_server(LONG, |here| {
        let mut peer = Peer::new(Role::Client, here.stream());
        peer.send_bytes(request("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
        assert!(peer.head().contains("permessage-deflate"));
        peer.send([binary([0xff; 20]).compressed()]);
        peer.expect([close(1007, "")]);
        peer.finish();
    });
}

#[test]
fn what_is_no_request_is_answered_with_its_status() {
    with_server(LONG, |here| {
        let long = format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 426),
            ("POST / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 405),
            (request("").replace("Version: 13", "Version: 8"), 426),
            (request("").replace("dGhl", "d"), 400),
            ("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), 400),
            ("\0\0\0\0".to_owned(), 400),
            (long, 431),
        ] {
            let mut peer = Peer::new(Role::Client, here.stream());
            peer.send_bytes(&request);
            let head = peer.head();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60}: {head}");
            let mut rest = Vec::new();
            peer.stream.read_to_end(&mut rest).unwrap();
        }
        assert_echoes(here.connect(), [100]);
    });
}

#[test]
fn garbage_of_any_kind_does_no_harm() {
    with_server(LONG, |here| {
        for seed in 0..60 {
            let mut random = Random(seed);
            let len = random.below(3000);
            let mut bytes = random.bytes(len);
            let mut stream = here.stream();
            if seed % 3 > 0 {
                // Behind an open handshake; every other time, with one of compression.
                let more = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
                let head = request(if seed % 3 == 1 { more } else { "" });
                bytes.splice(..0, head.into_bytes());
            }
            // The server may have hung up before it is all sent.
            let _ = stream.write_all(&bytes);
            if seed % 2 == 0 {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
        assert_echoes(here.connect(), [100]);
    });
}

#[test]
fn clients_that_vanish_are_forgotten() {
    each_server(LONG, |server| {
        let here = Here(server.port);
        let open = move || descriptors(server.id());
        let before = open();
        for _ in 0..20 {
            drop(here.stream());
            here.stream().write_all(b"GET / HT").unwrap();
            here.peer().send_bytes([0x81]);
            here.peer().send([fragment(TEXT, "begun")]);
            // Its echo finds nobody.
            here.peer().send([binary(bytes_of(1 << 20))]);
        }
        assert_echoes(here.connect(), [100]);
        await_that(|| open() <= before);
    });
}

// ---- those who take nothing, or say nothing -----------------------------------------------

/// The most memory that a process has held, in KiB.
fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

#[track_caller]
fn await_that(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it did not come to that");
        std::thread::yield_now();
    }
}

/// Writes these bytes over and over, until nothing more is taken. How much was.
fn fill(stream: &mut TcpStream, piece: &[u8]) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut total = 0;
    loop {
        match stream.write(&piece[total % piece.len()..]) {
            Ok(len) => total += len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return total;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// How much memory a server may need for a client that takes nothing: what one turn gives
/// is 200 KiB at most, held and pending; the rest is the allocator's.
const BOUND: u64 = 2 << 10;

#[test]
fn who_reads_nothing_costs_no_more_memory_however_much_it_sends() {
    each_server(LONG, |server| {
        let here = Here(server.port);
        assert_echoes(here.connect(), [1 << 16]);
        let before = peak(server.id());
        let mut peer = here.peer();
        let message = binary(bytes_of(100_000)).masked();
        // Whole messages and the beginning of one more.
        let sent = fill(&mut peer.stream, &message);
        assert!(sent > 1 << 20, "it stops reading too early: {sent}");
        let grown = peak(server.id()) - before;
        assert!(
            is_sanitized(server) || grown < BOUND,
            "{grown} KiB more for {sent} bytes received"
        );

        // It was not lost, and goes on where it stopped.
        let mut writer = peer.another();
        let rest = message[sent % message.len()..].to_vec();
        let whole = if sent % message.len() == 0 { 0 } else { 1 } + sent / message.len();
        let writing = Task::start(move || {
            if rest.len() < message.len() {
                writer.send_bytes(rest);
            }
            writer.send([close(1000, "")]);
        });
        let frames = Task::start(move || peer.frames_to_the_end()).join();
        writing.join();
        let data: Vec<u8> =
            frames.iter().filter(|f| f.0 & 0xf <= BINARY).flat_map(|f| f.1.clone()).collect();
        assert!(data == bytes_of(100_000).repeat(whole), "{} bytes came back", data.len());
        assert_eq!(frames.last(), Some(&(0x88, vec![3, 232])));
    });
}

/// Messages of zeros, a thousandth as long on the wire; with a window that makes the server
/// send them back as long as they are.
const BOMB: Params =
    Params { server_max_window_bits: WindowBits::MIN, ..Params::NO_CONTEXT_TAKEOVER };
const BOMB_LEN: usize = 4 << 20;

#[test]
fn bombs_cost_no_more_memory_either_and_come_back() {
    each_server(LONG, |server| {
        let here = Here(server.port);
        assert_echoes(here.connect(), [1 << 16]);
        let before = peak(server.id());
        let ws = blocking::connect(here.endpoint(compressing(BOMB))).unwrap();
        let (mut reader, sender) = ws.split().unwrap();
        // 80 KB on the wire, which the network holds.
        let sending = Task::start(move || {
            let zeros = vec![0; BOMB_LEN];
            (0..20).for_each(|_| sender.send(&zeros[..]).unwrap());
            sender
        });
        let sender = sending.join();
        // Who comes after them has its turn after theirs, in which nobody reads an answer.
        assert_echoes(here.connect(), [100]);
        let grown = peak(server.id()) - before;
        assert!(is_sanitized(server) || grown < BOUND, "{grown} KiB more");
        let reading = Task::start(move || {
            for _ in 0..20 {
                assert!(reader.read().unwrap().unwrap().as_bytes() == vec![0; BOMB_LEN]);
            }
            reader
        });
        drop((sender, reading.join()));
        let grown = peak(server.id()) - before;
        assert!(is_sanitized(server) || grown < BOUND, "{grown} KiB more");
    });
}

/// A socket whose peer has first ended its direction and is then gone altogether: writing
/// to it makes a signal that kills.
#[test]
fn who_vanishes_while_answers_wait_does_no_harm() {
    with_server(LONG, |here| {
        for _ in 0..5 {
            let ws = sockeye::Connection::client(Seed::from_bytes([1; 32]), compressing(BOMB));
            let (mut ws, mut bombs) = (ws.with_deflate(BOMB), Vec::new());
            (0..10).for_each(|_| ws.send_binary(&vec![0; BOMB_LEN], &mut bombs).unwrap());
            let mut peer = Peer::new(Role::Client, here.stream());
            let offer = format!("Sec-WebSocket-Extensions: {BOMB}\r\n");
            peer.send_bytes(request(&offer));
            assert!(peer.head().contains("server_max_window_bits=8"));
            peer.send_bytes(bombs);
            peer.half_close();
            // The answers have begun, and most of them wait.
            peer.stream.read_exact(&mut [0; 100_000]).unwrap();
        }
        assert_echoes(here.connect(), [100]);
    });
}

/// What was not read when a socket is closed makes for a reset, which may be faster.
#[test]
fn the_close_frame_arrives_though_more_was_on_its_way() {
    with_server(LONG, |here| {
        for _ in 0..5 {
            let mut peer = here.peer();
            let mut bytes = text("x").rsv(2).masked();
            bytes.resize(2 << 20, 0);
            peer.send_bytes(bytes);
            peer.half_close();
            assert_eq!(peer.frames_to_the_end(), [(0x88, vec![3, 234])]);
        }
    });
}

/// Their own memory says nothing.
fn is_sanitized(server: &Server) -> bool {
    fs::read_to_string(format!("/proc/{}/maps", server.id())).unwrap().contains("libasan")
}

#[test]
fn who_takes_nothing_is_let_go() {
    each_server(SHORT, |server| {
        let here = Here(server.port);
        let before = descriptors(server.id());
        let mut peer = here.peer();
        let message = binary(bytes_of(100_000)).masked();
        let writing = Task::start(move || {
            let mut total = 0;
            loop {
                match peer.stream.write(&message[total % message.len()..]) {
                    Ok(len) => total += len,
                    Err(error) => return (total, error.kind()),
                }
            }
        });
        let (total, end) = writing.join();
        assert!(total > 100_000);
        assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end}");
        await_that(|| descriptors(server.id()) <= before);
        assert_echoes(here.connect(), [100]);
    });
}

#[test]
fn who_says_nothing_is_told_408() {
    with_server(SHORT, |here| {
        let peers = ["", "GET / HTTP/1.1\r\nHo"].map(|start| {
            let mut peer = Peer::new(Role::Client, here.stream());
            peer.send_bytes(start);
            peer
        });
        for mut peer in peers {
            assert!(peer.head().starts_with("HTTP/1.1 408 "));
            peer.stream.read_to_end(&mut Vec::new()).unwrap();
        }
    });
}

#[test]
fn who_does_not_hang_up_after_closing_is_hung_up_on() {
    each_server(SHORT, |server| {
        let before = descriptors(server.id());
        let mut peer = Here(server.port).peer();
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.expect_eof();
        await_that(|| descriptors(server.id()) <= before);
        drop(peer);
    });
}

// ---- the program ------------------------------------------------------------------------

#[test]
fn the_server_survives_running_out_of_descriptors() {
    for link in LINKS {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 32 && exec \"$0\" 127.0.0.1:0"]);
        let server = Server::of(limited.arg(program("examples/echo_server.c", link)));
        let here = Here(server.port);
        let mut early = here.connect();
        let crowd: Vec<_> = (0..60).map(|_| here.stream()).collect();
        while !server.complaints.recv_timeout(PATIENCE).unwrap().starts_with("accept: ") {}
        early.send("still here?").unwrap();
        assert_eq!(early.read().unwrap(), Some(Message::from("still here?")));
        drop(crowd);
        assert_echoes(here.connect(), [100]);
        assert_echoes(early, [100]);
        end(server, link);
    }
}

#[test]
fn the_server_says_what_is_wrong_with_its_arguments() {
    for link in LINKS {
        let failed = |args: &[&str], status, word| {
            let mut command = Command::new(program("examples/echo_server.c", link));
            processes::Ended::of(command.args(args)).assert_failed(status, word);
        };
        failed(&["--nonsense"], 2, "usage: ");
        failed(&["127.0.0.1:0", "127.0.0.1:0"], 2, "usage: ");
        failed(&["--max-message", "-1"], 2, "usage: ");
        failed(&["nowhere"], 1, "nowhere");
        failed(&["nowhere:80"], 1, "nowhere");
        let (port, _taken) = refusing_port();
        failed(&[&format!("127.0.0.1:{port}")], 1, "in use");
    }
}
