//! What holds after every step of every world. Each by its name, so that a
//! failure says which one.

use sockeye::{Cause, CloseCode, Closed, Instant};

use super::log::{Log, Sent};
use super::model::Outcome;
use crate::counted::count;

/// What is delivered is what was sent, kind and contents, in order, none of it
/// twice; and nothing else.
#[track_caller]
pub fn delivered_is_a_prefix_of_sent(delivered: &Sent, sent: Option<&Sent>) {
    if sent != Some(delivered) {
        panic!("delivered {}, sent {}", short(&delivered), short(&sent));
    }
}

/// "The application MUST NOT send any more data frames after sending a Close
/// frame" (section 5.5.1), and no end sends anything else.
#[track_caller]
pub fn nothing_follows_a_close(is_closed: bool) {
    assert!(!is_closed, "a frame behind the Close frame");
}

/// "An endpoint MUST send a Pong frame in response" (section 5.5.2), "the
/// endpoint MUST send a Close frame in response" (section 5.5.1): with the same
/// payload, during the call that tells of it, and unasked none.
#[track_caller]
pub fn replies_due_are_sent<T: PartialEq + core::fmt::Debug>(due: Option<T>, sent: Option<T>) {
    assert_eq!(sent, due, "the reply to what was received, and what is due");
}

/// There is one outcome, the one that has to be, and it stays.
#[track_caller]
pub fn outcome_is(told: Option<Closed>, expected: Option<Outcome>) {
    let told = told.map(|closed| Outcome {
        cause: closed.cause().into(),
        by: closed.by(),
        sent: closed.sent().copied(),
        received: closed.received().copied(),
    });
    assert!(told == expected, "the outcome is {told:?}, to be {expected:?}");
}

/// Where both ends are clean, what one sent the other received (section
/// 7.1.5).
#[track_caller]
pub fn codes_agree(one: &Closed, other: &Closed) {
    if one.is_clean() && other.is_clean() {
        assert_eq!(one.received(), other.sent(), "both are clean, and their Close frames differ");
        assert_eq!(other.received(), one.sent(), "both are clean, and their Close frames differ");
    }
}

/// A deadline that an engine names is that of the rule, neither late nor early;
/// or one `or_earlier` that is no rule's.
#[track_caller]
pub fn deadline_is(named: Option<Instant>, due: Option<Instant>, or_earlier: bool) {
    let is_earlier = named.is_some_and(|named| due.is_none_or(|due| named < due));
    assert!(named == due || or_earlier && is_earlier, "deadline {named:?}, due {due:?}");
}

/// What was due has been done.
#[track_caller]
pub fn deadline_is_ahead(named: Option<Instant>, now: Instant) {
    assert!(named.is_none_or(|at| at > now), "a deadline in the past: {named:?} at {now:?}");
}

/// *The WebSocket Connection Close Code* (section 7.1.5) is that of the peer's
/// Close frame, 1005 if it had none, and 1006 if there was none; the reason is
/// of the same frame; and clean is what both have closed (section 7.1.4) with
/// nothing wrong before.
#[track_caller]
pub fn code_is_that_of_the_rfc(closed: &Closed) {
    let received = closed.received();
    let code = received.map_or(1006, |frame| frame.code().map_or(1005, CloseCode::get));
    assert_eq!(closed.code().get(), code, "{closed:?}");
    assert_eq!(closed.reason(), received.map_or("", |frame| frame.reason()));
    let is_wrong = matches!(closed.cause(), Cause::Protocol(_) | Cause::Aborted);
    let both = closed.sent().is_some() && received.is_some();
    assert_eq!(closed.is_clean(), both && !is_wrong, "{closed:?}");
}

/// Whoever is clean has been told of everything that was sent.
#[track_caller]
pub fn all_is_delivered(log: &Log) {
    assert!(log.is_all_told(), "clean, and never told of {}", short(&log.untold()));
}

/// An end has one context for each direction at most, none that it need not
/// keep, and none when it is gone.
#[track_caller]
pub fn contexts_are_within(lent: (isize, isize), kept: (bool, bool), is_gone: bool) {
    let within =
        |lent: isize, is_kept: bool| (0..=isize::from(is_kept && !is_gone)).contains(&lent);
    let (inflaters, deflaters) = lent;
    assert!(
        within(inflaters, kept.0) && within(deflaters, kept.1),
        "{lent:?} decompressors and compressors, while it may keep {kept:?}",
    );
}

/// A call allocates no more than this, also in between.
#[track_caller]
pub fn memory_is_within<T>(budget: usize, call: impl FnOnce() -> T) -> T {
    let mut result = None;
    let (_, _, peak) = count(|| result = Some(call()));
    assert!(peak <= budget, "{peak} bytes allocated by a call that may have {budget}");
    result.expect("it was called")
}

/// All is over within what the deadlines add up to.
#[track_caller]
pub fn ends_within(start: Instant, now: Instant, limit: core::time::Duration) {
    let taken = now.saturating_duration_since(start);
    assert!(taken <= limit, "not over after {taken:?}, of {limit:?} that all deadlines make");
}

/// A value as it is printed, or its beginning.
pub fn short(value: &impl core::fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}
