//! The tokio adapter with a clock of another runtime than tokio's; there is no
//! runtime at all in these tests, but what is written here.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::*;
use sockeye::handshake::{Accept, RequestError, ResponseError};
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, Shutdown, Sleep, Timer, WebSocket, accept_on, handshake_on};
use sockeye::{Config, Connection, Message, ProtocolError, Seed, Timeout};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_common::*;

// ---- a runtime -------------------------------------------------------------------

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
struct Ticking {
    state: Mutex<State>,
    /// Goes on by so much whenever it is looked at.
    by_itself: Duration,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
    sleeps: usize,
}

/// One for each test, for as long as the process lives.
fn clock() -> &'static Ticking {
    Box::leak(Box::default())
}

impl Ticking {
    /// Wakes those whose time has come.
    fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap();
        state.now += by;
        let now = state.now;
        let (due, later) = state.sleepers.drain(..).partition(|(until, _)| *until <= now);
        state.sleepers = later;
        drop(state);
        let due: Vec<_> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn sleeps(&self) -> usize {
        self.state.lock().unwrap().sleeps
    }
}

/// Of a leaked clock, since a [`Sleep`] borrows nothing.
#[derive(Debug)]
struct Shared(&'static Ticking);

impl Timer for Shared {
    fn now(&self) -> Duration {
        let mut state = self.0.state.lock().unwrap();
        state.now += self.0.by_itself;
        state.now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0;
        let until = {
            let mut state = clock.state.lock().unwrap();
            state.sleeps += 1;
            state.now.saturating_add(duration)
        };
        Box::pin(poll_fn(move |cx| {
            let mut state = clock.state.lock().unwrap();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

fn timer(clock: &'static Ticking) -> &'static dyn Timer {
    Box::leak(Box::new(Shared(clock)))
}

/// A future that is polled when it has been woken, and only then.
struct Spawned<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn spawn<'a, T>(future: impl Future<Output = T> + 'a) -> Spawned<'a, T> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    Spawned { future: Box::pin(future), woken }
}

impl<T> Spawned<'_, T> {
    fn run(&mut self) -> Option<T> {
        let waker = Waker::from(self.woken.clone());
        while self.woken.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(value) = self.future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Some(value);
            }
        }
        None
    }

    /// Second by second, until it is done; and how many those were.
    #[track_caller]
    fn run_by(&mut self, clock: &Ticking) -> (T, u32) {
        for seconds in 0..1000 {
            if let Some(value) = self.run() {
                return (value, seconds);
            }
            clock.advance(SECOND);
        }
        panic!("no end in sight");
    }
}

fn end_with(
    role: Role,
    timer: &'static dyn Timer,
    link: &Link,
    config: &Arc<Config>,
) -> WebSocket<Link> {
    let ws = match role {
        Role::Client => Connection::client(Seed::from_bytes([7; 32]), config.clone()),
        Role::Server => Connection::server(config.clone()),
    };
    WebSocket::from_parts_on(timer, link.clone(), ws, b"")
}

fn each_role_bounded(test: impl Fn(Role) + Copy + Send + 'static) {
    ROLES.into_iter().for_each(|role| bounded(move || test(role)));
}

// ---- deadlines -------------------------------------------------------------------

#[test]
fn rule_28_a_request_that_does_not_come_in_time_is_answered_408() {
    bounded(|| {
        let (clock, link) = (clock(), Link::new("GET / HT"));
        let config = config(|c| c.handshake_timeout = Some(7 * SECOND));
        let accepting = accept_on(timer(clock), link.clone(), config, |_| Accept::new().into());
        // And five seconds for the client to read it.
        let (outcome, took) = spawn(accepting).run_by(clock);
        assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
        assert_eq!(took, 12);
        assert!(link.net().written.starts_with(b"HTTP/1.1 408 "));
    });
}

#[test]
fn rule_11_a_reply_that_does_not_come_in_time_is_given_up() {
    bounded(|| {
        let (clock, link) = (clock(), Link::new(""));
        let config = config(|c| c.handshake_timeout = Some(7 * SECOND));
        let endpoint = Endpoint::new("localhost", 80, "/").config(config);
        let (outcome, took) = spawn(handshake_on(timer(clock), endpoint, link)).run_by(clock);
        assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
        assert_eq!(took, 7);
    });
}

#[test]
fn an_open_connection_keeps_the_clock_of_its_handshake() {
    bounded(|| {
        let (clock, link) = (clock(), Link::new(request("")));
        let config = config(|c| c.close_timeout = Some(3 * SECOND));
        let accepting = accept_on(timer(clock), link, config, |_| Accept::new().into());
        let (ws, took) = spawn(accepting).run_by(clock);
        assert_eq!(took, 0);
        let mut ws = ws.unwrap().unwrap();
        let (outcome, took) = spawn(ws.close(code(1000), "")).run_by(clock);
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Close)));
        // Its deadline is that of hanging up too.
        assert_eq!(took, 3);
    });
}

#[test]
fn s5_5_2_a_peer_that_answers_no_ping_is_given_up() {
    each_role_bounded(|role| {
        for is_split in [false, true] {
            let (clock, link) = (clock(), Link::new(""));
            let config = config(|c| {
                c.ping_interval = Some(20 * SECOND);
                c.pong_timeout = 5 * SECOND;
                c.close_timeout = Some(2 * SECOND);
            });
            let mut ws = end_with(role, timer(clock), &link, &config);
            let (outcome, took) = if is_split {
                let (mut reader, _sender) = ws.split();
                spawn(reader.read()).run_by(clock)
            } else {
                spawn(ws.read()).run_by(clock)
            };
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_eq!(took, 27);
            let frames = link.frames(role);
            assert_eq!(frames[0].0, 0x80 | PING);
            assert_same_frames(&frames[1..], &decoded([close(1011, "no answer to a Ping")]));
        }
    });
}

#[test]
fn the_clock_is_not_set_for_each_message() {
    each_role_bounded(|role| {
        let (clock, link) = (clock(), Link::new(""));
        let config = config(|c| {
            c.ping_interval = Some(20 * SECOND);
            c.idle_timeout = Some(30 * SECOND);
        });
        let mut ws = end_with(role, timer(clock), &link, &config);
        for n in 0..1000 {
            let mut reading = spawn(ws.read());
            assert_shape!(reading.run(), None);
            link.say(&encode_for(role, [text("again")]));
            assert_eq!(reading.run().unwrap().unwrap(), Some(Message::from("again")));
            drop(reading);
            if n % 2 == 0 {
                clock.advance(Duration::from_millis(100));
            }
        }
        // 50 seconds: once for each of the deadlines that were put off.
        assert!(clock.sleeps() <= 6, "{} times", clock.sleeps());
        let pings = link.frames(role);
        assert_same_frames(&pings, &[]);
    });
}

#[test]
fn a_server_is_shut_down_by_any_clock() {
    bounded(|| {
        let clock = clock();
        let shutdown = Shutdown::new();
        let _member = shutdown.watch(server_on(Link::new(""), &defaults()));
        let shutting = shutdown.shut_down_on(timer(clock), 9 * SECOND);
        assert_eq!(spawn(shutting).run_by(clock), (1, 9));
    });
}

// ---- peers that never stop talking -----------------------------------------------

/// Says the same again and again, so that no read has to wait.
struct Chatter {
    said: Vec<u8>,
    at: usize,
}

impl AsyncRead for Chatter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..buf.remaining().min(1000) {
            buf.put_slice(&[self.said[self.at]]);
            self.at = (self.at + 1) % self.said.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Chatter {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(io::sink().write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A server whose client says this for ever, and a clock that goes on.
fn server_of(said: Frame, set: impl FnOnce(&mut Config)) -> WebSocket<Chatter> {
    let clock = Ticking { by_itself: Duration::from_millis(1), ..Ticking::default() };
    let config = config(|c| {
        c.close_timeout = Some(SECOND);
        set(c);
    });
    let stream = Chatter { said: said.masked(), at: 0 };
    let timer = timer(Box::leak(Box::new(clock)));
    WebSocket::from_parts_on(timer, stream, Connection::server(config), b"")
}

#[test]
fn s7_1_1_a_peer_that_never_stops_talking_is_hung_up_on() {
    bounded(|| {
        let mut ws = server_of(text("blah"), |_| {});
        let outcome = spawn(ws.close(code(1000), "")).run().unwrap();
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Close)));
        // It closes in good order, and talks on.
        let mut ws = server_of(close(1000, ""), |_| {});
        assert_shape!(spawn(ws.close(code(1000), "")).run().unwrap(), Ok(_));
        let mut ws = server_of(text("blah").rsv(1), |_| {});
        let outcome = spawn(ws.read()).run().unwrap();
        assert_shape!(outcome, Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

#[test]
fn pings_without_end_do_not_keep_an_idle_connection() {
    bounded(|| {
        let mut ws = server_of(ping("not data"), |c| c.idle_timeout = Some(SECOND));
        let outcome = spawn(ws.read()).run().unwrap();
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
        let ws = server_of(ping("not data"), |c| c.idle_timeout = Some(SECOND));
        let (mut reader, _sender) = ws.split();
        let outcome = spawn(reader.read()).run().unwrap();
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
    });
}
