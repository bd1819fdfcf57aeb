//! Questions about the design, and answers. Nothing but documentation.
//!
//! # Why is there an `out` everywhere?
//!
//! Receiving can make bytes to send: a Pong, the answer to a Close, the Close
//! that says why the connection failed. An engine that queues them inside has
//! a buffer per connection and a call that is easily forgotten. Here every
//! call that can produce bytes says so in its signature, and the memory is the
//! caller's: one buffer for each thread serves any number of connections.
//!
//! # Why do events borrow the input, and not the connection?
//!
//! So that the connection can be used while an event is alive: an echo is
//! `ws.send_text_fragment(chunk.as_str().as_bytes(), …)` with no copy in
//! between. [`Input`](crate::Input) hands out pieces of the caller's slice;
//! the borrow checker sees that they are apart.
//!
//! # Why chunks and not messages?
//!
//! A message may be longer than memory. Chunks are what has arrived: a reader
//! that can use them needs no more memory than its read buffer. Those who want
//! whole messages put an [`Assembler`](crate::Assembler) behind.
//!
//! # Why are the limits the connection's, and not the assembler's?
//!
//! Because a frame that is too long must be refused at its header, before a
//! byte of it is read, and the peer must be told with a Close frame. Only the
//! connection sees headers and writes frames. Callers who stream set the
//! limits to `u64::MAX`.
//!
//! # Why is a violation an event, and not an `Err`?
//!
//! By the time the caller sees it, the Close frame that the RFC demands waits
//! in `out`. An error that `?` passes upward would leave it there. `Err` is for
//! the caller's own mistakes: nothing was appended, nothing has changed.
//!
//! # Why is text delivered before the byte that makes it invalid?
//!
//! Were it not, what a caller sees would depend on where the network cut the
//! bytes. This way any cut gives the same events; a message is valid only when
//! its last chunk has come.
//!
//! # Why does the engine not read a clock?
//!
//! Because it would have to be that of some operating system, and because
//! tests of deadlines should not wait. What happens arms a deadline; the next
//! [`note_time`](crate::Connection::note_time) makes it absolute.
//! [`wants_time`](crate::Connection::wants_time) says when that is worth a
//! look at the clock.
//!
//! # Why are noting the time and judging it two calls?
//!
//! Because a caller can be busy. When it comes back, a deadline may have passed
//! while the Pong lies in the socket's buffer. So the time is
//! [noted](crate::Connection::note_time) whenever something has happened, and
//! deadlines are [judged](crate::Connection::handle_timeout) only when a look
//! at the transport has found nothing.
//!
//! # Why is the role not a type?
//!
//! The handshake and the open connection are different types, since different
//! things can be done with them. The role changes one branch for each frame; a
//! type parameter would be in every signature of every user.
//!
//! # Why is a bare LF refused in a head?
//!
//! RFC 9112 lets a recipient accept it. Peers that differ about where a line
//! ends are how requests are smuggled past each other, and no WebSocket client
//! sends it.
//!
//! # Why is a Close answered with its reason, and not its code alone?
//!
//! The peer's `CloseEvent` shows what *we* sent. A browser that closes with a
//! code and a reason sees both again, as with most servers.
//!
//! # Why does a tokio connection own no buffer?
//!
//! A server has many connections that wait and few that have something to say.
//! A thread reads for one of them at a time, so its memory is the thread's: it
//! is lent to the connection while there are bytes to process, and given back
//! before the connection waits. What the engine has not used up is nothing; a
//! head that is not complete is kept at its own length.
//!
//! # Why does `split` wake everybody?
//!
//! A stream knows one task to wake for each direction, and TLS may write in
//! order to read. If the halves polled it each with its own waker, the one
//! would overwrite the other's. So the stream is polled with one waker, which
//! wakes all that wait; there are few, and they look again.
//!
//! # Why is a deadline not missed when a task has used up its turn?
//!
//! tokio tells a task that has done much to come back later, and does so by
//! saying that there is nothing to read. It says the same of timers: a deadline
//! is judged only when a timer has fired in the same turn in which there was
//! nothing to read.
//!
//! # Why is the answer to a Ping not left to the adapter's write queue?
//!
//! It would be a rule of the protocol outside of the core. A flood of Pings is
//! bounded by the input of one call; an adapter that does not read while its
//! output waits bounds the rest.
//!
//! # Why does compression need scratch room?
//!
//! What is not compressed is unmasked where it lies, and events borrow it.
//! What is compressed becomes longer, so it has to go elsewhere. Were that the
//! connection's memory, an idle connection would own it, and an event would
//! borrow the connection. So the caller lends it along with the bytes:
//! [`Input::with_scratch`](crate::Input::with_scratch). 64 KiB serve all the
//! connections of a thread, and bound what one call can give.
//!
//! # Why can a connection not free its decompressor?
//!
//! With context takeover the peer may refer to what it sent before, and only
//! the peer knows whether it will. The compressor is ours to free: what comes
//! after refers to nothing. Whoever wants neither agrees on no context
//! takeover, and then contexts are lent for the time of a message.
//!
//! # Why does a prepared message make a connection forget its context?
//!
//! It was compressed once, by itself, for all. The peer's window then holds
//! its text and ours does not, and what came next would refer to other bytes
//! than the peer has. To forget ours costs nothing but some compression.
//!
//! # Why does a truncated compressed message fail the connection?
//!
//! zlib would not notice: the four bytes that a receiver appends become part
//! of whatever was cut, and the next message turns to nonsense. So the engine
//! looks whether they end a block exactly (RFC 7692, section 7.2.2).
