//! Receiving: whole messages seen by the application, text checked.

use super::{Per, Session, length};
use crate::engines::{Compare, Engine, MakeReceiving, Role, Setup};
use crate::frames::{Content, Traffic};
use crate::measure::Work;
use crate::pipe::Sink;
use crate::results::Unit;

pub(super) fn run(session: &Session<'_>) {
    for (role, masked) in [(Role::Server, true), (Role::Client, false)] {
        let name = if masked { "Server receives" } else { "Client receives" };
        let small: &[usize] = if masked { &[0, 20, 64, 125] } else { &[20, 125] };
        for &len in small {
            let row = format!("binary {}, many in a read", length(len));
            row_of(session, name, &row, Per::Message, role, || {
                Traffic::whole(Content::Binary, len, masked)
            });
        }
        for &len in small {
            let row = format!("binary {}, one in a read", length(len));
            row_of(session, name, &row, Per::Message, role, || {
                Traffic::single(Content::Binary, len, masked)
            });
        }
        let contents: &[(Content, &str, &[usize])] = match role {
            Role::Server => &[
                (Content::Binary, "binary", &[1 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20]),
                (Content::Ascii, "ASCII", &[64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20]),
                (Content::Cjk, "CJK", &[64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20]),
            ],
            Role::Client => &[
                (Content::Binary, "binary", &[1 << 10, 64 << 10, 1 << 20]),
                (Content::Cjk, "CJK", &[125, 64 << 10]),
            ],
        };
        for &(content, word, lengths) in contents {
            for &len in lengths {
                let row = format!("{word} {}", length(len));
                let per =
                    if len < 1 << 10 { Per::Message } else { Per::Bytes(len, Unit::GibPerSecond) };
                row_of(session, name, &row, per, role, || Traffic::whole(content, len, masked));
            }
        }
        for (content, word) in [(Content::Binary, "binary"), (Content::Cjk, "CJK")] {
            for fragment in [1 << 10, 4 << 10] {
                let row = format!("{word} 64 KiB in fragments of {}", length(fragment));
                let per = Per::Bytes(64 << 10, Unit::GibPerSecond);
                row_of(session, name, &row, per, role, || {
                    Traffic::fragmented(content, 64 << 10, fragment, masked)
                });
            }
        }
    }
}

fn row_of(
    session: &Session<'_>,
    group: &str,
    row: &str,
    per: Per,
    role: Role,
    traffic: impl Fn() -> Traffic,
) {
    let traffic = std::cell::LazyCell::new(traffic);
    session.row((group, row, per), |engine: &Engine| {
        let setup = Setup { role, traffic: traffic.clone(), sends: false, sink: Sink::new() };
        Some(work(engine.receive?, &setup))
    });
}

/// Makes sure that all of the traffic comes out as it went in, twice over, and
/// then only counts.
pub(super) fn work(make: MakeReceiving, setup: &Setup) -> Work {
    let count = setup.traffic.messages.len() as u64;
    make(setup).compare(2 * count, &mut Compare::new(&setup.traffic));
    let mut engine = make(setup);
    let traffic = setup.traffic.clone();
    let len = traffic.messages[0].len() as u64;
    Box::new(move |messages| {
        let seen = engine.count(messages);
        assert!(seen.messages >= messages);
        // What was received of a message that is not complete counts as well.
        assert!(seen.bytes.abs_diff(seen.messages * len) <= len, "{} bytes", seen.bytes);
        seen.messages
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{Receive, Visit, all};
    use crate::frames::Kind;

    fn setup(role: Role, traffic: Traffic) -> Setup {
        Setup { role, traffic, sends: false, sink: Sink::new() }
    }

    #[test]
    fn every_engine_receives_what_was_sent() {
        for (role, masked) in [(Role::Server, true), (Role::Client, false)] {
            let traffics = [
                Traffic::single(Content::Binary, 0, masked),
                Traffic::whole(Content::Ascii, 125, masked),
                Traffic::whole(Content::Cjk, 70_000, masked),
                Traffic::fragmented(Content::Cjk, 64 << 10, 1 << 10, masked),
            ];
            for engine in all() {
                for traffic in &traffics {
                    let make = engine.receive.expect("all receive");
                    assert!(work(make, &setup(role, traffic.clone()))(3) >= 3);
                }
            }
        }
    }

    /// Gives the messages of the traffic, but for what it does to one of them.
    struct Wrong {
        messages: Vec<Vec<u8>>,
        next: usize,
    }

    impl Wrong {
        fn new(setup: &Setup, spoil: impl Fn(&mut Vec<Vec<u8>>)) -> Self {
            let mut messages = setup.traffic.messages.to_vec();
            spoil(&mut messages);
            Self { messages, next: 0 }
        }
    }

    impl Receive for Wrong {
        fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
            for _ in 0..messages {
                visit.message(Kind::Binary, &self.messages[self.next]);
                self.next = (self.next + 1) % self.messages.len();
            }
        }

        fn state_len(&self) -> usize {
            0
        }
    }

    fn race_with(make: MakeReceiving) {
        let mut work = work(make, &setup(Role::Server, Traffic::whole(Content::Binary, 64, true)));
        work(1);
    }

    #[test]
    fn an_engine_that_is_right_may_race() {
        race_with(|setup| Box::new(Wrong::new(setup, |_| {})));
    }

    #[test]
    #[should_panic(expected = "not what was sent")]
    fn a_wrong_byte_is_noticed() {
        race_with(|setup| Box::new(Wrong::new(setup, |messages| messages[9][63] ^= 1)));
    }

    #[test]
    #[should_panic(expected = "not what was sent")]
    fn a_lost_message_is_noticed() {
        race_with(|setup| Box::new(Wrong::new(setup, |messages| drop(messages.remove(9)))));
    }
}
