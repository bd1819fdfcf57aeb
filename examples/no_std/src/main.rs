//! A server and its client back to back, in a few kilobytes and without std.
//! Once they know each other no message allocates anything, which is made sure
//! of; nor does a control frame, but for 126 bytes if the wire has cut it, which
//! are back when it was heard. Exit status 0 if all went well.
//!
//! [`endpoint`] is what to lift: one end of a connection, for whatever wire and
//! application. [`arena`] is an allocator, for whoever has none; [`talk`] and
//! [`pipe`] are the applications and the wire of this example.

#![no_std]
#![no_main]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate alloc;

mod arena;
mod endpoint;
mod pipe;
mod talk;

use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::time::Duration;

use arena::ARENA;
use endpoint::{Application, Endpoint, Heard, RX_LEN, TX_LEN, Wire};
use pipe::{End, Pipe};
use sockeye::handshake::{Client, ClientRequest, Server};
use sockeye::{CloseCode, Config, Instant, Seed};
use talk::{Echo, MESSAGES, Speaker};

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
    fn write(file: i32, bytes: *const u8, len: usize) -> isize;
}

/// Where a chip would have a serial line: file 1 is for what is said, 2 for
/// complaints.
struct Console(i32);

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: libc's; it reads the bytes of a text that lives until it is back.
        let written = unsafe { write(self.0, text.as_ptr(), text.len()) };
        if written == text.len() as isize { Ok(()) } else { Err(fmt::Error) }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Console(2), "{info}");
    // SAFETY: libc's, which takes nothing and does not come back.
    unsafe { abort() }
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(Console(2), "sockeye-no-std: {error}");
            1
        }
    }
}

/// Milliseconds since the start, as a timer's interrupt would count them. Here
/// each turn takes one.
struct Ticks(u32);

impl Ticks {
    fn next(&mut self) -> Result<Instant, &'static str> {
        self.0 = self.0.checked_add(1).filter(|ms| *ms < 3_600_000).ok_or("it does not end")?;
        Ok(Instant::from_epoch(Duration::from_millis(self.0.into())))
    }
}

/// An end, and what the heap has for it: bytes, and the most there ever were.
struct Metered {
    endpoint: Endpoint,
    heap: usize,
    peak: usize,
}

impl Metered {
    fn new(make: impl FnOnce() -> Result<Endpoint, &'static str>) -> Result<Self, &'static str> {
        let before = ARENA.live();
        ARENA.take_peak();
        let endpoint = make()?;
        let (heap, peak) = (ARENA.live() - before, ARENA.take_peak() - before);
        Ok(Self { endpoint, heap, peak })
    }

    fn poll(&mut self, wire: &mut impl Wire, now: Instant, app: &mut impl Application) -> Heard {
        let others = ARENA.live() - self.heap;
        ARENA.take_peak();
        self.endpoint.poll(wire, now, app)?;
        self.peak = self.peak.max(ARENA.take_peak() - others);
        self.heap = ARENA.live() - others;
        Ok(())
    }
}

fn run() -> Heard {
    let mut config = Config::default();
    config.max_head_len = RX_LEN;
    // Whoever asks if the other is still there is the server.
    let for_client = Arc::new(config.clone());
    config.ping_interval = Some(Duration::from_secs(1));
    let for_server = Arc::new(config);

    let (there, back) = (Pipe::new(1), Pipe::new(2));
    let mut at_client = End { from: &back, to: &there };
    let mut at_server = End { from: &there, to: &back };
    let (mut speaker, mut echo, mut ticks) = (Speaker::new(), Echo, Ticks(0));

    let mut client = Metered::new(|| {
        let request = ClientRequest::new(false, "example.com", 80, "/");
        // On a chip: 32 bytes that nobody can guess, of its generator's.
        let seed = Seed::from_bytes([7; 32]);
        Endpoint::client(
            Client::new(request, seed, for_client.clone()).map_err(|_| "a bad request")?,
        )
    })?;
    let mut server = Metered::new(|| Ok(Endpoint::server(Server::new(for_server.clone()))))?;

    let mut heap = Heap::default();
    while client.endpoint.closed().is_none() || server.endpoint.closed().is_none() {
        let now = ticks.next()?;
        client.poll(&mut at_client, now, &mut speaker)?;
        server.poll(&mut at_server, now, &mut echo)?;
        heap.look(&speaker)?;
    }

    for end in [&client, &server] {
        let closed = end.endpoint.closed().ok_or("it is not over")?;
        if !closed.is_clean() || closed.code() != CloseCode::NORMAL_CLOSURE {
            return Err("they did not part in good order");
        }
    }
    if speaker.keep_alives == 0 {
        return Err("the server never asked whether the client is still there");
    }
    report(&speaker, &client, &server).map_err(|_| "nobody listens")
}

/// What was allocated when the first message was back.
#[derive(Default)]
struct Heap {
    first: Option<(usize, usize)>,
}

/// What a control frame takes that the wire has cut, a Ping whose answer is
/// waited for, and the times of a connection: each of them at most.
const CONTROL_LEN: usize = 160;

impl Heap {
    fn look(&mut self, speaker: &Speaker) -> Heard {
        let (allocations, live) = (ARENA.allocations(), ARENA.live());
        let Some((allocations_then, live_then)) = self.first else {
            if speaker.echoed() > 0 {
                self.first = Some((allocations, live));
            }
            return Ok(());
        };
        let (allocations, growth) = (allocations - allocations_then, live - live_then);
        let control_frames = (2 * speaker.pings + speaker.keep_alives) as usize;
        if speaker.echoed() == MESSAGES {
            // Closing takes memory, once.
            return Ok(());
        }
        if allocations > 0 && control_frames == 0 {
            return Err("a message has allocated something");
        }
        if allocations > control_frames + 2 {
            return Err("something else than control frames has allocated something");
        }
        // The client's Ping and its times; and one frame at each end may be on
        // its way in pieces.
        if growth > 4 * CONTROL_LEN {
            return Err("control frames do not give back what they took");
        }
        Ok(())
    }
}

fn report(speaker: &Speaker, client: &Metered, server: &Metered) -> fmt::Result {
    let Speaker { bytes, keep_alives, .. } = speaker;
    let mut console = Console(1);
    writeln!(console, "{MESSAGES} messages of {bytes} bytes there and back, {keep_alives} Pings")?;
    writeln!(
        console,
        "heap at most: {} bytes of the client, {} of the server",
        client.peak, server.peak
    )?;
    writeln!(
        console,
        "both together: {} bytes of the arena, {} allocations",
        ARENA.highest(),
        ARENA.allocations()
    )?;
    let len = size_of::<Endpoint>();
    writeln!(console, "beside the heap: {len} bytes each, {RX_LEN} + {TX_LEN} of them buffers")
}
