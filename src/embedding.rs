//! Embedding the engine in a runtime of one's own. Nothing but documentation.
//!
//! A [`Connection`](crate::Connection) moves no bytes, reads no clock and starts
//! no task: it fits into whatever does. What a loop around it has to do is on
//! this page. These do it, in `examples/`, and are there to be taken apart:
//!
//! | example | what is around the engine |
//! |---|---|
//! | `embed_mio.rs` | readiness, on any system: a server with one thread, whose buffers all clients share |
//! | `embed_io_uring.rs` | completions, on Linux: the same server, where the kernel picks the buffer that it reads into |
//! | `embed_smol.rs` | streams of `futures-io`: the same server, with a task for each client and still a buffer for each thread |
//! | `embed_threads.rs` | blocking sockets: the adapter's `split`, in a room where all hear what one says |
//! | `embed_h2.rs` | the streams of HTTP/2, with `h2`: both ends, many connections on one transport |
//! | `no_std/` | nothing: two functions for the bytes, a counter for the time, memory of fixed size |
//!
//! The first three differ in how they wait and move bytes. What they have in
//! common, a client without its socket, is `embed/session.rs`.
//!
//! # From the network to the application
//!
//! 1. Wait until there is something to read, and read it into a buffer. One for
//!    each thread is enough: what the engine does not use up it keeps itself, and
//!    that is at most a header, a control frame or the beginning of a character.
//!    16 to 64 KiB are a good size. From a socket the larger cost no more time,
//!    and are fewer system calls; from memory, such as a TLS library's, 16 KiB can
//!    be twice as fast, as what was copied is still in the first-level cache when
//!    it is unmasked, or looked at.
//! 2. Until the handshake is over, keep all that was read, and give it to
//!    [`Server::receive`] or [`Client::receive`] whole. What lies behind the
//!    [head](crate::handshake::Request::head_len) is frames: go on at 3 with it.
//! 3. Make an [`Input`] of what was read; with scratch room, if compression may
//!    be agreed on.
//! 4. Call [`receive`] until it gives `None`, and do with each event what is to
//!    be done. Answers that the RFC demands are in the output already, and the
//!    application's may follow at once: an event borrows the buffer, and not the
//!    connection.
//! 5. After `None`: [`wants_scratch`] means that there is more to come out of
//!    what was read; [`wants_room`], with a [`FixedOutput`](crate::FixedOutput),
//!    that the output has to be written first.
//! 6. Write the output: once for all that was read, not for each message.
//! 7. A read of 0 bytes is the end: [`receive_eof`]. What is to be written still
//!    can be, if the peer has ended its direction alone.
//!
//! Chunks are the fastest way through messages that are long or in fragments,
//! and the only one whose memory does not grow with them. Whole messages are
//! made of them by an [`Assembler`](crate::Assembler), which copies nothing of
//! those that came in one piece. Of a large binary message it names the place
//! where the next bytes are to be read to ([`room`]), so that they are not copied
//! either. Where reads cost next to nothing, as from memory, two things more pay:
//! to read little, some 4 KiB, where another large message may begin; and of a
//! large message that has no room (it is text, or only its header has come) what
//! is left of its frame ([`frame_remaining`]) and no more, so that the next one
//! begins with a read, and is in one piece if it fits.
//!
//! # From the application to the network
//!
//! 1. Commands ([`send_text`], [`send_binary`], [`close`] and so on) append to
//!    the output and can be given at any time, between any two events. An error
//!    is the caller's mistake: nothing was appended, and nothing has changed.
//! 2. Then write the output, in order. Whether at once, or with what other
//!    commands add until the end of the turn, is the loop's decision.
//! 3. A long payload need not go through the output: [`begin_binary`] and
//!    [`begin_text`] give its header, for a vectored write.
//! 4. What many are told is encoded once:
//!    [`PreparedMessage`](crate::PreparedMessage).
//!
//! # Closing, from either side
//!
//! | what happens | what the engine does | what the loop does |
//! |---|---|---|
//! | the application calls [`close`] | appends a Close frame; data still comes until the peer answers | writes, and goes on reading |
//! | the peer closes | appends the answer, if we have not closed before; then [`Event::Close`] | writes |
//! | the peer breaks a rule | appends a Close frame that says which, if it is our first; then [`Event::Failed`] | writes |
//! | the transport ends | says how the connection did, from [`receive_eof`] | drops it |
//! | the application has no time for manners | [`abort`] | drops the transport |
//!
//! In any case: when [`should_close_transport`], flush, until the
//! [`close_deadline`] at the latest, and close the transport.
//! To close a socket whose input was not all read makes the kernel send a reset,
//! which can overtake our Close frame. So end the direction that is ours
//! (`shutdown` of writing), read and throw away what still comes, and drop the
//! socket when that ends or the [`close_deadline`] has passed. [`closed`] tells
//! how it all ended.
//!
//! # Time
//!
//! The engine never asks what time it is; its [`Instant`] counts from wherever
//! the caller likes.
//!
//! 1. When the connection has opened, and after reading, writing and commands: if
//!    [`wants_time`], call [`note_time`]. It says when something is due if nothing
//!    happens before that.
//! 2. When that has come and *nothing is there to be read*: [`handle_timeout`],
//!    which may append to the output, and says when to come back.
//!
//! It is no harm to come early, or twice. So a loop can leave old entries in its
//! heap or wheel, and look when they come up whether the connection is due. With
//! the deadlines of [`Config`](crate::Config) off, the clock is not read until the
//! application pings or somebody closes.
//!
//! # Back-pressure
//!
//! An engine without buffers cannot hold anything back: the loop does. Do not
//! read from a peer as long as what it was sent is not taken; the rest is TCP's.
//! What a peer can have the engine append by itself is bounded by what was read:
//! a Pong is at most four bytes longer than its Ping, and there is one Close.
//! What the application answers is not: 64 KiB, compressed, can be sixty
//! megabytes of messages to be sent back. So when much has been appended, leave
//! [`receive`] alone, write, and go on with what is left of the input, and with
//! what [`is_inflating`], when it is written.
//!
//! Who is not read from cannot be heard to answer: as long as its output waits,
//! judge it by when it last took something, and not by [`handle_timeout`].
//!
//! # Fairness
//!
//! A peer that always has more to say must not be all that a thread listens to.
//! Bound what is read from one at a time, and come back to it after the others.
//! From a peer that is to be hung up on, read nothing until our direction has
//! ended.
//!
//! # Concurrency
//!
//! A connection belongs to one thread at a time; it is `Send`. Where one thread
//! reads while others send, put it behind a lock that is held while bytes are
//! made, and never while they are moved; what is made has to reach the wire in
//! the order in which it was made. Both adapters' `split` do it like that.
//!
//! # Streams of HTTP/2 and HTTP/3
//!
//! A stream on which [`extended`] has made the handshake is a transport like any
//! other; `examples/embed_h2.rs` is both ends of it.
//!
//! 1. What DATA frames hold is given to the engine as it comes, wherever they
//!    end; END_STREAM is [`receive_eof`], and so is a reset.
//! 2. What is to be written waits for the windows of the stream and of the
//!    connection, and for these instead of the socket.
//! 3. Not to read means not to enlarge the window of the stream. That of the
//!    connection is for all streams: let it be as large as theirs together, or
//!    one that is not read keeps the others from being heard.
//! 4. To close the transport is END_STREAM on our side; to drop it is a reset with
//!    [`CANCEL`].
//!
//! # Example: a turn
//!
//! A server's connection on a socket that does not block: what is to be done when
//! the socket is ready, or the time has come. `examples/embed` has besides how
//! input is held back, and how a socket is left in good order.
//!
//! ```
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::time::Duration;
//! use sockeye::{Assembler, Connection, Incoming, Input, Instant};
//!
//! /// How long a peer may take nothing of what waits for it.
//! const PATIENCE: Duration = Duration::from_secs(10);
//!
//! /// Memory that all connections of a thread share.
//! struct Thread {
//!     read: Vec<u8>,
//!     scratch: Vec<u8>,
//! }
//!
//! struct Client<S> {
//!     stream: S,
//!     ws: Connection,
//!     messages: Assembler,
//!     /// What the socket has not taken, and when it last took something.
//!     out: Vec<u8>,
//!     taken_at: Instant,
//!     due: Option<Instant>,
//! }
//!
//! /// What to do with a client next.
//! #[derive(Debug, PartialEq)]
//! enum Next {
//!     /// Wait until it is ready, or due.
//!     Wait,
//!     /// Give it another turn when the others have had theirs.
//!     Again,
//!     /// End our direction, throw away what still comes, and close the socket.
//!     Close,
//!     /// Close the socket: the peer takes nothing.
//!     Drop,
//! }
//!
//! impl<S: Read + Write> Client<S> {
//!     fn turn(&mut self, thread: &mut Thread, now: Instant) -> io::Result<Next> {
//!         self.flush(now)?;
//!         let mut next = Next::Again;
//!         for _ in 0..8 {
//!             // Who takes nothing is not read from.
//!             if !self.out.is_empty() || self.ws.should_close_transport() {
//!                 next = Next::Wait;
//!                 break;
//!             }
//!             match self.stream.read(&mut thread.read) {
//!                 Ok(0) => println!("{:?}", self.ws.receive_eof()),
//!                 Ok(len) => self.receive(&mut thread.read[..len], &mut thread.scratch),
//!                 Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!                 Err(error) if error.kind() == ErrorKind::WouldBlock => {
//!                     next = Next::Wait;
//!                     // There was nothing to be read: what is due is due.
//!                     self.due = self.ws.handle_timeout(now, &mut self.out);
//!                     break;
//!                 }
//!                 Err(error) => return Err(error),
//!             }
//!             self.flush(now)?;
//!         }
//!         self.due = self.ws.note_time(now);
//!         self.flush(now)?;
//!         if !self.out.is_empty() {
//!             // Who is not read from cannot be heard to answer.
//!             let patience = self.taken_at + PATIENCE;
//!             if patience <= now {
//!                 return Ok(Next::Drop);
//!             }
//!             self.due = Some(patience);
//!         }
//!         let is_late = self.ws.close_deadline().is_some_and(|at| at <= now);
//!         match self.ws.should_close_transport() && (self.out.is_empty() || is_late) {
//!             true => Ok(Next::Close),
//!             false => Ok(next),
//!         }
//!     }
//!
//!     fn receive(&mut self, bytes: &mut [u8], scratch: &mut [u8]) {
//!         let mut left = bytes.len();
//!         loop {
//!             let start = bytes.len() - left;
//!             let mut input = Input::with_scratch(&mut bytes[start..], scratch);
//!             while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
//!                 if let Some(Incoming::Message(message)) = self.messages.push(event) {
//!                     // The application. After a Close nothing can be sent.
//!                     let _ = self.ws.send_binary(message.as_bytes(), &mut self.out);
//!                 }
//!             }
//!             left = input.len();
//!             if !self.ws.wants_scratch() {
//!                 break;
//!             }
//!         }
//!     }
//!
//!     fn flush(&mut self, now: Instant) -> io::Result<()> {
//!         if self.out.is_empty() {
//!             self.taken_at = now;
//!         }
//!         while !self.out.is_empty() {
//!             match self.stream.write(&self.out) {
//!                 Ok(0) => return Err(ErrorKind::WriteZero.into()),
//!                 Ok(len) => {
//!                     self.out.drain(..len);
//!                     self.taken_at = now;
//!                 }
//!                 Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!                 Err(error) if error.kind() == ErrorKind::WouldBlock => break,
//!                 Err(error) => return Err(error),
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//! # // A socket that has this to be read, and takes everything.
//! # struct Socket(io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Socket {
//! #     fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
//! #         match self.0.read(buf)? {
//! #             0 => Err(ErrorKind::WouldBlock.into()),
//! #             len => Ok(len),
//! #         }
//! #     }
//! # }
//! # impl Write for Socket {
//! #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
//! #         self.1.write(buf)
//! #     }
//! #     fn flush(&mut self) -> io::Result<()> {
//! #         Ok(())
//! #     }
//! # }
//! # let now = Instant::from_epoch(std::time::Duration::from_secs(1));
//! # let mut thread = Thread { read: vec![0; 16 << 10], scratch: vec![0; 64 << 10] };
//! # let mut client = Client {
//! #     stream: Socket(io::Cursor::new(b"\x82\x81\0\0\0\0x\x89\x80\0\0\0\0".to_vec()), Vec::new()),
//! #     ws: Connection::server(Default::default()),
//! #     messages: Assembler::new(),
//! #     out: Vec::new(),
//! #     taken_at: now,
//! #     due: None,
//! # };
//! # assert_eq!(client.turn(&mut thread, now)?, Next::Wait);
//! # assert_eq!(client.stream.1, b"\x82\x01x\x8a\x00");
//! # client.stream.0 = io::Cursor::new(b"\x88\x80\0\0\0\0".to_vec());
//! # assert_eq!(client.turn(&mut thread, now)?, Next::Close);
//! # assert_eq!(client.stream.1, b"\x82\x01x\x8a\x00\x88\x00");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! [`Client::receive`]: crate::handshake::Client::receive
//! [`Event::Close`]: crate::Event::Close
//! [`Event::Failed`]: crate::Event::Failed
//! [`Input`]: crate::Input
//! [`Instant`]: crate::Instant
//! [`Server::receive`]: crate::handshake::Server::receive
//! [`CANCEL`]: crate::handshake::extended::CANCEL
//! [`abort`]: crate::Connection::abort
//! [`begin_binary`]: crate::Connection::begin_binary
//! [`begin_text`]: crate::Connection::begin_text
//! [`close_deadline`]: crate::Connection::close_deadline
//! [`close`]: crate::Connection::close
//! [`closed`]: crate::Connection::closed
//! [`extended`]: crate::handshake::extended
//! [`frame_remaining`]: crate::Connection::frame_remaining
//! [`handle_timeout`]: crate::Connection::handle_timeout
//! [`is_inflating`]: crate::Connection::is_inflating
//! [`note_time`]: crate::Connection::note_time
//! [`receive_eof`]: crate::Connection::receive_eof
//! [`receive`]: crate::Connection::receive
//! [`send_binary`]: crate::Connection::send_binary
//! [`send_text`]: crate::Connection::send_text
//! [`should_close_transport`]: crate::Connection::should_close_transport
//! [`wants_room`]: crate::Connection::wants_room
//! [`wants_scratch`]: crate::Connection::wants_scratch
//! [`room`]: crate::Assembler::room
//! [`wants_time`]: crate::Connection::wants_time
