//! Two ends that negotiate permessage-deflate (RFC 7692, section 7.1), each
//! with wishes of its own.

use core::time::Duration;
use std::sync::Mutex;

use super::super::script::Script;
use super::end::End;
use super::model::Compressing;
use sockeye::deflate::{Deflater, Inflater, Lender, Params, Strength, WindowBits};
use sockeye::{Config, DeflateConfig};

/// Two bytes for each end: its parameters, and how well it compresses.
pub fn ends(script: &mut Script<'_>, mut configs: [Config; 2], rooms: [usize; 2]) -> [End; 2] {
    LENT.clear();
    let mut wishes = [wish(script), wish(script)];
    let params = agree(&wishes[0].0, &wishes[1].0);
    for (config, (wish, _)) in configs.iter_mut().zip(&mut wishes) {
        config.deflate = Some(wish.clone());
    }
    let mut at = 0;
    configs.map(|config| {
        let (is_client, (wish, borrows), room) = (at == 0, &wishes[at], rooms[at]);
        at += 1;
        let end = End::new(is_client, config, room);
        let Some(params) = params else { return end };
        let lender = borrows.then_some(&LENT as &dyn Lender);
        end.compressing(params, lender, Compressing::new(is_client, params, wish.min_len))
    })
}

/// What an end wants, and whether it borrows contexts.
fn wish(script: &mut Script<'_>) -> (DeflateConfig, bool) {
    let (limits, how) = (script.byte(), script.byte());
    let window = |bits: u8| WindowBits::new(15 - (bits & 7)).expect("8 to 15");
    let mut wish = DeflateConfig::default();
    wish.params = vec![Params {
        server_no_context_takeover: limits & 1 != 0,
        client_no_context_takeover: limits & 2 != 0,
        server_max_window_bits: window(limits >> 2),
        client_max_window_bits: window(limits >> 5),
    }];
    wish.min_len = [0, 1, 16, 64, usize::MAX, 300, 0, 0][usize::from(how & 7)];
    wish.level = [1, 3, 6, 9][usize::from(how >> 3 & 3)];
    // Little memory is soon made, and makes no difference to what is right.
    wish.mem_level = if how & 0x20 == 0 { 1 } else { 8 };
    wish.release_after = (how & 0x40 != 0).then_some(Duration::from_secs(3));
    (wish, how & 0x80 != 0)
}

/// What the two come to, over the headers of their handshake.
fn agree(client: &DeflateConfig, server: &DeflateConfig) -> Option<Params> {
    let offer = client.offers().to_string();
    let agreement = server.accept([offer.as_bytes()])?;
    let reply = agreement.to_string();
    let confirmed = client.confirm([reply.as_bytes()]).expect("an answer to the offer");
    assert_eq!(confirmed, Some(agreement.params()), "{offer:?}, {reply:?}");
    for limit in [client.params[0], server.params[0]] {
        let params = agreement.params();
        assert!(params.server_max_window_bits <= limit.server_max_window_bits);
        assert!(params.client_max_window_bits <= limit.client_max_window_bits);
        assert!(params.server_no_context_takeover >= limit.server_no_context_takeover);
        assert!(params.client_no_context_takeover >= limit.client_no_context_takeover);
    }
    confirmed
}

/// Lends whatever it was given, used as it is and of any strength.
#[derive(Debug)]
#[allow(clippy::vec_box)] // as they are lent
struct Lent {
    inflaters: Mutex<Vec<Box<Inflater>>>,
    deflaters: Mutex<Vec<Box<Deflater>>>,
}

static LENT: Lent = Lent { inflaters: Mutex::new(Vec::new()), deflaters: Mutex::new(Vec::new()) };

impl Lent {
    /// No input shall depend on the one before it.
    fn clear(&self) {
        self.inflaters.lock().expect("not poisoned").clear();
        self.deflaters.lock().expect("not poisoned").clear();
    }
}

impl Lender for Lent {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.inflaters.lock().expect("not poisoned").pop()
    }

    fn put_inflater(&self, inflater: Box<Inflater>) {
        self.inflaters.lock().expect("not poisoned").push(inflater);
    }

    fn take_deflater(&self, _: Strength) -> Option<Box<Deflater>> {
        self.deflaters.lock().expect("not poisoned").pop()
    }

    fn put_deflater(&self, deflater: Box<Deflater>) {
        self.deflaters.lock().expect("not poisoned").push(deflater);
    }
}
