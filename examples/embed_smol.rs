//! The engine on streams of `futures-io`: an echo server on smol, with a task for
//! each connection. No adapter is between them, and no tokio.
//!
//!     cargo run --release --example embed_smol -- [ADDR [PING_AFTER_SECONDS]]
//!
//! 1. A task waits for bytes, or for the time that the engine has named.
//! 2. What comes is read into a buffer of the thread's and given to the engine in
//!    the same poll. So a task that waits, on whatever thread, owns no buffer.
//! 3. The answers to it are one write. Until the stream has taken it nothing
//!    more is read: back-pressure. Who takes nothing for long is let go.
//! 4. After a few reads it is somebody else's turn.
//! 5. Ctrl-C or SIGTERM: every client is told 1001, and has some time to answer.
//!
//! [`Client`] takes any stream, such as one of TLS. Other runtimes than smol
//! differ in the names of timers and tasks. What has nothing to do with any of
//! them is in `embed/`.

mod embed;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use embed::session::{Session, Step};
use embed::{ACCEPT_AGAIN, Memory};
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{self, FutureExt};
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use smol::net::TcpListener;
use smol::stream::Stream;
use smol::{Timer, spawn};
use sockeye::{Clock, Config, Instant};

/// Bytes of one read.
const READ_LEN: usize = 64 << 10;

/// Reads of one client before the others have their turn.
const READS_IN_TURN: u32 = 4;

/// Memory for output is kept for the next client if it is no more.
const KEEP_LEN: usize = 256 << 10;

fn main() -> ExitCode {
    embed::main("embed_smol", |addr, config| smol::block_on(run(addr, config)))
}

/// Until it is told to end, and the last client has left.
async fn run(addr: &str, config: Arc<Config>) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    let mut end = Box::pin(end()?);
    println!("listening on ws://{}", listener.local_addr()?);
    let clock = Clock::new();
    // Nothing is ever sent: what counts is that the other end is gone.
    let (stay, goes_away) = bounded::<Infallible>(1);
    let (present, are_present) = bounded::<Infallible>(1);
    loop {
        let accepted = async { Some(listener.accept().await) };
        let Some(accepted) = accepted.or(async { (&mut end).await }).await else { break };
        match accepted {
            Ok((stream, _)) => {
                // Who has gone meanwhile shows when it is read from.
                let _ = stream.set_nodelay(true);
                let client = Client::new(stream, config.clone(), clock, goes_away.clone());
                spawn(serve(client, present.clone())).detach();
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of descriptors, say: others will leave.
                eprintln!("accept: {error}");
                Timer::after(ACCEPT_AGAIN).await;
            }
        }
    }
    drop((listener, stay, present));
    let _ = are_present.recv().await;
    Ok(())
}

/// Ready, with nothing, once the process is asked to end.
#[cfg(unix)]
fn end<T>() -> io::Result<impl Future<Output = Option<T>>> {
    let end = smol::Async::new(embed::end()?)?;
    Ok(async move {
        match end.readable().await {
            Ok(()) => None,
            Err(_) => pending().await,
        }
    })
}

#[cfg(not(unix))]
fn end<T>() -> io::Result<impl Future<Output = Option<T>>> {
    Ok(pending())
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(client: Client<S>, _present: Sender<Infallible>) {
    if let Err(error) = client.serve().await {
        eprintln!("connection: {error}");
    }
}

// ---- a client ------------------------------------------------------------------------

/// What the clients of a thread share. It is borrowed during a poll, and never
/// while one waits: a task may go on in another thread.
struct Thread {
    read: Box<[u8]>,
    memory: Memory,
    out: Vec<u8>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::new(Thread {
        read: vec![0; READ_LEN].into(),
        memory: Memory::new(),
        out: Vec::new(),
    });
}

struct Client<S> {
    stream: S,
    session: Session,
    clock: Clock,
    timer: Timer,
    /// When the timer comes up. A deadline that is put off does not move it: with
    /// each message that would be work.
    timer_at: Option<Instant>,
    /// Ends when the server is about to; `None` once the client knows.
    goes_away: Option<Pin<Box<Receiver<Infallible>>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S, config: Arc<Config>, clock: Clock, goes_away: Receiver<Infallible>) -> Self {
        Self {
            stream,
            session: Session::new(config, clock.now()),
            clock,
            timer: Timer::never(),
            timer_at: None,
            goes_away: Some(Box::pin(goes_away)),
        }
    }

    /// From the request to the end.
    async fn serve(mut self) -> io::Result<()> {
        loop {
            for _ in 0..READS_IN_TURN {
                let out = poll_fn(|cx| self.poll_receive(cx)).await?;
                self.write(&out).await?;
                give_back(out);
                match self.session.next_step(true, self.clock.now()) {
                    Step::Drop => return Ok(()),
                    Step::HangUp => self.stream.close().await?,
                    Step::Wait => {}
                }
            }
            future::yield_now().await;
        }
    }

    /// Gives the engine what has come, or the time; and gives what is to be
    /// written then.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        THREAD.with_borrow_mut(|Thread { read, memory, out }| {
            // What a turn that failed has left is for somebody else.
            out.clear();
            if self.session.holds_input() {
                self.session.go_on(memory, out);
                self.session.keep_time(false, self.clock.now(), out);
                return Poll::Ready(Ok(std::mem::take(out)));
            }
            let wants_bytes = self.session.wants_bytes();
            let room = self.session.room();
            let has_room = !room.is_empty();
            let target = if has_room { room } else { &mut read[..] };
            let read_some = match wants_bytes {
                true => Pin::new(&mut self.stream).poll_read(cx, target),
                false => Poll::Pending,
            };
            let has_looked = read_some.is_pending();
            match read_some {
                Poll::Ready(Ok(0)) => self.session.receive_eof(),
                Poll::Ready(Ok(len)) if has_room => self.session.receive_room(len, memory, out),
                Poll::Ready(Ok(len)) => {
                    let received = self.session.receive(&mut read[..len], memory, out);
                    received.map_err(io::Error::other)?;
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.poll_goes_away(cx).is_ready() => self.session.go_away(out),
                Poll::Pending => ready!(self.poll_due(cx)),
            }
            self.session.keep_time(has_looked, self.clock.now(), out);
            Poll::Ready(Ok(std::mem::take(out)))
        })
    }

    /// Ready once, when the server is about to end.
    fn poll_goes_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(goes_away) = &mut self.goes_away else { return Poll::Pending };
        ready!(goes_away.as_mut().poll_next(cx));
        self.goes_away = None;
        Poll::Ready(())
    }

    /// Ready when the session may be due.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(due) = self.session.due() {
            if self.timer_at.is_none_or(|at| due < at) {
                self.timer_at = Some(due);
                self.timer.set_after(due.saturating_duration_since(self.clock.now()));
            }
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        self.timer_at = None;
        self.timer.clear();
        Poll::Ready(())
    }

    /// Writes all of it, to who takes some of it now and then.
    async fn write(&mut self, out: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while sent < out.len() {
            let wait = self.time_to_write()?;
            match in_time(wait, self.stream.write(&out[sent..])).await {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if sent == 0 {
            return Ok(());
        }
        // Some streams have buffers of their own.
        let wait = self.time_to_write()?;
        in_time(wait, self.stream.flush()).await
    }

    /// How long the client may take nothing, now that it has taken something.
    fn time_to_write(&mut self) -> io::Result<Option<Duration>> {
        let now = self.clock.now();
        self.session.has_taken(now);
        match self.session.next_step(false, now) {
            Step::Drop => Err(ErrorKind::TimedOut.into()),
            _ => Ok(self.session.due().map(|due| due.saturating_duration_since(now))),
        }
    }
}

async fn in_time<T>(
    wait: Option<Duration>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = async {
        wait.map_or_else(Timer::never, Timer::after).await;
        Err(ErrorKind::TimedOut.into())
    };
    work.or(late).await
}

/// For the output of the next poll in this thread.
fn give_back(mut out: Vec<u8>) {
    out.clear();
    THREAD.with_borrow_mut(|thread| {
        if out.capacity() <= KEEP_LEN && thread.out.capacity() < out.capacity() {
            thread.out = out;
        }
    });
}
