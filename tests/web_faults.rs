//! The browser's `WebSocket` object, carried by a thread or by a task, with a
//! server that is lost at every byte of what it says: what a script is told.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod faults;
mod flate;
mod reach;
mod sockets;
mod web_either;
mod web_sockets;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faults::Plot;
use faults::peer::{Deed, Fault, Heard, Manner, play};
use reach::{ADAPTERS, Adapter, listen};
use sockets::*;
use sockeye::tokio::web::{WebSocket as TokioSocket, WebSocketStream};
use sockeye::web::{Event, Options, ReadyState};
use sockeye::{Message, Side};
use web_either::{Carried, start};
use web_sockets::*;

/// What is waited for where the server falls silent.
const SHORT: Duration = Duration::from_millis(200);

/// How the page ended up.
struct Page {
    told: Vec<String>,
    /// `readyState`, and whether there is anything to say about a failure.
    state: (ReadyState, bool),
    took: Duration,
}

/// A page that sends every message back, and may close after the first.
fn run(adapter: Adapter, port: u16, options: &Options, closes: Side) -> Page {
    let began = Instant::now();
    let mut page = start(adapter, socket_to(port, options));
    let mut told = Vec::new();
    while let Some(event) = page.next_event() {
        told.push(web_sockets::told(&event));
        if let Event::Message(message) = event {
            answer(&mut page, &message.data, closes);
        }
    }
    let state = (page.socket().ready_state(), page.socket().diagnostic().is_some());
    assert!(page.next_event().is_none(), "nothing comes after the end");
    Page { told, state, took: began.elapsed() }
}

fn answer(page: &mut Carried, message: &Message<'_>, closes: Side) {
    match message {
        Message::Text(text) => page.socket().send_text(text).unwrap(),
        Message::Binary(data) => page.socket().send_binary(data).unwrap(),
    }
    if closes == Side::Local {
        page.socket().close(Some(1000), Some("bye")).unwrap();
    }
}

/// What the script must have been told: open if it was, what came, and one end.
fn expected(plot: &Plot, at: usize) -> Vec<String> {
    let mut told = Vec::new();
    if at >= plot.head_len() {
        told.push("open".to_owned());
    }
    told.extend(plot.messages_until(at, false).iter().map(brief));
    match at == plot.len() {
        true => told.push("close 1000 \"bye\" clean".to_owned()),
        false => told.extend(FAILURE.map(String::from)),
    }
    told
}

fn serve(listener: &TcpListener, plot: &Arc<Plot>, fault: Fault) -> Task<Heard> {
    let (listener, plot) = (listener.try_clone().unwrap(), plot.clone());
    Task::start(move || play(listener.accept().unwrap().0, &plot, fault))
}

#[track_caller]
fn check(page: &Page, plot: &Plot, at: usize, context: &str) {
    assert_eq!(page.told, expected(plot, at), "{context}");
    assert_eq!(page.state, (ReadyState::Closed, at != plot.len()), "{context}");
    assert!(page.took < PATIENCE / 4, "{context}: after {:?}", page.took);
}

/// Each adapter, and a closing by each side.
fn each_page(test: impl Fn(Adapter, Arc<Plot>) + Copy + Send + 'static) {
    let tasks = ADAPTERS.into_iter().flat_map(|adapter| {
        [Side::Local, Side::Peer]
            .map(|closes| Task::start(move || test(adapter, Plot::new(Role::Client, closes))))
    });
    tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
}

#[test]
fn s8_a_server_lost_at_any_byte_is_one_error_and_one_close() {
    each_page(|adapter, plot| {
        let (listener, port) = listen();
        for (at, deed) in plot
            .cuts()
            .flat_map(|at| [Deed::Close, Deed::HalfClose, Deed::Reset].map(|deed| (at, deed)))
        {
            let server = serve(&listener, &plot, Fault { at, deed, manner: Manner::InStep });
            let page = run(adapter, port, &plain(), plot.closes);
            check(&page, &plot, at, &format!("{adapter:?}, {deed:?} at {at}"));
            let (frames, is_cut) = server.join().frames(&plot);
            let context = format!("{adapter:?}, {deed:?} at {at}");
            assert!(frames == plot.answers_until(at) && !is_cut, "{context}");
        }
    });
}

#[test]
fn a_server_that_falls_silent_is_one_error_and_one_close_in_time() {
    each_page(|adapter, plot| {
        let heads = [0, 1, plot.head_len() - 1];
        let cuts = heads.into_iter().chain(plot.boundaries());
        let tasks = cuts.map(|at| {
            let plot = plot.clone();
            Task::start(move || stall(adapter, &plot, at))
        });
        tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
    });
}

fn stall(adapter: Adapter, plot: &Arc<Plot>, at: usize) {
    let options = page(|config| {
        if at < plot.head_len() {
            config.handshake_timeout = Some(SHORT);
        }
        (config.ping_interval, config.pong_timeout) = (Some(SHORT / 2), SHORT / 2);
        config.close_timeout = Some(SHORT);
    });
    let (listener, port) = listen();
    let fault = Fault { at, deed: Deed::Stall, manner: Manner::AtOnce };
    let server = serve(&listener, plot, fault);
    let page = run(adapter, port, &options, plot.closes);
    let context = format!("{adapter:?} at {at}");
    check(&page, plot, at, &context);
    assert!(page.took >= SHORT * 9 / 10, "{context}: after {:?}", page.took);
    drop(server.join());
}

/// The same as promises and streams: no message is lost or made up, and the end
/// is told to whoever asks.
#[test]
fn a_stream_whose_server_is_lost_at_any_byte_fails() {
    bounded(|| {
        let plot = Plot::new(Role::Client, Side::Peer);
        let (listener, port) = listen();
        for (at, deed) in
            plot.cuts().flat_map(|at| [Deed::Close, Deed::Reset].map(|deed| (at, deed)))
        {
            let server = serve(&listener, &plot, Fault { at, deed, manner: Manner::InStep });
            let (read, closed) = reach::runtime().block_on(echo_stream(port));
            let context = format!("{deed:?} at {at}");
            assert!(read == plot.messages_until(at, false), "{context}: {read:?}");
            let end = if at == plot.len() { Ok(1000) } else { Err(1006) };
            assert_eq!(closed, end, "{context}");
            server.join();
        }
    });
}

/// Sends back what comes; gives that, and the code of the end.
async fn echo_stream(port: u16) -> (Vec<Message<'static>>, Result<u16, u16>) {
    let socket = TokioSocket::start_through(socket_to(port, &plain()), |endpoint| {
        #[cfg(feature = "proxy")]
        let endpoint = endpoint.without_proxy();
        endpoint
    });
    let mut stream = WebSocketStream::new(socket);
    let mut read = Vec::new();
    let opened = stream.opened().await;
    if let Ok(mut opened) = opened {
        let result = loop {
            match opened.readable.read().await {
                Ok(Some(message)) => {
                    opened.writable.write(&message).await.unwrap();
                    read.push(message);
                }
                end => break end,
            }
        };
        let closed = stream.closed().await;
        assert_eq!(result.is_err(), closed.is_err(), "{result:?}, {closed:?}");
        return (read, closed.map(|event| event.code).map_err(|error| error.close_code));
    }
    let closed = stream.closed().await;
    (read, closed.map(|event| event.code).map_err(|error| error.close_code))
}
