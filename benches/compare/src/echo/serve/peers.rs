//! The peers, on tokio. `+b` answers all messages that are there before one
//! write, where the interface has a way to say so.

use std::io;

use fastwebsockets::{FragmentCollector, OpCode};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::WebSocketStream as Sockudo;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Tungstenite;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_websockets::ServerBuilder;
use wtx::collection::Vector;
use wtx::rng::Xorshift64;
use wtx::web_socket::{Frame, WebSocketBuffer, WebSocketOwned, WebSocketPayloadOrigin};

use super::{Server, Writes, handshake, on_tokio};
use crate::engines;

pub(super) fn servers() -> Vec<Server> {
    use Writes::{Collected, Each};
    const LARGE: &str = "128 KiB buffers (default)";
    const SMALL: &str = "4 KiB buffers";
    const TUNED: &str = "reads of 128 KiB, writes of 64 KiB";
    let server = Server::new;
    vec![
        server("tungstenite", "tungstenite", LARGE, Each, || tungstenite(128 << 10)),
        server("tungstenite-4k", "tungstenite", SMALL, Each, || tungstenite(4 << 10)),
        server("tungstenite+b", "tungstenite", LARGE, Collected, || tungstenite_batched(128 << 10)),
        server("tungstenite-4k+b", "tungstenite", SMALL, Collected, || {
            tungstenite_batched(4 << 10)
        }),
        server("fastwebsockets", "fastwebsockets", "", Each, fastwebsockets),
        server("tokio-websockets", "tokio-websockets", "", Each, tokio_websockets),
        server("tokio-websockets+b", "tokio-websockets", "", Collected, tokio_websockets_batched),
        server("sockudo-ws", "sockudo-ws", "no heartbeat", Each, sockudo),
        server("sockudo-ws+b", "sockudo-ws", "no heartbeat", Collected, sockudo_batched),
        server("yawc", "yawc", "8 KiB buffers (default)", Each, || yawc(engines::yawc::options)),
        server("yawc-tuned", "yawc", TUNED, Each, || yawc(engines::yawc::tuned)),
        server("yawc+b", "yawc", TUNED, Collected, yawc_batched),
        server("web-socket", "web-socket", "BufReader of 8 KiB", Each, web_socket),
        server("wtx", "wtx", "", Each, wtx),
    ]
}

/// Sends each message back, and has it written.
async fn echo<S, M, E>(mut ws: S, is_data: impl Fn(&M) -> bool) -> Option<()>
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    while let Some(message) = ws.next().await {
        let message = message.ok().filter(&is_data)?;
        ws.send(message).await.ok()?;
    }
    None
}

/// Sends back all that is there, and then has it written.
async fn echo_batched<S, M, E>(mut ws: S, is_data: impl Fn(&M) -> bool) -> Option<()>
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    loop {
        let message = match ws.next().now_or_never() {
            Some(message) => message,
            None => {
                ws.flush().await.ok()?;
                ws.next().await
            }
        };
        let message = message?.ok().filter(&is_data)?;
        ws.feed(message).await.ok()?;
    }
}

// ---- tungstenite, by tokio-tungstenite -----------------------------------------------

async fn open_tungstenite(
    mut stream: TcpStream,
    buffer: usize,
) -> Option<tokio_tungstenite::WebSocketStream<TcpStream>> {
    handshake(&mut stream).await?;
    let config = WebSocketConfig::default().read_buffer_size(buffer).write_buffer_size(buffer);
    let open = tokio_tungstenite::WebSocketStream::from_raw_socket;
    Some(open(stream, Role::Server, Some(config)).await)
}

fn is_tungstenite_data(message: &Tungstenite) -> bool {
    message.is_binary() || message.is_text()
}

fn tungstenite(buffer: usize) -> io::Result<()> {
    on_tokio(move |stream| async move {
        echo(open_tungstenite(stream, buffer).await?, is_tungstenite_data).await
    })
}

fn tungstenite_batched(buffer: usize) -> io::Result<()> {
    on_tokio(move |stream| async move {
        echo_batched(open_tungstenite(stream, buffer).await?, is_tungstenite_data).await
    })
}

// ---- fastwebsockets ------------------------------------------------------------------

fn fastwebsockets() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        let role = fastwebsockets::Role::Server;
        let ws = fastwebsockets::WebSocket::after_handshake(stream, role);
        let mut ws = FragmentCollector::new(ws);
        loop {
            let frame = ws.read_frame().await.ok()?;
            match frame.opcode {
                OpCode::Text | OpCode::Binary => ws.write_frame(frame).await.ok()?,
                _ => return None,
            }
        }
    })
}

// ---- tokio-websockets ----------------------------------------------------------------

fn is_tokio_websockets_data(message: &tokio_websockets::Message) -> bool {
    message.is_binary() || message.is_text()
}

fn tokio_websockets() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        echo(ServerBuilder::new().serve(stream), is_tokio_websockets_data).await
    })
}

fn tokio_websockets_batched() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        echo_batched(ServerBuilder::new().serve(stream), is_tokio_websockets_data).await
    })
}

// ---- sockudo-ws ----------------------------------------------------------------------

fn is_sockudo_data(message: &sockudo_ws::Message) -> bool {
    message.is_binary() || message.is_text()
}

fn sockudo() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        echo(Sockudo::server(stream, engines::sockudo::config()), is_sockudo_data).await
    })
}

fn sockudo_batched() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        echo_batched(Sockudo::server(stream, engines::sockudo::config()), is_sockudo_data).await
    })
}

// ---- yawc ----------------------------------------------------------------------------

async fn open_yawc(
    mut stream: TcpStream,
    options: yawc::Options,
) -> Option<yawc::WebSocket<TcpStream>> {
    handshake(&mut stream).await?;
    yawc::WebSocket::from_stream(stream, yawc::Role::Server, options).ok()
}

fn is_yawc_data(frame: &yawc::Frame) -> bool {
    matches!(frame.opcode(), yawc::OpCode::Binary | yawc::OpCode::Text)
}

fn yawc(options: fn() -> yawc::Options) -> io::Result<()> {
    on_tokio(move |stream| async move {
        let ws = open_yawc(stream, options()).await?;
        echo(ws.map(Ok::<_, ()>), is_yawc_data).await
    })
}

fn yawc_batched() -> io::Result<()> {
    on_tokio(|stream| async move {
        let ws = open_yawc(stream, engines::yawc::tuned()).await?;
        echo_batched(ws.map(Ok::<_, ()>), is_yawc_data).await
    })
}

// ---- web-socket ----------------------------------------------------------------------

fn web_socket() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        let mut ws = web_socket::WebSocket::server(BufReader::new(stream));
        loop {
            match ws.recv().await.ok()? {
                web_socket::Event::Data { data, .. } => ws.send(&*data).await.ok()?,
                _ => return None,
            }
        }
    })
}

// ---- wtx -----------------------------------------------------------------------------

fn wtx() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        let (rng, buffer) = (Xorshift64::from(7), WebSocketBuffer::new());
        let mut ws = WebSocketOwned::<(), _, _, false>::new((), false, rng, stream, buffer);
        let mut message = Vector::new();
        let (mut common, mut reader, mut writer) = ws.split_mut();
        loop {
            let origin = WebSocketPayloadOrigin::Adaptive;
            let mut frame = reader.read_frame(&mut message, &mut common, origin).await.ok()?;
            if !matches!(
                frame.op_code(),
                wtx::web_socket::OpCode::Binary | wtx::web_socket::OpCode::Text
            ) {
                return None;
            }
            let mut frame = Frame::new_fin(frame.op_code(), frame.payload_mut());
            writer.write_frame(&mut common, &mut frame).await.ok()?;
        }
    })
}
