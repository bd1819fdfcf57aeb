//! RFC 7692, sections 5 and 7.1: what a client offers, what a server agrees
//! to, and what the client makes of that; as values, without a handshake.

#![cfg(feature = "deflate")]

use std::collections::HashMap;

use sockeye::DeflateConfig;
use sockeye::deflate::{Agreement, InvalidReply, Offer, Params, WindowBits};

const NAME: &str = "permessage-deflate";

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// The defaults, but with these windows.
fn windows(server: u8, client: u8) -> Params {
    let (server_max_window_bits, client_max_window_bits) = (bits(server), bits(client));
    Params { server_max_window_bits, client_max_window_bits, ..Params::default() }
}

/// The same without contexts: the server's, the client's.
fn no_context(server: bool, client: bool, windows: Params) -> Params {
    Params { server_no_context_takeover: server, client_no_context_takeover: client, ..windows }
}

/// All 256 of them.
fn all_params() -> impl Iterator<Item = Params> {
    let windows_of = |n: u16| windows(8 + (n % 8) as u8, 8 + (n / 8) as u8);
    (0..256).map(move |n| no_context(n & 1 != 0, n & 2 != 0, windows_of(n / 4)))
}

fn config(params: &[Params]) -> DeflateConfig {
    let mut config = DeflateConfig::default();
    config.params = params.to_vec();
    config
}

/// What a server that is ready for this agrees to, given these header lines.
fn agreed(acceptable: &[Params], lines: &[&str]) -> Option<Agreement> {
    config(acceptable).accept(lines.iter().map(|line| line.as_bytes()))
}

/// The same, as it writes it.
fn answer(acceptable: &[Params], lines: &[&str]) -> Option<String> {
    agreed(acceptable, lines).map(|agreement| agreement.to_string())
}

/// What a client that has offered this makes of these header lines.
fn confirmed(offered: &[Params], lines: &[&str]) -> Result<Option<Params>, InvalidReply> {
    config(offered).confirm(lines.iter().map(|line| line.as_bytes()))
}

// ---- section 7.1 in other words --------------------------------------------------

/// What an element says: a model to hold the library against, which shares no
/// code with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Terms {
    server_no_context: bool,
    client_no_context: bool,
    server_window: Option<u8>,
    /// `Some(None)`: there, without a value.
    client_window: Option<Option<u8>>,
}

impl Terms {
    /// All 360 of them. Each is an offer; whether it is a reply, see `answers`.
    fn all() -> impl Iterator<Item = Self> {
        let window = |n: u16| (n < 8).then_some(8 + n as u8);
        (0..2 * 2 * 9 * 10).map(move |n| Self {
            server_no_context: n & 1 != 0,
            client_no_context: n & 2 != 0,
            server_window: window(n / 4 % 9),
            client_window: if n / 36 == 9 { Some(None) } else { window(n / 36).map(Some) },
        })
    }

    /// What a client that is ready for `params` offers: whatever it does not
    /// ask for, it leaves to the server.
    fn offer(params: &Params) -> Self {
        let asked = |bits: WindowBits| Some(bits.get()).filter(|&bits| bits < 15);
        Self {
            server_no_context: params.server_no_context_takeover,
            client_no_context: params.client_no_context_takeover,
            server_window: asked(params.server_max_window_bits),
            client_window: Some(asked(params.client_max_window_bits)),
        }
    }

    fn write(&self) -> String {
        let window = |name: &str, bits: Option<u8>| match bits {
            Some(bits) => format!("; {name}_max_window_bits={bits}"),
            None => format!("; {name}_max_window_bits"),
        };
        let parts = [
            self.server_no_context.then(|| "; server_no_context_takeover".into()),
            self.client_no_context.then(|| "; client_no_context_takeover".into()),
            self.server_window.map(|bits| window("server", Some(bits))),
            self.client_window.map(|bits| window("client", bits)),
        ];
        NAME.to_owned() + &parts.into_iter().flatten().collect::<String>()
    }

    /// True if this may be a reply to `offer`.
    fn answers(&self, offer: &Self) -> bool {
        // 7.1.1.1: an offer with this is accepted "by including" it. It may
        // come unasked, and so may the client's (7.1.1.2).
        let server_context = self.server_no_context || !offer.server_no_context;
        // 7.1.2.1: accepted by including it "with the same or smaller value as
        // the offer". It may come unasked.
        let server_window = match (offer.server_window, self.server_window) {
            (Some(asked), Some(bits)) => bits <= asked,
            (asked, _) => asked.is_none(),
        };
        // 7.1.2.2: only if it was offered, always with a value, "equal to or
        // smaller than" that of the offer.
        let client_window = match (offer.client_window, self.client_window) {
            (_, None) => true,
            (Some(hint), Some(Some(bits))) => hint.is_none_or(|hint| bits <= hint),
            _ => false,
        };
        server_context && server_window && client_window
    }

    /// What holds once this has answered `offer`: a client does what it hinted
    /// at, whatever the reply says (7.1.1.2, 7.1.2.2).
    fn meaning(&self, offer: &Self) -> Params {
        let window = |bits: Option<Option<u8>>| bits.flatten().unwrap_or(15);
        let client_window = window(self.client_window).min(window(offer.client_window));
        let client_no_context = self.client_no_context || offer.client_no_context;
        let windows = windows(self.server_window.unwrap_or(15), client_window);
        no_context(self.server_no_context, client_no_context, windows)
    }

    /// The same by itself.
    fn alone(&self) -> Params {
        self.meaning(&Self::default())
    }
}

/// What keeps within both.
fn both(a: Params, b: Params) -> Params {
    Params {
        server_no_context_takeover: a.server_no_context_takeover || b.server_no_context_takeover,
        client_no_context_takeover: a.client_no_context_takeover || b.client_no_context_takeover,
        server_max_window_bits: a.server_max_window_bits.min(b.server_max_window_bits),
        client_max_window_bits: a.client_max_window_bits.min(b.client_max_window_bits),
    }
}

// ---- all there is ----------------------------------------------------------------

/// The parts of an element without regard to their order.
fn parts(element: &str) -> Vec<String> {
    let mut parts: Vec<_> = element.split("; ").map(str::to_owned).collect();
    parts.sort();
    parts
}

#[test]
fn s7_1_a_server_answers_every_offer_legally_within_its_limits_or_declines() {
    let offers: Vec<_> = Terms::all().map(|terms| (terms, terms.write())).collect();
    let known: HashMap<_, _> = offers.iter().map(|(terms, text)| (parts(text), *terms)).collect();
    for limits in all_params() {
        let server = config(&[limits]);
        for (offer, written) in &offers {
            let Some(agreement) = server.accept([written.as_bytes()]) else {
                let within = |reply: &Terms| both(reply.alone(), limits) == reply.alone();
                let possible = Terms::all().find(|reply| reply.answers(offer) && within(reply));
                assert_eq!(possible, None, "{written} and {limits}");
                continue;
            };
            let reply = known[&parts(&agreement.to_string())];
            assert!(reply.answers(offer), "{written}: {agreement}");
            // No more of either end than the two of them asked, and no less.
            let least = both(offer.alone(), limits);
            assert_eq!(reply.alone(), least, "{written} and {limits}: {agreement}");
            assert_eq!(agreement.params(), least, "{written} and {limits}: {agreement}");
        }
    }
}

#[test]
fn s7_1_a_client_takes_every_legal_reply_to_its_offer_and_no_other() {
    let replies: Vec<_> = Terms::all().map(|terms| (terms, terms.write())).collect();
    for params in all_params() {
        let (client, offer) = (config(&[params]), Terms::offer(&params));
        for (reply, written) in &replies {
            // What a client does about a window of its own that is larger than
            // its hint, the RFC leaves open: ours fails.
            let legal = reply.answers(&offer).then(|| Some(reply.meaning(&offer)));
            let expected = legal.ok_or(InvalidReply::Parameters);
            assert_eq!(client.confirm([written.as_bytes()]), expected, "{params}: {written}");
        }
    }
}

#[test]
fn s7_1_both_ends_hold_the_same_whatever_they_were_ready_for() {
    let all: Vec<_> = all_params().map(|params| config(&[params])).collect();
    for client in &all {
        let offer = client.offers().to_string();
        assert_eq!(offer, Terms::offer(&client.params[0]).write());
        for server in &all {
            // A client of ours lets the server limit whatever it likes.
            let agreement = server.accept([offer.as_bytes()]).expect(&offer);
            let reply = agreement.to_string();
            assert_eq!(client.confirm([reply.as_bytes()]), Ok(Some(agreement.params())), "{offer}");
        }
    }
}

#[test]
fn s5_1_the_clients_order_goes_first_and_the_servers_second() {
    let offers: Vec<_> = Terms::all().step_by(7).map(|terms| terms.write()).collect();
    let limits: Vec<_> = all_params().step_by(19).collect();
    let mut fallbacks = 0;
    for (a, b) in (0..limits.len()).map(|a| (limits[a], limits[(a * 5 + 3) % limits.len()])) {
        let server = config(&[a, b]);
        let alone = |offer: &String| [agreed(&[a], &[offer]), agreed(&[b], &[offer])];
        let alone: Vec<_> = offers.iter().map(alone).collect();
        for (one, [first, second]) in offers.iter().zip(&alone) {
            for (other, [third, fourth]) in offers.iter().zip(&alone) {
                let expected = first.or(*second).or(*third).or(*fourth);
                let line = format!("{one}, {other}");
                assert_eq!(server.accept([line.as_bytes()]), expected, "{line}");
                assert_eq!(server.accept([one.as_bytes(), other.as_bytes()]), expected, "{line}");
                fallbacks += usize::from(first.is_none() && expected.is_some());
            }
        }
    }
    assert!(fallbacks > 1000, "what this is about came {fallbacks} times");
}

// ---- lists -----------------------------------------------------------------------

#[test]
fn s5_1_a_fallback_is_taken_if_the_first_offer_cannot_be_met() {
    // The client's window is not to be limited in the first one (7.1.2.2).
    let offers = "permessage-deflate, permessage-deflate; client_max_window_bits; x, \
                  permessage-deflate; client_max_window_bits=14, permessage-deflate";
    let said = |acceptable: &[Params]| answer(acceptable, &[offers]).unwrap();
    assert_eq!(said(&[windows(15, 10)]), format!("{NAME}; client_max_window_bits=10"));
    assert_eq!(said(&[Params::default()]), NAME);
    assert_eq!(answer(&[], &[offers]), None);
    // The order of the client's offers goes before the server's own.
    let server = [windows(15, 10), windows(11, 15)];
    assert_eq!(said(&server), format!("{NAME}; server_max_window_bits=11"));
    let free = "permessage-deflate; client_max_window_bits";
    assert_eq!(answer(&server, &[free]).unwrap(), format!("{free}=10"));
}

#[test]
fn s5_1_a_client_takes_a_reply_to_any_of_its_offers() {
    let offered = [no_context(true, false, windows(10, 11)), windows(12, 15)];
    let took = |reply: &str| confirmed(&offered, &[&format!("{NAME}{reply}")]);
    let first = "; server_no_context_takeover; server_max_window_bits=9";
    assert_eq!(took(first), Ok(Some(no_context(true, false, windows(9, 11)))));
    assert_eq!(took("; server_max_window_bits=9"), Ok(Some(windows(9, 15))));
    let second = "; client_max_window_bits=14; server_max_window_bits=12";
    assert_eq!(took(second), Ok(Some(windows(12, 14))));
    for neither in ["", "; server_no_context_takeover", "; server_max_window_bits=13"] {
        assert_eq!(took(neither), Err(InvalidReply::Parameters), "{neither}");
    }
}

/// Section 7.1.2.2 and 7.1.1.2: what an offer says of the client's own messages
/// is a hint, which a reply need not repeat. So it may answer any of these.
#[test]
fn s7_1_a_client_keeps_what_any_offer_that_fits_has_promised_of_its_messages() {
    let mut offered = [windows(15, 12), no_context(false, true, windows(15, 15))];
    for _ in 0..2 {
        assert_eq!(
            confirmed(&offered, &[NAME]),
            Ok(Some(no_context(false, true, windows(15, 12)))),
            "{offered:?}"
        );
        offered.reverse();
    }
}

#[test]
fn s5_1_other_extensions_are_passed_over_by_a_server_and_fail_a_client() {
    let default = [Params::default()];
    for other in ["x; y=\"10\"", "permessage", "permessage-deflate2", "Permessage-Deflate"] {
        assert_eq!(answer(&default, &[other]), None, "{other}");
        for line in [format!("{other}, {NAME}"), format!(",{NAME} ,\t{other},,")] {
            assert_eq!(answer(&default, &[&line]).as_deref(), Some(NAME), "{line}");
        }
        assert_eq!(answer(&default, &["", other, NAME]).as_deref(), Some(NAME));
        let both = format!("{NAME}, {other}");
        for reply in [&[other][..], &[&both], &[NAME, other], &[other, NAME]] {
            assert_eq!(confirmed(&default, reply), Err(InvalidReply::NotOffered), "{reply:?}");
        }
    }
}

#[test]
fn s5_1_a_reply_agrees_once_or_not_at_all() {
    let default = [Params::default()];
    for nothing in [&[][..], &[""], &[" ,\t,"], &["", ""]] {
        assert_eq!(confirmed(&default, nothing), Ok(None));
        assert_eq!(confirmed(&[], nothing), Ok(None));
        assert_eq!(answer(&default, nothing), None);
    }
    for once in [NAME, " permessage-deflate\t", ",permessage-deflate,"] {
        assert_eq!(confirmed(&default, &[once]), Ok(Some(Params::default())), "{once:?}");
        assert_eq!(confirmed(&[], &[once]), Err(InvalidReply::NotOffered), "nothing was offered");
    }
    for wrong in ["permessage-deflate;", "permessage-deflate x", "\"permessage-deflate\""] {
        assert_eq!(confirmed(&default, &[wrong]), Err(InvalidReply::Syntax), "{wrong}");
        assert_eq!(answer(&default, &[wrong]), None, "{wrong}");
    }
    // Not twice, even if both could be meant.
    for twice in [&["permessage-deflate, permessage-deflate"][..], &[NAME, NAME]] {
        let offered = [Params::default(), windows(10, 10)];
        assert_eq!(confirmed(&offered, twice), Err(InvalidReply::NotOffered), "{twice:?}");
    }
}

// ---- parameters ------------------------------------------------------------------

/// A server declines an element with this and takes the next; a client fails.
#[track_caller]
fn is_invalid(params: &str) {
    for element in [
        format!("{NAME}; {params}"),
        format!("{NAME}; client_no_context_takeover; {params}"),
        format!("{NAME}; {params}; client_no_context_takeover"),
    ] {
        let next = format!("{NAME}; server_no_context_takeover");
        let line = format!("{element}, {next}");
        assert_eq!(answer(&[Params::default()], &[&line]).as_ref(), Some(&next), "{element}");
        let lines = [element.as_str(), &next];
        assert_eq!(answer(&[Params::default()], &lines).as_ref(), Some(&next), "{element}");
        fails_a_client(&element);
    }
}

#[track_caller]
fn fails_a_client(element: &str) {
    for offered in [&[Params::default()][..], &[windows(12, 12), Params::default()]] {
        assert_eq!(confirmed(offered, &[element]), Err(InvalidReply::Parameters), "{element}");
    }
    assert_eq!(element.parse::<Params>(), Err(InvalidReply::Parameters), "{element}");
}

#[test]
fn s7_1_unknown_parameters_are_invalid() {
    for name in ["x", "no_context_takeover", "client_max_window_bit", "Server_No_Context_Takeover"]
    {
        is_invalid(name);
        is_invalid(&format!("{name}=10"));
    }
}

#[test]
fn s7_1_parameters_that_come_twice_are_invalid() {
    for [one, other] in [
        ["server_no_context_takeover", "server_no_context_takeover"],
        ["server_max_window_bits=10", "server_max_window_bits=10"],
        ["server_max_window_bits=15", "server_max_window_bits=\"9\""],
        ["client_max_window_bits=10", "client_max_window_bits=10"],
        ["client_max_window_bits", "client_max_window_bits"],
        ["client_max_window_bits", "client_max_window_bits=15"],
        ["client_max_window_bits=10", "client_max_window_bits"],
    ] {
        is_invalid(&format!("{one}; {other}"));
        is_invalid(&format!("{one};client_no_context_takeover;{other}"));
    }
    is_invalid("client_no_context_takeover; client_no_context_takeover");
}

#[test]
fn s7_1_1_no_context_takeover_has_no_value() {
    for value in ["true", "1", "8", "15", "\"10\"", "\"x\""] {
        is_invalid(&format!("server_no_context_takeover={value}"));
        is_invalid(&format!("client_no_context_takeover={value}"));
    }
}

#[test]
fn s7_1_2_a_window_is_a_decimal_from_8_to_15_without_leading_zeros() {
    // 8 and 15 modulo 2^16, 2^32 and 2^64; numbers of other kinds; none.
    let odd = "65544 4294967311 18446744073709551624 8. 8.0 1e1 0x8 a F eight 8x x8 1x x5 8-9 '8' \
               \"\\0\\8\"";
    let long = [format!("{}8", "0".repeat(5000)), "1".repeat(5000)];
    let numbers = (0..=300u16).filter(|n| !(8..=15).contains(n)).map(|n| n.to_string());
    let signed = (0..=20).flat_map(|n| ["0", "00", "+", "-"].map(|before| format!("{before}{n}")));
    for value in odd.split(' ').map(str::to_owned).chain(long).chain(numbers).chain(signed) {
        is_invalid(&format!("server_max_window_bits={value}"));
        is_invalid(&format!("client_max_window_bits={value}"));
        if !value.contains('"') {
            is_invalid(&format!("server_max_window_bits=\"{value}\""));
        }
    }
    is_invalid("server_max_window_bits");
    // A client may leave the choice to the server, which then has to make it.
    let bare = format!("{NAME}; client_max_window_bits");
    assert_eq!(answer(&[Params::default()], &[&bare]).as_deref(), Some(NAME));
    fails_a_client(&bare);
}

#[test]
fn s5_2_values_may_be_quoted_and_spaced() {
    for written in [
        "permessage-deflate;server_max_window_bits=9;client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=\"10\"; server_max_window_bits=\"9\"",
        "\tpermessage-deflate ;server_max_window_bits=\"\\9\" ; client_max_window_bits =\t\"1\\0\" ",
    ] {
        let agreed = windows(9, 10);
        assert_eq!(answer(&[Params::default()], &[written]), Some(agreed.to_string()), "{written}");
        assert_eq!(confirmed(&[Params::default()], &[written]), Ok(Some(agreed)), "{written}");
        assert_eq!(written.parse(), Ok(agreed), "{written}");
    }
}

// ---- the types -------------------------------------------------------------------

#[test]
fn s7_1_2_window_bits_are_8_to_15() {
    for n in 0..=255 {
        let bits = WindowBits::new(n);
        assert_eq!(bits.map(WindowBits::get), (8..=15).contains(&n).then_some(n));
        assert_eq!(bits.map(|bits| bits.to_string()), bits.map(|_| n.to_string()));
    }
    assert_eq!([WindowBits::MIN, WindowBits::MAX, WindowBits::default()], [8, 15, 15].map(bits));
}

#[test]
fn s7_1_params_are_written_as_a_reply_and_read_back() {
    assert_eq!(Params::default(), no_context(false, false, windows(15, 15)));
    for params in all_params() {
        // The default goes without saying.
        let offer = Terms::offer(&params);
        let terms = Terms { client_window: offer.client_window.filter(|w| w.is_some()), ..offer };
        assert_eq!(params.to_string(), terms.write());
        assert_eq!(terms.write().parse(), Ok(params));
    }
    assert_eq!("permessage-deflate; server_max_window_bits=15".parse(), Ok(Params::default()));
    assert_eq!("x-webkit-deflate-frame".parse::<Params>(), Err(InvalidReply::Parameters));
    for wrong in ["", "permessage-deflate, permessage-deflate", "permessage-deflate;"] {
        assert_eq!(wrong.parse::<Params>(), Err(InvalidReply::Syntax), "{wrong}");
    }
}

#[test]
fn s7_1_offers_are_values_too() {
    for terms in Terms::all() {
        let offer = Offer {
            server_no_context_takeover: terms.server_no_context,
            client_no_context_takeover: terms.client_no_context,
            server_max_window_bits: terms.server_window.map(bits),
            client_max_window_bits: terms.client_window.map(|value| value.map(bits)),
        };
        assert_eq!(offer.to_string(), terms.write());
        for limits in all_params().step_by(17) {
            assert_eq!(offer.accept(&limits), agreed(&[limits], &[&terms.write()]), "{offer}");
        }
    }
    assert!(all_params().all(|p| Offer::new(&p).to_string() == Terms::offer(&p).write()));
    assert_eq!(Offer::default().to_string(), NAME);
}

// ---- who is there ----------------------------------------------------------------

#[test]
fn s5_1_replies_of_servers_in_use_are_taken() {
    let no_contexts = no_context(true, true, Params::default());
    // gorilla/websocket, server.go.
    let gorilla = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (reply, expected) in [
        // ws by default (acceptAsServer), Netty, Boost.Beast.
        (NAME, Params::default()),
        // ws with the options of its README, and with `clientMaxWindowBits`.
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10",
            no_context(true, true, windows(10, 15)),
        ),
        ("permessage-deflate; client_max_window_bits=12", windows(15, 12)),
        // websockets for Python by default (its issue 1109).
        (
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            windows(12, 12),
        ),
        // Kestrel by default, and with options (ASP.NET Core, HandshakeHelpers.cs).
        ("permessage-deflate; client_max_window_bits=15", Params::default()),
        (
            "permessage-deflate; client_max_window_bits=15; server_no_context_takeover; \
             server_max_window_bits=11",
            no_context(true, false, windows(11, 15)),
        ),
        // uWebSockets (WebSocketExtensions.h): contexts shared; windows of its own.
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", no_contexts),
        (
            "permessage-deflate; client_max_window_bits=11; server_max_window_bits=12",
            windows(12, 11),
        ),
        (gorilla, no_contexts),
        // Tomcat, also as it comes through nginx.
        ("permessage-deflate;client_max_window_bits=15", Params::default()),
    ] {
        assert_eq!(confirmed(&[Params::default()], &[reply]), Ok(Some(expected)), "{reply}");
    }
    // uWebSockets.js once wrote this when nothing was agreed on (its issue 76).
    assert_eq!(confirmed(&[Params::default()], &[""]), Ok(None));
    // gorilla/websocket says the same to every offer, which may be no answer.
    let offered = [windows(12, 15), Params::default()];
    assert_eq!(confirmed(&offered[..1], &[gorilla]), Err(InvalidReply::Parameters));
    assert_eq!(confirmed(&offered, &[gorilla]), Ok(Some(no_contexts)));
}
