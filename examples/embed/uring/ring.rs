//! As much of io_uring as the loop needs, as functions that are safe to call. All
//! unsafe code of the example is here.
//!
//! The kernel works with memory of ours after the call that told it so. What makes
//! that sound is who owns the memory meanwhile:
//!
//! - Bytes to send are given to the [`Ring`] by value, and come back with the
//!   completion.
//! - Buffers to receive into belong to the ring for ever. Between the completion
//!   that names one and its return by [`Ring::open`] it is not the kernel's.
//! - A ring that is dropped frees neither: the kernel may not be done with them.
//!
//! Files are held by the kernel itself as soon as it knows of the operation.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use slab::Slab;

/// Bytes of a buffer, and so of what one completion brings.
const BUFFER_LEN: usize = 4 << 10;

/// Buffers of a ring: a power of two. Who sends a lot can fill all of them before
/// anybody looks, so they are as much as that may be.
const BUFFERS: u16 = 128;

/// What the kernel knows them by.
const GROUP: u16 = 0;

/// Operations that are handed over in one call; completions that fit.
const SUBMISSIONS: u32 = 256;
const COMPLETIONS: u32 = 4096;

pub struct Ring {
    uring: IoUring,
    buffers: Buffers,
    sends: ManuallyDrop<Slab<Sending>>,
    /// Operations that found no place among those to be handed over.
    waiting: VecDeque<Entry>,
}

struct Sending {
    number: usize,
    bytes: Vec<u8>,
}

/// What the kernel has done.
pub enum Completion {
    Accepted {
        outcome: io::Result<TcpStream>,
        goes_on: bool,
    },
    /// `Ok(None)`: the end of the stream.
    Received {
        number: usize,
        outcome: io::Result<Option<Received>>,
        goes_on: bool,
    },
    /// So many of these bytes, from where they were to be sent.
    Sent {
        number: usize,
        bytes: Vec<u8>,
        outcome: io::Result<usize>,
    },
    /// The file that is watched can be read from.
    Readable,
}

/// Bytes in one of the ring's buffers, which is lent until it is opened.
#[must_use = "the buffer is lost if it is not opened"]
pub struct Received {
    buffer: u16,
    len: usize,
}

/// What an operation was, in the upper half of its mark; the lower one is the
/// number that it was given.
#[derive(Clone, Copy)]
enum Kind {
    Accept,
    Receive,
    Send,
    Watch,
    Cancel,
}

impl Kind {
    fn mark(self, number: usize) -> u64 {
        (self as u64) << 32 | number as u64
    }

    fn of(mark: u64) -> (Self, usize) {
        let all = [Self::Accept, Self::Receive, Self::Send, Self::Watch];
        let kind = all.into_iter().find(|kind| *kind as u64 == mark >> 32);
        (kind.unwrap_or(Self::Cancel), mark as u32 as usize)
    }
}

impl Ring {
    /// # Errors
    ///
    /// The kernel refuses: see [`why`].
    pub fn new() -> io::Result<Self> {
        let mut builder = IoUring::builder();
        // Completions come while we wait, and to this thread alone.
        builder.setup_cqsize(COMPLETIONS).setup_single_issuer().setup_defer_taskrun();
        let uring = builder.build(SUBMISSIONS)?;
        let buffers = Buffers::new();
        // SAFETY: the entries are as many, aligned to pages, and never freed.
        unsafe {
            let entries = buffers.entries.as_ptr() as u64;
            uring.submitter().register_buf_ring_with_flags(entries, BUFFERS, GROUP, 0)?;
        }
        let sends = ManuallyDrop::new(Slab::new());
        Ok(Self { uring, buffers, sends, waiting: VecDeque::new() })
    }

    // ---- operations ----------------------------------------------------------------

    /// Accepts whoever comes, until a completion says that it does not go on.
    pub fn accept(&mut self, listener: &impl AsFd) {
        let operation = opcode::AcceptMulti::new(file(listener));
        self.push(operation.build(), Kind::Accept, 0);
    }

    pub fn stop_accepting(&mut self) {
        self.cancel(CancelBuilder::user_data(Kind::Accept.mark(0)));
    }

    /// Receives what comes, until a completion says that it does not go on.
    pub fn receive(&mut self, number: usize, stream: &impl AsFd) {
        let operation = opcode::RecvMulti::new(file(stream), GROUP);
        self.push(operation.build(), Kind::Receive, number);
    }

    pub fn stop_receiving(&mut self, number: usize) {
        self.cancel(CancelBuilder::user_data(Kind::Receive.mark(number)));
    }

    /// Sends the bytes from `start` on, or as many of them as the socket takes.
    pub fn send(&mut self, number: usize, stream: &impl AsFd, bytes: Vec<u8>, start: usize) {
        let rest = &bytes[start..];
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        // The address of the memory stays when its owner moves.
        let operation = opcode::Send::new(file(stream), rest.as_ptr(), len);
        let place = self.sends.insert(Sending { number, bytes });
        self.push(operation.build(), Kind::Send, place);
    }

    /// Completes once the file can be read from.
    pub fn watch(&mut self, readable: &impl AsFd) {
        let operation = opcode::PollAdd::new(file(readable), POLLIN);
        self.push(operation.build(), Kind::Watch, 0);
    }

    /// Ends all that is under way with this stream. Each operation completes.
    pub fn stop(&mut self, stream: &impl AsFd) {
        self.cancel(CancelBuilder::fd(file(stream)).all());
    }

    fn cancel(&mut self, which: CancelBuilder) {
        self.push(opcode::AsyncCancel2::new(which).build(), Kind::Cancel, 0);
    }

    fn push(&mut self, entry: Entry, kind: Kind, number: usize) {
        self.waiting.push_back(entry.user_data(kind.mark(number)));
    }

    // ---- completions ---------------------------------------------------------------

    /// Hands over what is to be done, and waits until something is, or the time
    /// has passed.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        loop {
            let mut queue = self.uring.submission();
            while let Some(entry) = self.waiting.pop_front() {
                // SAFETY: bytes that are sent are in `sends`, and buffers that are
                // received into in `buffers`: neither is touched, nor freed, before
                // the operation is complete.
                if unsafe { queue.push(&entry) }.is_err() {
                    self.waiting.push_front(entry);
                    break;
                }
            }
            drop(queue);
            let is_all = self.waiting.is_empty();
            let timeout = if is_all { timeout } else { Some(Duration::ZERO) };
            let timespec = timeout.map(Timespec::from);
            let args = timespec.iter().fold(SubmitArgs::new(), |args, time| args.timespec(time));
            match self.uring.submitter().submit_with_args(1, &args) {
                Ok(_) if is_all => return Ok(()),
                Ok(_) => {}
                Err(error) => match error.raw_os_error() {
                    Some(ETIME) if !is_all => {}
                    // Too much is complete to begin something: take that first.
                    Some(ETIME | EINTR | EAGAIN | EBUSY) => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }

    /// What is complete. Nothing more comes until the next [`wait`](Self::wait).
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            let entry = self.uring.completion().next()?;
            let (result, goes_on) = (outcome(&entry), cqueue::more(entry.flags()));
            let (kind, number) = Kind::of(entry.user_data());
            return Some(match kind {
                Kind::Accept => {
                    // SAFETY: the descriptor is new, and nobody else's.
                    let own = |fd: usize| unsafe { OwnedFd::from_raw_fd(fd as i32) };
                    Completion::Accepted { outcome: result.map(own).map(Into::into), goes_on }
                }
                Kind::Receive => {
                    let buffer = cqueue::buffer_select(entry.flags());
                    let len = result.as_ref().map_or(0, |len| *len);
                    let received = buffer.map(|buffer| Received { buffer, len });
                    let outcome = match (result, received) {
                        (Ok(1..), received) => Ok(received),
                        (result, unused) => {
                            if let Some(unused) = unused {
                                self.open(unused, |_| {});
                            }
                            result.map(|_| None)
                        }
                    };
                    Completion::Received { number, outcome, goes_on }
                }
                Kind::Send => {
                    let Sending { number, bytes } = self.sends.remove(number);
                    Completion::Sent { number, bytes, outcome: result }
                }
                Kind::Watch => Completion::Readable,
                Kind::Cancel => continue,
            });
        }
    }

    /// Gives the bytes to whoever is to have them, and the buffer back.
    pub fn open<T>(&mut self, received: Received, take: impl FnOnce(&mut [u8]) -> T) -> T {
        let Received { buffer, len } = received;
        let result = take(self.buffers.bytes(buffer, len));
        self.buffers.give_back(buffer);
        result
    }
}

fn file(file: &impl AsFd) -> Fd {
    Fd(file.as_fd().as_raw_fd())
}

fn outcome(entry: &cqueue::Entry) -> io::Result<usize> {
    usize::try_from(entry.result()).map_err(|_| io::Error::from_raw_os_error(-entry.result()))
}

// ---- buffers -------------------------------------------------------------------------

/// The buffers, and the ring by which the kernel is told which of them are its.
struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

/// Aligned as any page there is.
#[repr(C, align(65536))]
struct Pages([u8; 65536]);

const _: () = assert!(BUFFERS as usize * size_of::<BufRingEntry>() <= size_of::<Pages>());

impl Buffers {
    /// They are never freed: nobody could say when the kernel is done with them.
    fn new() -> Self {
        let entries = Box::leak(Box::new(Pages([0; 65536])));
        let memory = vec![0; usize::from(BUFFERS) * BUFFER_LEN].leak();
        let mut buffers = Self {
            entries: NonNull::from(entries).cast(),
            memory: NonNull::from(memory).cast(),
            tail: 0,
        };
        (0..BUFFERS).for_each(|buffer| buffers.give_back(buffer));
        buffers
    }

    fn start(&self, buffer: u16) -> NonNull<u8> {
        assert!(buffer < BUFFERS);
        // SAFETY: the memory is `BUFFERS` times that long.
        unsafe { self.memory.add(usize::from(buffer) * BUFFER_LEN) }
    }

    /// The first bytes of a buffer that is not the kernel's.
    fn bytes(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        assert!(len <= BUFFER_LEN);
        // SAFETY: they are within the memory, have a value from the beginning, and
        // are nobody else's: the kernel has named the buffer in a completion, and
        // the `Received` made of that is gone when the buffer is given back.
        unsafe { slice::from_raw_parts_mut(self.start(buffer).as_ptr(), len) }
    }

    /// Makes a buffer the kernel's, to receive into.
    fn give_back(&mut self, buffer: u16) {
        let address = self.start(buffer).as_ptr() as u64;
        // SAFETY: an entry within the pages, of which any bytes are a value. The
        // kernel reads it only after the tail has moved behind it.
        let entry = unsafe { self.entries.add(usize::from(self.tail % BUFFERS)).as_mut() };
        entry.set_addr(address);
        entry.set_len(BUFFER_LEN as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies within the first entry, where nothing else is. It
        // is aligned, and from here on only read by the kernel.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        tail.store(self.tail, Ordering::Release);
    }
}

// ---- what the kernel calls things ------------------------------------------------------

const POLLIN: u32 = 1;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EBUSY: i32 = 16;
const ETIME: i32 = 62;
pub const ENOBUFS: i32 = 105;
pub const ECANCELED: i32 = 125;

/// Why a kernel gives no ring.
pub fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "a container or the setting kernel.io_uring_disabled forbids io_uring"
        }
        ErrorKind::InvalidInput => "its io_uring is too old: Linux 6.1 or newer is needed",
        _ if error.raw_os_error() == Some(38) => "it has no io_uring: Linux 6.1 or newer is needed",
        _ => "it gives us no io_uring",
    }
}
