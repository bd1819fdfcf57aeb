//! When to connect: one at a time to each host and port, and not at once when
//! it has failed.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::future::Future;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::pin::Pin;

use reach::*;
use sockets::*;
use sockeye::handshake::ResponseError;
use sockeye::net::{Endpoint, Error};
use sockeye::{blocking, tokio as ws};
use tokio::runtime::Runtime;

type Outcome = Result<ws::WebSocket<ws::Stream>, Error>;
type Connecting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

fn to(port: u16, target: &str) -> Endpoint {
    direct("127.0.0.1", port, target).config(defaults())
}

fn connecting(endpoint: Endpoint) -> Connecting {
    Box::pin(ws::connect(endpoint))
}

/// The first that wants to connect somewhere, at work; and those behind it.
struct Scene {
    runtime: Runtime,
    listener: TcpListener,
    port: u16,
}

impl Scene {
    fn new() -> Self {
        let (listener, port) = listen();
        Self { runtime: busy_runtime(), listener, port }
    }

    /// A connection that has come, and the path that it asks for.
    fn next(&self) -> (Peer, String) {
        let mut peer = Peer::new(Role::Server, self.listener.accept().unwrap().0);
        let request = peer.head();
        let target = request.split(' ').nth(1).unwrap().to_owned();
        (peer, target + "\n" + &request)
    }

    /// The next that comes asks for this; it waits for its reply, and so is
    /// connecting.
    #[track_caller]
    fn expect(&self, target: &str) -> Held {
        let (peer, request) = self.next();
        assert_eq!(request.lines().next(), Some(target));
        Held { peer, request }
    }

    /// Polls what wants to connect once: it has to wait, and does not come.
    #[track_caller]
    fn assert_waits(&self, connecting: &mut Connecting) {
        let _entered = self.runtime.enter();
        assert!(poll_once(connecting.as_mut()).is_pending());
        assert_nobody_came(&self.listener);
    }
}

/// A client whose handshake is not over.
struct Held {
    peer: Peer,
    request: String,
}

impl Held {
    fn accept(mut self) -> Peer {
        self.peer.send_bytes(reply(&self.request, ""));
        self.peer
    }

    fn refuse(mut self) {
        self.peer.send_bytes(status(404, ""));
    }
}

// ---- one at a time -----------------------------------------------------------------

#[test]
fn rule_13_a_second_connection_waits_for_the_first_handshake_to_end_either_way() {
    type End = fn(Held);
    let ends: [End; 4] = [
        |held| drop(held.accept()),
        Held::refuse,
        // Cut off, and answered with nonsense.
        drop,
        |mut held| held.peer.send_bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ];
    for end in ends {
        bounded(move || {
            let scene = Scene::new();
            let first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
            let held = scene.expect("/a");
            let mut second = connecting(to(scene.port, "/b"));
            scene.assert_waits(&mut second);
            scene.assert_waits(&mut second);
            end(held);
            let second = scene.runtime.spawn(second);
            let _peer = scene.expect("/b").accept();
            scene.runtime.block_on(second).unwrap().unwrap();
            let _ = scene.runtime.block_on(first).unwrap();
        });
    }
}

#[test]
fn rule_13_a_second_connection_waits_for_the_first_to_time_out() {
    bounded(|| {
        let scene = Scene::new();
        // Time that the first has, and the second waits for.
        let hasty = config(|c| c.handshake_timeout = Some(20 * SOON));
        let first = scene.runtime.spawn(connecting(to(scene.port, "/a").config(hasty)));
        let _held = scene.expect("/a");
        let second = scene.runtime.spawn(connecting(to(scene.port, "/b")));
        let outcome = scene.runtime.block_on(first).unwrap();
        assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
        let _peer = scene.expect("/b").accept();
        scene.runtime.block_on(second).unwrap().unwrap();
    });
}

#[test]
fn rule_13_a_second_connection_waits_until_the_first_is_dropped() {
    bounded(|| {
        let scene = Scene::new();
        let first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let _held = scene.expect("/a");
        let mut second = connecting(to(scene.port, "/b"));
        scene.assert_waits(&mut second);
        let second = scene.runtime.spawn(second);
        first.abort();
        let _peer = scene.expect("/b").accept();
        scene.runtime.block_on(second).unwrap().unwrap();
    });
}

#[test]
fn rule_13_a_port_that_refuses_is_waited_for_no_longer() {
    each_adapter(|adapter| {
        let (port, _taken) = refusing_port();
        for _ in 0..3 {
            let outcome = adapter.connect(to(port, "/"));
            assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn rule_13_an_open_connection_keeps_nobody_waiting() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let server = answers(listener, vec![String::new(), String::new()]);
        let first = adapter.connect(to(port, "/")).unwrap();
        let second = adapter.connect(to(port, "/")).unwrap();
        server.join();
        drop((first, second));
    });
}

#[test]
fn rule_13_a_host_is_the_same_however_it_is_written() {
    each_adapter(|adapter| {
        let scene = Scene::new();
        let host = |host: &str| direct(host, scene.port, "/").config(defaults());
        let _first = scene.runtime.spawn(connecting(host("localhost")));
        let _held = scene.expect("/");
        let hasty = config(|c| c.handshake_timeout = Some(10 * SOON));
        // Had it connected, it would have been the reply that it waited for.
        let outcome = adapter.connect(host("LocalHOST").config(hasty));
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut);
        assert_nobody_came(&scene.listener);
    });
}

#[test]
fn rule_13_connections_elsewhere_go_ahead() {
    each_adapter(|adapter| {
        let scene = Scene::new();
        let _first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let _held = scene.expect("/a");
        let (listener, port) = listen();
        let server = answers(listener, vec![String::new()]);
        adapter.connect(to(port, "/")).unwrap();
        server.join();
        // This process does not wait for itself, if it does not want to.
        let impatient = to(scene.port, "/b").without_waiting();
        let ours = Task::start(move || adapter.connect(impatient).map(drop));
        let _peer = scene.expect("/b").accept();
        ours.join().unwrap();
        scene.assert_waits(&mut connecting(to(scene.port, "/c")));
    });
}

#[test]
fn rule_13_those_that_wait_go_in_the_order_of_their_coming() {
    bounded(|| {
        let scene = Scene::new();
        let _first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let held = scene.expect("/a");
        let mut waiting: Vec<_> =
            ["/b", "/c", "/d", "/e", "/f"].map(|at| connecting(to(scene.port, at))).into();
        waiting.iter_mut().for_each(|connecting| scene.assert_waits(connecting));
        // Those that give up leave no gap, wherever they are.
        drop(waiting.remove(4));
        drop(waiting.remove(2));
        drop(waiting.remove(0));
        // In another order, since that is not what counts.
        let tasks: Vec<_> =
            waiting.into_iter().rev().map(|connecting| scene.runtime.spawn(connecting)).collect();
        let _a = held.accept();
        let next = scene.expect("/c");
        let mut late = connecting(to(scene.port, "/g"));
        scene.assert_waits(&mut late);
        let late = scene.runtime.spawn(late);
        let _c = next.accept();
        let _e = scene.expect("/e").accept();
        let _g = scene.expect("/g").accept();
        for task in tasks.into_iter().chain([late]) {
            scene.runtime.block_on(task).unwrap().unwrap();
        }
    });
}

#[test]
fn rule_13_whoever_gives_up_when_its_turn_has_come_passes_it_on() {
    bounded(|| {
        let scene = Scene::new();
        let first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let held = scene.expect("/a");
        let [mut second, mut third] = ["/b", "/c"].map(|at| connecting(to(scene.port, at)));
        scene.assert_waits(&mut second);
        scene.assert_waits(&mut third);
        let third = scene.runtime.spawn(third);
        let _a = held.accept();
        scene.runtime.block_on(first).unwrap().unwrap();
        // The second has been told, and does nothing about it. Nobody goes
        // before it.
        let mut late = connecting(to(scene.port, "/d"));
        scene.assert_waits(&mut late);
        let late = scene.runtime.spawn(late);
        drop(second);
        let _c = scene.expect("/c").accept();
        let _d = scene.expect("/d").accept();
        for task in [third, late] {
            scene.runtime.block_on(task).unwrap().unwrap();
        }
    });
}

#[test]
fn rule_13_waiting_is_bounded_by_the_time_for_the_handshake() {
    each_adapter(|adapter| {
        let scene = Scene::new();
        let _first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let _held = scene.expect("/a");
        let hasty = config(|c| c.handshake_timeout = Some(SOON));
        let endpoint = to(scene.port, "/b").config(hasty);
        let outcome = in_good_time(move || adapter.connect(endpoint).map(drop));
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut);
        assert_nobody_came(&scene.listener);
    });
}

#[test]
fn rule_13_tokio_waits_for_blocking() {
    bounded(|| {
        let scene = Scene::new();
        let endpoint = to(scene.port, "/a");
        let first = Task::start(move || blocking::connect(endpoint).map(drop));
        let held = scene.expect("/a");
        let mut second = connecting(to(scene.port, "/b"));
        scene.assert_waits(&mut second);
        let second = scene.runtime.spawn(second);
        let _a = held.accept();
        first.join().unwrap();
        let _b = scene.expect("/b").accept();
        scene.runtime.block_on(second).unwrap().unwrap();
    });
}

#[test]
fn rule_13_blocking_waits_for_either_and_goes_on() {
    each_adapter(|adapter| {
        let scene = Scene::new();
        let (a, b) = (to(scene.port, "/a"), to(scene.port, "/b"));
        let first = Task::start(move || adapter.connect(a).map(drop));
        let held = scene.expect("/a");
        let second = Task::start(move || blocking::connect(b).map(drop));
        held.refuse();
        assert_shape!(first.join(), Err(Error::Refused(_)));
        let _b = scene.expect("/b").accept();
        second.join().unwrap();
    });
}

/// Many at once, of both adapters: the server never sees two handshakes.
#[test]
fn rule_13_no_two_handshakes_are_ever_under_way() {
    bounded(|| {
        let scene = Scene::new();
        let clients: Vec<_> = (0..20)
            .map(|n| {
                let endpoint = to(scene.port, "/");
                let adapter = ADAPTERS[n % 2];
                Task::start(move || adapter.connect(endpoint).map(drop))
            })
            .collect();
        for n in 0..20 {
            let held = scene.expect("/");
            assert_nobody_came(&scene.listener);
            if n % 3 == 0 { held.refuse() } else { drop(held.accept()) }
        }
        clients.into_iter().for_each(|client| drop(client.join()));
        assert_empty(&scene.listener);
    });
}

#[cfg(feature = "rustls")]
#[test]
fn rule_13_tls_is_part_of_connecting() {
    bounded(|| {
        let scene = Scene::new();
        let first = secure(scene.port).config(defaults());
        let first = scene.runtime.spawn(connecting(first));
        // The hello of TLS has come, and gets no answer.
        let (stream, _) = scene.listener.accept().unwrap();
        stream.peek(&mut [0]).unwrap();
        let mut second = connecting(secure(scene.port).config(defaults()));
        scene.assert_waits(&mut second);
        let second = scene.runtime.spawn(second);
        drop(stream);
        assert!(scene.runtime.block_on(first).unwrap().is_err());
        let mut peer = tls_peer(Role::Server, scene.listener.accept().unwrap().0);
        peer.accept();
        scene.runtime.block_on(second).unwrap().unwrap();
    });
}

#[test]
fn rule_13_each_redirect_takes_its_turn() {
    each_adapter(|adapter| {
        let scene = Scene::new();
        let first = scene.runtime.spawn(connecting(to(scene.port, "/a")));
        let held = scene.expect("/a");
        let here = format!("//127.0.0.1:{}/b", scene.port);
        let via = |timeout| {
            let (listener, port) = listen();
            let server = answers(listener, vec![redirect(302, &here)]);
            let config = config(|c| c.handshake_timeout = Some(timeout));
            let endpoint = to(port, "/").config(config);
            let ours = Task::start(move || adapter.connect(endpoint).map(drop));
            server.join();
            ours
        };
        // It is sent here, and waits; in vain.
        let outcome = via(10 * SOON).join();
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut);
        assert_nobody_came(&scene.listener);
        let second = via(PATIENCE);
        let _a = held.accept();
        let _b = scene.expect("/b").accept();
        scene.runtime.block_on(first).unwrap().unwrap();
        second.join().unwrap();
    });
}
