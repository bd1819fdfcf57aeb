//! What a connection of the header's costs: no allocation for a message, and little memory
//! for one that is idle.

mod api;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/counted/mod.rs"]
mod counted;

use api::*;
use common::*;
use counted::count;

#[test]
fn messages_are_received_and_answered_without_an_allocation() {
    let settings = Settings::new(|_| {});
    let ws = Ws::server(&settings);
    let frames = [text("h\u{e9}llo"), binary([7; 5000]), ping("p"), text(&"\u{9c7c}".repeat(1000))];
    let wire: Vec<u8> = frames.iter().flat_map(Frame::masked).collect();
    let mut out = Out::new(64 << 10);
    let (mut received, mut event) = (wire.clone(), empty());
    let (allocations, _, _) = count(|| {
        for _ in 0..100 {
            received.copy_from_slice(&wire);
            // In two reads, neither of which ends between two characters.
            let (first, second) = received.split_at_mut(5300);
            for piece in [first, second] {
                let mut input = input(piece, &mut []);
                while ws.receive(&mut input, &mut out, &mut event) == SOCKEYE_OK {
                    if event.r#type == sockeye_event_type::SOCKEYE_EVENT_TEXT {
                        // SAFETY: both are there.
                        let result = unsafe {
                            sockeye_connection_send_text_fragment(
                                ws.0,
                                event.data,
                                event.is_last,
                                &mut out.raw,
                            )
                        };
                        assert_eq!(result, SOCKEYE_OK);
                    }
                }
            }
            out.raw.len = 0;
        }
    });
    // The character that was cut, once: its place is kept.
    assert!(allocations <= 1, "{allocations}");
}

#[test]
fn an_idle_connection_of_a_server_owns_144_bytes() {
    let settings = Settings::new(|_| {});
    let (_, live, _) = count(|| Ws::server(&settings));
    assert_eq!(live, 144);
}
