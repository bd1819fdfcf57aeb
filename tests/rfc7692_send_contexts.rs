//! Compressors and decompressors: when a connection has one (RFC 7692, section
//! 7.1.1), who lends it, and when it is freed.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::*;
use flate::Sending;
use sockeye::ProtocolError::CompressedDataInvalid;
use sockeye::deflate::{Compress, Deflater, Inflater, Lender, Strength};
use sockeye::{Connection, DeflateConfig, Input, Instant, MessageKind};

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

fn text_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(TEXT, payload).compressed()
}

/// Text that shrinks, and has nothing in common with another.
fn some_text(seed: u64) -> String {
    let mut random = Random(seed);
    let letters: String = (0..200).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    letters.repeat(2)
}

// ---- lenders -------------------------------------------------------------------------

type Spare<T> = Mutex<Vec<Box<T>>>;

/// Keeps what it gets, and counts.
#[derive(Debug, Default)]
struct Pool {
    inflaters: Spare<Inflater>,
    deflaters: Spare<Deflater>,
    inflaters_out: Count,
    deflaters_out: Count,
    /// Lends whatever there is.
    is_careless: bool,
}

/// How often a context was asked for, and given back.
#[derive(Debug, Default)]
struct Count(AtomicUsize, AtomicUsize);

impl Count {
    fn get(&self) -> (usize, usize) {
        (self.0.load(Relaxed), self.1.load(Relaxed))
    }
}

impl Pool {
    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    fn careless() -> &'static Self {
        Box::leak(Box::new(Self { is_careless: true, ..Self::default() }))
    }

    fn spare(&self) -> (usize, usize) {
        (self.inflaters.lock().unwrap().len(), self.deflaters.lock().unwrap().len())
    }
}

impl Lender for Pool {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.inflaters_out.0.fetch_add(1, Relaxed);
        self.inflaters.lock().unwrap().pop()
    }

    fn put_inflater(&self, inflater: Box<Inflater>) {
        self.inflaters_out.1.fetch_add(1, Relaxed);
        self.inflaters.lock().unwrap().push(inflater);
    }

    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        self.deflaters_out.0.fetch_add(1, Relaxed);
        let mut spare = self.deflaters.lock().unwrap();
        let at = spare.iter().position(|d| self.is_careless || d.strength() == strength)?;
        Some(spare.remove(at))
    }

    fn put_deflater(&self, deflater: Box<Deflater>) {
        self.deflaters_out.1.fetch_add(1, Relaxed);
        self.deflaters.lock().unwrap().push(deflater);
    }
}

fn lent_by(pool: &'static Pool, engine: Engine, keeps: bool) -> Sending {
    let mut sending = Sending::new(engine, keeps, 15);
    sending.ws.set_lender(pool);
    sending
}

#[test]
fn s7_1_1_a_compressor_is_lent_for_the_time_of_a_message() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = lent_by(pool, engine, false);
        for n in 1..5 {
            sending.sends(some_text(n));
            let n = n as usize;
            assert_eq!((pool.deflaters_out.get(), pool.spare().1), ((n, n), 1));
        }
        // Also if it was in vain; also for nothing.
        assert!(!sending.sends(Random(1).bytes(300)).is_compressed);
        sending.ws.compress_next(Compress::Yes);
        assert!(sending.sends("").is_compressed);
        let (asked, given) = pool.deflaters_out.get();
        assert_eq!((asked, pool.spare().1), (given, 1));
        drop(sending);
        assert_eq!(pool.deflaters_out.get(), (asked, given));
        assert_eq!(pool.inflaters_out.get(), (0, 0));
    }
}

#[test]
fn s7_1_1_a_compressor_is_held_from_fragment_to_fragment() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = lent_by(pool, engine, false);
        for n in 1..4 {
            for fin in [false, false, true] {
                let Sending { ws, out, .. } = &mut sending;
                ws.send_text_fragment(b"some text", fin, out).unwrap();
                ws.send_ping(b"", out).unwrap();
                assert_eq!(pool.deflaters_out.get(), (n, if fin { n } else { n - 1 }));
            }
            assert_eq!(sending.message().data, b"some text".repeat(3));
        }
        // Dropped inside a message.
        sending.ws.send_text_fragment(b"some text", false, &mut sending.out).unwrap();
        assert_eq!(pool.deflaters_out.get(), (4, 3));
        drop(sending);
        assert_eq!((pool.deflaters_out.get(), pool.spare().1), ((4, 4), 1));
    }
}

#[test]
fn s7_1_1_a_decompressor_is_lent_for_the_time_of_a_message() {
    for engine in both() {
        let pool = Pool::new();
        let mut ws = engine.streams((true, 15), (false, 15)).connection();
        ws.set_lender(pool);
        let mut told = Vec::new();
        let mut receive = |ws: &mut Connection, frames: &[Frame]| {
            let mut bytes = both()[usize::from(!ws.is_server())].peer_sends(frames.to_vec());
            let mut scratch = [0; 1000];
            let mut input = Input::with_scratch(&mut bytes, &mut scratch);
            drain(ws, &mut input, &mut Vec::new(), &mut told);
        };
        for n in 1..4 {
            receive(&mut ws, &[text_of(HELLO)]);
            assert_eq!((pool.inflaters_out.get(), pool.spare().0), ((n, n), 1));
        }
        receive(&mut ws, &[fragment(TEXT, HELLO).compressed(), ping("")]);
        assert_eq!(pool.inflaters_out.get(), (4, 3));
        receive(&mut ws, &[fragment(CONTINUATION, ""), pong("")]);
        assert_eq!(pool.inflaters_out.get(), (4, 3));
        receive(&mut ws, &[frame(CONTINUATION, [0x00, 0x00, 0xff, 0xff, 0x00])]);
        assert_eq!(pool.inflaters_out.get(), (4, 4));
        // Plain messages need none.
        receive(&mut ws, &[text("plain"), ping(""), binary("plain")]);
        assert_eq!(pool.inflaters_out.get(), (4, 4));
        receive(&mut ws, &[fragment(TEXT, HELLO).compressed()]);
        drop(ws);
        assert_eq!((pool.inflaters_out.get(), pool.spare().0), ((5, 5), 1));
        assert_eq!(pool.deflaters_out.get(), (0, 0));
    }
}

#[test]
fn s7_1_1_with_context_takeover_a_context_is_taken_once() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = lent_by(pool, engine.clone(), true);
        let mut receiving = engine.streams((false, 15), (true, 15)).connection();
        receiving.set_lender(pool);
        for n in 0..5 {
            sending.sends(some_text(n));
            sending.ws.send_text_fragment(b"a", false, &mut sending.out).unwrap();
            sending.ws.send_text_fragment(b"b", true, &mut sending.out).unwrap();
            assert_eq!(sending.message().data, b"ab");
            let payload = if n == 0 { HELLO } else { AGAIN };
            let peer = &both()[usize::from(!receiving.is_server())];
            let mut bytes = peer.peer_sends([text_of(payload), text("plain"), text_of("")]);
            let (mut scratch, mut told) = ([0; 100], Vec::new());
            let mut input = Input::with_scratch(&mut bytes, &mut scratch);
            drain(&mut receiving, &mut input, &mut Vec::new(), &mut told);
            assert_eq!(told, ["Hello", "plain", ""].map(told_text));
            assert_eq!((pool.deflaters_out.get(), pool.inflaters_out.get()), ((1, 0), (1, 0)));
        }
        drop((sending, receiving));
        assert_eq!((pool.deflaters_out.get(), pool.inflaters_out.get()), ((1, 1), (1, 1)));
        assert_eq!(pool.spare(), (1, 1));
    }
}

/// Contexts come back as they were used, by connections that came to nothing.
fn use_up(pool: &'static Pool, engine: &Engine) {
    for keeps in [true, false] {
        let mut sending = lent_by(pool, engine.clone(), keeps);
        sending.sends(some_text(1));
        sending.ws.send_binary_fragment(b"Hello", false, &mut sending.out).unwrap();
    }
    let engine = engine.clone().streams((true, 15), (true, 15));
    // Cut inside a block; corrupt; at the end of a message; pending.
    for (frame, scratch_len) in [
        (text_of(&HELLO[..4]), 100),
        (text_of([&HELLO[..4], &[0xff; 10]].concat()), 100),
        (text_of(HELLO), 100),
        (text_of(flate::by_hand::run_of_a(1000)), 50),
    ] {
        let mut ws = engine.connection();
        ws.set_lender(pool);
        let mut bytes = engine.peer_sends([frame]);
        let mut scratch = vec![0; scratch_len];
        let mut input = Input::with_scratch(&mut bytes, &mut scratch);
        drain(&mut ws, &mut input, &mut Vec::new(), &mut Vec::new());
    }
}

#[test]
fn contexts_may_be_dirty() {
    for engine in both() {
        for keeps in [true, false] {
            let pool = Pool::new();
            use_up(pool, &engine);
            assert!(pool.spare().0 > 0 && pool.spare().1 > 0);
            for _ in 0..6 {
                let mut sending = lent_by(pool, engine.clone(), keeps);
                let message = sending.sends(some_text(1));
                assert!(message.is_compressed && !message.refers_back);

                use_up(pool, &engine);
                for (payload, expected) in [
                    (HELLO, vec![told_text("Hello")]),
                    // It refers to nothing that this connection has seen.
                    (
                        AGAIN,
                        vec![Told::PartOfText("H".into()), Told::Failed(CompressedDataInvalid)],
                    ),
                ] {
                    let engine = engine.clone().streams((!keeps, 15), (keeps, 15));
                    let mut ws = engine.connection();
                    ws.set_lender(pool);
                    let mut bytes = engine.peer_sends([text_of(payload)]);
                    let (mut scratch, mut told) = ([0; 100], Vec::new());
                    let mut input = Input::with_scratch(&mut bytes, &mut scratch);
                    drain(&mut ws, &mut input, &mut Vec::new(), &mut told);
                    assert_eq!(told, expected);
                }
            }
        }
    }
}

/// What refers farther than the window would be noticed.
#[test]
fn contexts_of_another_strength_are_not_used() {
    let pool = Pool::careless();
    for (level, bits) in [(6, 15), (1, 9), (6, 9), (9, 15), (6, 10), (6, 15), (6, 9)] {
        for keeps in [false, true] {
            let mut config = DeflateConfig::default();
            config.level = level;
            let engine = server().with(|c| c.deflate = Some(config));
            let mut sending = Sending::new(engine, keeps, bits);
            sending.ws.set_lender(pool);
            let random = Random(1).bytes(600);
            let message = sending.sends(random.repeat(3));
            assert!(message.farthest <= 1 << bits);
            assert_eq!(message.is_compressed, keeps || bits > 9);
        }
    }
}

#[test]
fn a_lender_is_for_those_who_compress() {
    for engine in both() {
        let pool = Pool::new();
        let mut ws = engine.connection();
        ws.set_lender(pool);
        ws.send_text(&some_text(1), &mut Vec::new()).unwrap();
        drop(ws);
        assert_eq!(pool.deflaters_out.get(), (0, 0));
        // A context from before comes to the lender as well.
        let mut sending = Sending::new(engine, true, 15);
        sending.sends(some_text(1));
        sending.ws.set_lender(pool);
        sending.sends(some_text(1));
        drop(sending);
        assert_eq!(pool.deflaters_out.get(), (0, 1));
    }
}

// ---- time ----------------------------------------------------------------------------

fn at(seconds: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(1_000 + seconds))
}

/// Frees its compressor after a minute.
fn releasing(engine: Engine, keeps: bool, pool: &'static Pool) -> Sending {
    let mut config = DeflateConfig::default();
    config.release_after = Some(Duration::from_secs(60));
    lent_by(pool, engine.with(|c| c.deflate = Some(config)), keeps)
}

#[test]
fn a_compressor_that_is_not_used_is_freed() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = releasing(engine, true, pool);
        let text = some_text(1);
        assert!(!sending.ws.wants_time());
        assert_eq!(sending.ws.handle_timeout(at(0), &mut sending.out), None);
        for start in [0, 1000] {
            sending.sends(&text);
            assert!(sending.ws.wants_time());
            assert_eq!(sending.ws.note_time(at(start)), Some(at(start + 60)));
            assert!(!sending.ws.wants_time());
            // Each message puts it off.
            assert!(sending.sends(&text).refers_back);
            assert!(sending.ws.wants_time());
            assert_eq!(sending.ws.note_time(at(start + 30)), Some(at(start + 90)));
            let taken = pool.deflaters_out.get();
            for early in [60, 89] {
                let next = sending.ws.handle_timeout(at(start + early), &mut sending.out);
                assert_eq!(next, Some(at(start + 90)));
            }
            assert_eq!(pool.deflaters_out.get(), taken);
            assert_eq!(sending.ws.handle_timeout(at(start + 90), &mut sending.out), None);
            assert_eq!(pool.deflaters_out.get(), (taken.0, taken.1 + 1));
            assert!(sending.out.is_empty());
            // Nothing is left to refer to.
            let message = sending.sends(&text);
            assert!(message.is_compressed && !message.refers_back);
            assert!(sending.sends(&text).refers_back);
            sending.ws.note_time(at(start + 100));
            sending.ws.handle_timeout(at(start + 200), &mut sending.out);
        }
    }
}

/// A message was sent, and nobody has told when: it is now.
#[test]
fn a_message_counts_before_the_time_is_noted() {
    for engine in both() {
        let mut sending = releasing(engine, true, Pool::new());
        sending.sends(some_text(1));
        sending.ws.note_time(at(0));
        sending.sends(some_text(2));
        assert_eq!(sending.ws.handle_timeout(at(60), &mut sending.out), Some(at(120)));
        assert!(sending.sends(some_text(1)).refers_back);
    }
}

/// Plain messages use no compressor, and what comes in uses another.
#[test]
fn only_compressed_messages_put_it_off() {
    for engine in both() {
        let is_client = engine.is_client;
        let mut sending = releasing(engine, true, Pool::new());
        sending.sends(some_text(1));
        sending.ws.note_time(at(0));
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text("short", out).unwrap();
        ws.compress_next(Compress::No);
        ws.send_text(&some_text(2), out).unwrap();
        ws.send_pong(b"", out).unwrap();
        ws.begin_frame(MessageKind::Text, &mut [], true).unwrap();
        let mut bytes = both()[usize::from(is_client)].peer_sends([text_of(HELLO)]);
        let mut scratch = [0; 100];
        let mut input = Input::with_scratch(&mut bytes, &mut scratch);
        assert!(ws.receive(&mut input, out).is_some());
        assert!(!ws.wants_time());
        assert_eq!(ws.handle_timeout(at(59), out), Some(at(60)));
        assert_eq!(ws.handle_timeout(at(60), out), None);
    }
}

#[test]
fn a_compressor_is_not_freed_inside_a_message() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = releasing(engine, true, pool);
        let text = some_text(1);
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text_fragment(text.as_bytes(), false, out).unwrap();
        ws.note_time(at(0));
        // It is put off, and not for nothing.
        assert_eq!(ws.handle_timeout(at(60), out), Some(at(120)));
        assert_eq!(ws.handle_timeout(at(125), out), Some(at(185)));
        assert_eq!(pool.deflaters_out.get(), (1, 0));
        ws.send_text_fragment(text.as_bytes(), true, out).unwrap();
        assert_eq!(ws.note_time(at(130)), Some(at(190)));
        let message = sending.message();
        assert!(message.data == text.repeat(2).as_bytes() && message.frames[1] < 30);
        assert_eq!(sending.ws.handle_timeout(at(190), &mut sending.out), None);
        assert_eq!(pool.deflaters_out.get(), (1, 1));
        assert!(!sending.sends(&text).refers_back);
    }
}

/// No fragment can follow our Close: what was begun before is void, and its
/// compressor is not waited for for ever.
#[test]
fn a_compressor_is_freed_though_a_close_cut_its_message_short() {
    for engine in both() {
        let pool = Pool::new();
        let mut sending = releasing(engine.with(|c| c.close_timeout = None), true, pool);
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text_fragment(some_text(1).as_bytes(), false, out).unwrap();
        ws.close(None, "", out).unwrap();
        assert_eq!(ws.note_time(at(0)), Some(at(60)));
        assert_eq!(ws.handle_timeout(at(60), out), None);
        assert_eq!(pool.deflaters_out.get(), (1, 1));
    }
}

/// Where none is kept, there is nothing to free; nor by default.
#[test]
fn no_time_is_wanted_where_nothing_is_freed() {
    for engine in both() {
        let mut none = releasing(engine.clone(), false, Pool::new());
        let mut never = Sending::new(engine, true, 15);
        for sending in [&mut none, &mut never] {
            sending.sends(some_text(1));
            assert!(!sending.ws.wants_time());
            assert_eq!(sending.ws.handle_timeout(at(0), &mut sending.out), None);
            assert_eq!(sending.ws.handle_timeout(at(10_000), &mut sending.out), None);
        }
        assert!(never.sends(some_text(1)).refers_back);
    }
}

/// It is a deadline among others.
#[test]
fn other_deadlines_are_kept() {
    for engine in both() {
        let engine = engine.with(|c| c.ping_interval = Some(Duration::from_secs(20)));
        let mut sending = releasing(engine, true, Pool::new());
        sending.sends(some_text(1));
        assert_eq!(sending.ws.handle_timeout(at(0), &mut sending.out), Some(at(20)));
        assert_eq!(sending.ws.handle_timeout(at(20), &mut sending.out), Some(at(40)));
        assert_eq!(sending.frames().len(), 1, "a Ping");
        let mut bytes = both()[usize::from(!sending.ws.is_server())].peer_sends([pong([0; 8])]);
        let received = sending.ws.receive(&mut Input::new(&mut bytes), &mut sending.out);
        assert!(received.is_some());
        assert_eq!(sending.ws.note_time(at(45)), Some(at(60)));
        assert_eq!(sending.ws.handle_timeout(at(60), &mut sending.out), Some(at(65)));
        assert!(!sending.sends(some_text(1)).refers_back);
    }
}

/// Contexts hold what was said last: none of it is shown.
#[test]
fn debugging_shows_contexts_and_nothing_of_what_is_in_them() {
    for engine in both_compressing() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([text_of(HELLO)]);
        let mut scratch = [0; 100];
        let mut input = Input::with_scratch(&mut bytes, &mut scratch);
        assert!(ws.receive(&mut input, &mut Vec::new()).is_some());
        ws.send_text(&"secret ".repeat(20), &mut Vec::new()).unwrap();
        let shown = format!("{ws:?}");
        assert!(shown.contains("Inflater") && shown.contains("Deflater"), "{shown}");
        assert!(!shown.contains("Hello") && !shown.contains("secret"), "{shown}");
    }
}
