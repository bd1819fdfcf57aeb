//! RFC 6455, section 5.1 to 5.3: frames, masks, lengths. Also 10.4: limits.

mod common;

use common::*;
use sockeye::ProtocolError::*;
use sockeye::frame::{FrameHeader, HeaderError, Opcode, decode, encoded_len};
use sockeye::{Config, Connection, Event, Input, Seed, mask};
use std::collections::HashSet;
use std::sync::Arc;

#[test]
fn s5_7_the_examples_of_the_rfc() {
    server()
        .receives_bytes(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        .tells([told_text("Hello")]);
    client().receives_bytes(b"\x81\x05Hello").tells([told_text("Hello")]);
    client().receives_bytes(b"\x01\x03Hel\x80\x02lo").tells([told_text("Hello")]);
    client().receives_bytes(b"\x89\x05Hello").tells([Told::Ping(b"Hello".into())]);
    server()
        .receives_bytes(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        .tells([Told::Pong(b"Hello".into())])
        .sends([]);
    for len in [256, 65536] {
        let data = vec![b'*'; len];
        client().receives([binary(&data)]).tells([Told::Binary(data)]);
    }
}

#[test]
fn s5_2_every_length_form_round_trips() {
    for len in [0, 1, 125, 126, 127, 128, 65535, 65536, 65537] {
        for engine in both() {
            let data = Random(len as u64).bytes(len);
            engine.receives([binary(&data)]).tells([Told::Binary(data)]).sends([]);
        }
    }
    for engine in both() {
        let data = Random(0).bytes(1 << 20);
        engine.receives_whole([binary(&data)]).tells([Told::Binary(data)]).sends([]);
    }
}

#[test]
fn s5_2_headers_decode_as_they_were_encoded_at_any_split() {
    let lens = [0, 1, 125, 126, 0xFFFF, 0x1_0000, u64::MAX >> 1];
    for len in lens {
        for mask in [None, Some([1, 2, 3, 4])] {
            for opcode in 0..=15 {
                for fin in [false, true] {
                    let mut header = FrameHeader::new(fin, Opcode::from_bits(opcode), mask, len);
                    header.rsv = (opcode << 4) & 0x70;
                    let encoded = header.encode();
                    let bytes = encoded.as_bytes();
                    assert_eq!(bytes.len(), encoded_len(len, mask.is_some()));
                    assert_eq!(decode(bytes), Ok(Some((header, bytes.len()))));
                    for end in 0..bytes.len() {
                        assert_eq!(decode(&bytes[..end]), Ok(None), "{end} of {bytes:02x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn s5_2_rsv_bits_without_an_extension_fail() {
    for engine in both() {
        for bits in 1..=7 {
            for f in [text("x"), fragment(BINARY, ""), ping(""), close(1000, "")] {
                engine
                    .receives([f.rsv(bits)])
                    .tells([Told::Failed(ReservedBits)])
                    .fails(ReservedBits);
            }
        }
    }
}

#[test]
fn s5_2_reserved_opcodes_fail() {
    for engine in both() {
        for opcode in (0x3..=0x7).chain(0xB..=0xF) {
            engine
                .receives([frame(opcode, "x")])
                .tells([Told::Failed(ReservedOpcode)])
                .fails(ReservedOpcode);
        }
    }
}

#[test]
fn s5_2_a_length_not_in_its_shortest_form_fails() {
    for (bytes, what) in [
        (&[0x82, 126, 0, 0][..], "0 in 16 bits"),
        (&[0x82, 126, 0, 125], "125 in 16 bits"),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0], "0 in 64 bits"),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], "65535 in 64 bits"),
    ] {
        assert_eq!(decode(bytes), Err(HeaderError::LengthNotMinimal), "{what}");
        client().receives_bytes(bytes).fails(LengthNotMinimal);
    }
}

#[test]
fn s5_2_the_top_bit_of_a_length_fails_as_protocol_error_not_as_too_big() {
    for len in [1 << 63, u64::MAX] {
        server().receives_bytes(&announce(0x82, len, true)).fails(LengthTopBitSet);
        assert_eq!(LengthTopBitSet.close_code().get(), 1002);
    }
}

#[test]
fn s5_1_server_fails_on_unmasked_frames_of_every_kind_and_length() {
    for f in [text(""), text("x"), binary("x"), ping(""), pong("x"), empty_close()] {
        server()
            .receives_bytes(&f.unmasked())
            .tells([Told::Failed(UnmaskedByClient)])
            .fails(UnmaskedByClient);
    }
}

#[test]
fn s5_1_client_fails_on_masked_frames_of_every_kind_and_length() {
    for f in [text(""), text("x"), binary("x"), ping(""), pong("x"), empty_close()] {
        client()
            .receives_bytes(&f.masked())
            .tells([Told::Failed(MaskedByServer)])
            .fails(MaskedByServer);
    }
}

#[test]
fn s5_2_a_bad_header_fails_at_its_first_bad_byte() {
    // The bytes that are still to come are not waited for.
    for (bytes, error) in [
        (&[0xC1][..], ReservedBits),
        (&[0x83], ReservedOpcode),
        (&[0x09], ControlFrameFragmented),
        (&[0x80], ContinuationWithoutStart),
        (&[0x81, 0x00], UnmaskedByClient),
        (&[0x89, 0xFE], ControlFrameTooLong),
        (&[0x82, 0xFE, 0, 125], LengthNotMinimal),
        (&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], LengthTopBitSet),
    ] {
        server().receives_bytes(bytes).tells([Told::Failed(error)]).fails(error);
    }
}

#[test]
fn s5_3_masking_is_its_definition_at_any_phase_and_any_cut() {
    let mut random = Random(1);
    for len in (0..200).chain([1000, 4096, 16 << 10]) {
        let data = random.bytes(len);
        let key = random.next().to_le_bytes()[..4].try_into().unwrap();
        let mut expected = data.clone();
        mask::apply_by_definition(&mut expected, key);
        let cut = random.below(len + 1);
        let mut actual = data;
        let (a, b) = actual.split_at_mut(cut);
        let next = mask::apply(a, key);
        mask::apply(b, next);
        assert_eq!(actual, expected, "{len} bytes cut at {cut}");
    }
}

#[test]
fn s5_3_every_frame_of_a_client_has_a_fresh_unpredictable_key() {
    let mut ws = client().connection();
    let mut keys = HashSet::new();
    for _ in 0..1000 {
        let mut out = Vec::new();
        ws.send_text("the same text", &mut out).unwrap();
        let (header, len) = decode(&out).unwrap().unwrap();
        assert!(out[len..] != *b"the same text", "the payload is masked");
        keys.insert(header.mask.unwrap());
    }
    // 1000 of 2^32: two alike come once in 8,600 tries. The seed is fixed.
    assert_eq!(keys.len(), 1000);
}

#[test]
fn s5_3_a_key_does_not_tell_the_next() {
    let mut ws = client().connection();
    let keys: Vec<u32> = (0..1000)
        .map(|_| {
            let mut out = Vec::new();
            ws.send_binary(b"", &mut out).unwrap();
            u32::from_be_bytes(out[2..].try_into().unwrap())
        })
        .collect();
    // A counter, in whatever order of bytes, takes few different steps.
    let steps: HashSet<u32> = keys.windows(2).map(|k| k[1].wrapping_sub(k[0])).collect();
    let flips: HashSet<u32> = keys.windows(2).map(|k| k[1] ^ k[0]).collect();
    assert!(steps.len() > 990 && flips.len() > 990, "{} {}", steps.len(), flips.len());
    // Each bit is a coin: of 1000 throws, more than 600 or less than 400 come
    // up once in a thousand million tries.
    for bit in 0..32 {
        let ones = keys.iter().filter(|&key| key >> bit & 1 == 1).count();
        assert!((400..=600).contains(&ones), "bit {bit}: {ones}");
    }
}

#[cfg(feature = "std")]
#[test]
fn s5_3_the_operating_system_gives_another_seed_each_time() {
    let sent = || {
        let seed = Seed::from_os().unwrap();
        let mut ws = Connection::client(seed, Arc::new(Config::default()));
        let mut out = Vec::new();
        ws.send_binary(&[0; 64], &mut out).unwrap();
        out
    };
    let (one, other) = (sent(), sent());
    // Two alike come once in 2^32 tries.
    assert_ne!(one[2..6], other[2..6]);
}

#[test]
fn s10_3_another_seed_gives_other_keys_and_the_same_seed_the_same() {
    let sent = |seed| {
        let mut ws = Connection::client(Seed::from_bytes(seed), Arc::new(Config::default()));
        let mut out = Vec::new();
        ws.send_binary(&[0; 64], &mut out).unwrap();
        out
    };
    assert_eq!(sent([1; 32]), sent([1; 32]));
    assert_ne!(sent([1; 32]), sent([2; 32]));
}

#[test]
fn s5_3_a_frame_that_found_no_room_is_sent_with_a_new_key() {
    // A key that was shown with one payload must not mask another.
    let mut ws = client().connection();
    let payload = [0; 8];
    let mut small = [0; 8];
    let mut full = sockeye::FixedOutput::new(&mut small);
    assert!(ws.send_binary(&payload, &mut full).is_err());
    let (mut one, mut two) = (Vec::new(), Vec::new());
    ws.send_binary(&payload, &mut one).unwrap();
    ws.send_binary(&payload, &mut two).unwrap();
    assert_ne!(one[2..6], two[2..6]);
}

#[test]
fn s5_3_the_caller_cannot_see_a_key_before_the_payload_is_fixed() {
    // `begin_frame` takes the payload, masks it and only then gives the header;
    // there is no way to ask for a key alone.
    let mut ws = client().connection();
    let mut payload = *b"payload";
    let header = ws.begin_frame(sockeye::MessageKind::Binary, &mut payload, true).unwrap();
    let wire = [header.as_bytes(), &payload].concat();
    assert_eq!(sent_frames(&wire, true), [(0x82, b"payload".to_vec())]);
}

// ---- limits --------------------------------------------------------------------

#[test]
fn s10_4_the_frame_limit_is_inclusive_and_refuses_at_the_header() {
    let engine = server().with(|c| c.max_frame_len = 100);
    engine.receives([binary([0; 100])]).tells([Told::Binary(vec![0; 100])]);
    // Of the payload nothing has come, and nothing is waited for.
    let header = &engine.peer_sends([binary([0; 101])])[..6];
    engine.receives_bytes(header).tells([Told::Failed(FrameTooLong)]).fails(FrameTooLong);
    engine.receives_bytes(&announce(0x82, (1 << 63) - 1, true)).fails(FrameTooLong);
}

#[test]
fn s10_4_no_limit_is_passed_by_a_frame_that_is_there_whole() {
    for engine in [server, client] {
        let sent = || [binary([7; 6]), binary("more")];
        let just_enough: [fn(&mut Config); 3] =
            [|c| c.max_frame_len = 6, |c| c.max_message_len = 6, |c| c.max_fragments = 1];
        for set in just_enough {
            let told = [Told::Binary(vec![7; 6]), Told::Binary(b"more".into())];
            engine().with(set).receives(sent()).tells(told);
        }
        engine().with(|c| c.max_frame_len = 5).receives(sent()).fails(FrameTooLong);
        engine().with(|c| c.max_message_len = 5).receives(sent()).fails(MessageTooLong);
        engine().with(|c| c.max_fragments = 0).receives(sent()).fails(TooManyFragments);
    }
}

#[test]
fn s10_4_the_message_limit_counts_all_fragments_and_refuses_at_the_header() {
    let engine = client().with(|c| c.max_message_len = 10);
    engine
        .receives([fragment(BINARY, [1; 5]), frame(CONTINUATION, [2; 5])])
        .tells([Told::Binary([[1; 5], [2; 5]].concat())]);
    let bytes = engine.peer_sends([fragment(BINARY, [1; 5]), frame(CONTINUATION, [2; 6])]);
    engine
        .receives_bytes(&bytes[..9])
        .tells([Told::PartOfBinary(vec![1; 5]), Told::Failed(MessageTooLong)])
        .fails(MessageTooLong);
}

#[test]
fn s10_4_65536_fragments_pass_and_millions_of_empty_ones_do_not() {
    let mut ws = server().connection();
    let mut out = Vec::new();
    let mut pass = |bytes: Vec<u8>| {
        let mut bytes = bytes;
        let mut input = Input::new(&mut bytes);
        let mut last = None;
        while let Some(event) = ws.receive(&mut input, &mut out) {
            last = Some(match event {
                Event::Binary(chunk) => Ok(chunk.is_last()),
                Event::Failed(error) => Err(error),
                other => panic!("{other:?}"),
            });
        }
        last
    };
    let engine = server();
    let fragments = |n| engine.peer_sends((0..n).map(|_| fragment(CONTINUATION, "")));
    assert_eq!(pass(engine.peer_sends([fragment(BINARY, "x")])), Some(Ok(false)));
    assert_eq!(pass(fragments(65_534)), None);
    assert_eq!(pass(engine.peer_sends([frame(CONTINUATION, "x")])), Some(Ok(true)));

    assert_eq!(pass(engine.peer_sends([fragment(BINARY, "x")])), Some(Ok(false)));
    assert_eq!(pass(fragments(1_000_000)), Some(Err(TooManyFragments)));
}

#[test]
fn s10_4_the_fragment_limit_is_inclusive() {
    let engine = client().with(|c| c.max_fragments = 3);
    let fragments = |n: usize| {
        let middle = (0..n - 2).map(|_| fragment(CONTINUATION, ""));
        [fragment(TEXT, "a")].into_iter().chain(middle).chain([frame(CONTINUATION, "b")])
    };
    engine.receives(fragments(3)).tells([told_text("ab")]);
    engine.receives(fragments(4)).fails(TooManyFragments);
    // The largest number is no limit.
    client().with(|c| c.max_fragments = u32::MAX).receives(fragments(100)).tells([told_text("ab")]);
    // Counted per message.
    engine.receives(fragments(3).chain(fragments(3))).tells([told_text("ab"), told_text("ab")]);
}

#[test]
fn s5_2_a_frame_of_2_63_minus_1_bytes_streams_through() {
    for engine in both() {
        let engine = engine.with(|c| {
            c.max_frame_len = u64::MAX;
            c.max_message_len = u64::MAX;
        });
        let mut ws = engine.connection();
        let mut header = announce(0x82, (1 << 63) - 1, !engine.is_client);
        let mut out = Vec::new();
        assert_eq!(ws.receive(&mut Input::new(&mut header), &mut out), None);
        let mut seen = 0;
        for _ in 0..100 {
            let mut piece = [0; 1000];
            let mut input = Input::new(&mut piece);
            while let Some(Event::Binary(chunk)) = ws.receive(&mut input, &mut out) {
                assert!(!chunk.is_last());
                seen += chunk.as_bytes().len();
            }
        }
        assert_eq!(seen, 100_000);
        assert_eq!(ws.frame_remaining(), (1 << 63) - 1 - 100_000);
        assert!(out.is_empty() && ws.is_open());
        // Of which nothing will be heard any more.
        ws.abort();
        assert_eq!(ws.frame_remaining(), 0);
    }
}

#[test]
fn s5_2_lengths_are_compared_before_they_are_narrowed() {
    // On a 32-bit target a length of 2^32 + 5 would become 5 if narrowed
    // first. The engine has one place that narrows, behind a comparison in
    // u64; here the frame must not end after 5 bytes.
    let engine = client().with(|c| {
        c.max_frame_len = u64::MAX;
        c.max_message_len = u64::MAX;
    });
    let mut bytes = announce(0x82, (1 << 32) + 5, false);
    bytes.extend(b"12345");
    bytes.extend(b"\x81\x02no");
    let story = engine.receives_bytes(&bytes);
    story.tells([Told::PartOfBinary(b"12345\x81\x02no".to_vec())]);
}
