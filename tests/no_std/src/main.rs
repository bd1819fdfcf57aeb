//! A handshake and an echo without std: its own allocator, its own panic
//! handler, buffers of fixed size. Exit status 0 if all went well.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use sockeye::handshake::{Accept, Client, ClientRequest, Reply, Server};
use sockeye::{CloseCode, Config, Event, FixedOutput, Input, Seed};

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: libc's, which takes nothing and does not come back.
    unsafe { abort() }
}

/// Hands out 64 KiB from front to back and takes nothing back.
struct Bump {
    memory: UnsafeCell<[u8; 64 << 10]>,
    used: AtomicUsize,
}

// SAFETY: each byte is handed out once, by an atomic counter.
unsafe impl Sync for Bump {}

// SAFETY: pieces are aligned, within the memory and do not overlap.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.memory.get() as usize;
        let piece = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let at = (start + used).next_multiple_of(layout.align()) - start;
            at.checked_add(layout.size()).filter(|end| *end <= 64 << 10)
        });
        match piece {
            Ok(used) => ((start + used).next_multiple_of(layout.align())) as *mut u8,
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { memory: UnsafeCell::new([0; 64 << 10]), used: AtomicUsize::new(0) };

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    match run() {
        Some(()) => 0,
        None => 1,
    }
}

fn run() -> Option<()> {
    let config = Arc::new(Config::default());
    let (mut asked, mut answered) = ([0; 512], [0; 512]);
    let mut to_server = FixedOutput::new(&mut asked);
    let mut to_client = FixedOutput::new(&mut answered);

    let request = ClientRequest::new(false, "example.com", 80, "/");
    let mut client = Client::new(request, Seed::from_bytes([7; 32]), config.clone()).ok()?;
    client.write_request(&mut to_server).ok()?;
    let mut server = Server::new(config.clone());
    let request = server.receive(to_server.filled()).ok()??;
    let mut at_server = request.accept(&Accept::new(), &mut to_client).ok()?;
    let Reply::Accepted(response) = client.receive(to_client.filled()).ok()?? else { return None };
    let mut at_client = response.open();

    // From here on the memory in use must not grow.
    let used = ALLOCATOR.used.load(Ordering::Relaxed);
    for _ in 0..1000 {
        to_server.clear();
        to_client.clear();
        at_client.send_text("h\u{e9}llo", &mut to_server).ok()?;
        at_client.send_ping(b"?", &mut to_server).is_ok().then_some(())?;
        let mut wire = [0; 512];
        let received = &mut wire[..to_server.filled().len()];
        received.copy_from_slice(to_server.filled());
        let mut input = Input::new(received);
        let mut echoed = false;
        while let Some(event) = at_server.receive(&mut input, &mut to_client) {
            if let Event::Text(chunk) = event {
                echoed |= chunk.as_str() == "h\u{e9}llo";
                at_server.send_text(chunk.as_str(), &mut to_client).ok()?;
            }
        }
        echoed.then_some(())?;
    }
    // The first Ping makes room for what measures its round trip.
    let grown = ALLOCATOR.used.load(Ordering::Relaxed) - used;
    (grown < 1024).then_some(())?;

    to_server.clear();
    at_client.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut to_server).ok()?;
    let mut wire = [0; 16];
    let received = &mut wire[..to_server.filled().len()];
    received.copy_from_slice(to_server.filled());
    let closed = at_server.receive(&mut Input::new(received), &mut to_client);
    matches!(closed, Some(Event::Close(_))).then_some(())
}
