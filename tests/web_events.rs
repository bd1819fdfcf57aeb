//! Events, and whom they are told to.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::sync::{Arc, Mutex};

use common::{close, empty_close, text};
use sockeye::web::{CloseEvent, Event, EventKind, ListenerId, MessageEvent, ReadyState, WebSocket};
use web_common::{Page, Told, clean_close, failure, told_text};

const KINDS: [EventKind; 4] =
    [EventKind::Open, EventKind::Message, EventKind::Error, EventKind::Close];

/// Who was called, in order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, name: &'static str) {
        self.0.lock().unwrap().push(name);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A handler that notes its name.
    fn named(&self, name: &'static str) -> impl FnMut(&mut WebSocket, &Event) + Send + use<> {
        let log = self.clone();
        move |_, _| log.note(name)
    }

    fn boxed(&self, name: &'static str) -> sockeye::web::Handler {
        Box::new(self.named(name))
    }
}

/// One message comes.
fn message(page: &mut Page) {
    page.hears_frames([text("x")]);
    assert_eq!(page.dispatches(), [told_text("x")]);
}

// ---- what there is ----------------------------------------------------------------------

#[test]
fn e1_there_are_four_events_with_these_names() {
    assert_eq!(KINDS.map(|kind| kind.to_string()), ["open", "message", "error", "close"]);
    let log = Log::default();
    let mut page = Page::connecting();
    for (kind, name) in KINDS.into_iter().zip(["open", "message", "error", "close"]) {
        let log = log.clone();
        page.add_listener(kind, move |_, event| {
            assert_eq!(event.kind(), kind);
            log.note(name);
        });
    }
    page.accepts("");
    page.hears_frames([text("x")]);
    page.ends();
    page.dispatches();
    assert_eq!(log.take(), ["open", "message", "error", "close"]);
    assert_eq!(Event::Open.kind(), EventKind::Open);
    assert_eq!(Event::Error.kind(), EventKind::Error);
    assert_eq!(Event::Close(CloseEvent::default()).kind(), EventKind::Close);
}

#[test]
fn e1_typed_handlers_get_what_their_event_has() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &str| {
        let (seen, what) = (seen.clone(), what.to_owned());
        move |more: String| seen.lock().unwrap().push(format!("{what} {more}"))
    };
    let mut page = Page::connecting();
    let opened = note("open");
    page.on_open(move |ws: &mut WebSocket| opened(ws.url().into()));
    let heard = note("message");
    page.on_message(move |_: &mut _, message: &MessageEvent| {
        heard(format!("{} {:?}", message.origin, message.data.as_text()));
    });
    let failed = note("error");
    page.on_error(move |ws: &mut WebSocket| failed(ws.diagnostic().unwrap().to_string()));
    let closed = note("close");
    page.on_close(move |_: &mut _, close: &CloseEvent| {
        closed(format!("{} {} {:?}", close.was_clean, close.code, close.reason));
    });
    page.accepts("");
    page.hears_frames([text("hi")]);
    page.ends();
    page.dispatches();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "open ws://example.com/chat",
            "message ws://example.com Some(\"hi\")",
            "error stream ended without a closing handshake",
            "close false 1006 \"\"",
        ]
    );
}

#[test]
fn e1_turn_calls_nobody_and_dispatch_gives_what_it_told() {
    let log = Log::default();
    let mut page = Page::open();
    page.add_listener(EventKind::Message, log.named("called"));
    page.hears_frames([text("1"), text("2"), empty_close()]);
    assert_eq!(page.turn().unwrap().map(Told::from).collect::<Vec<_>>(), [told_text("1")]);
    assert_eq!(log.take(), [""; 0]);
    let fired = page.dispatch().unwrap();
    assert_eq!(fired.len(), 1);
    assert_eq!(fired.map(Told::from).collect::<Vec<_>>(), [told_text("2")]);
    assert_eq!(log.take(), ["called"]);
    // A task without events is one all the same.
    assert_eq!(page.dispatch().expect("the server has closed").len(), 0);
    assert!(page.dispatch().is_none());
    page.ends();
    assert_eq!(page.dispatches(), [clean_close(1005, "")]);
}

// ---- order ---------------------------------------------------------------------------

#[test]
fn e2_handlers_and_listeners_are_called_in_the_order_they_were_set() {
    let log = Log::default();
    let mut page = Page::open();
    page.add_listener(EventKind::Message, log.named("a"));
    page.set_handler(EventKind::Message, log.boxed("handler"));
    page.add_listener(EventKind::Message, log.named("b"));
    page.add_listener(EventKind::Close, log.named("of another kind"));
    page.set_handler(EventKind::Error, log.boxed("of another kind"));
    message(&mut page);
    assert_eq!(log.take(), ["a", "handler", "b"]);
    message(&mut page);
    assert_eq!(log.take(), ["a", "handler", "b"]);
}

#[test]
fn e2_a_handler_is_replaced_in_its_place() {
    let log = Log::default();
    let mut page = Page::open();
    page.set_handler(EventKind::Message, log.boxed("first"));
    page.add_listener(EventKind::Message, log.named("listener"));
    page.set_handler(EventKind::Message, log.boxed("second"));
    message(&mut page);
    assert_eq!(log.take(), ["second", "listener"]);
    // Whichever way it is set.
    let named = log.clone();
    page.on_message(move |_: &mut _, _: &_| named.note("third"));
    message(&mut page);
    assert_eq!(log.take(), ["third", "listener"]);
    // Removed, and set again: at the end.
    assert!(page.remove_handler(EventKind::Message));
    assert!(!page.remove_handler(EventKind::Message), "it is null already");
    message(&mut page);
    assert_eq!(log.take(), ["listener"]);
    page.set_handler(EventKind::Message, log.boxed("fourth"));
    message(&mut page);
    assert_eq!(log.take(), ["listener", "fourth"]);
}

#[test]
fn e2_each_kind_has_a_handler_of_its_own() {
    let log = Log::default();
    let mut page = Page::connecting();
    for (kind, name) in KINDS.into_iter().zip(["open", "message", "error", "close"]) {
        assert!(!page.remove_handler(kind), "null at first");
        page.set_handler(kind, log.boxed(name));
    }
    assert!(page.remove_handler(EventKind::Message));
    page.accepts("");
    page.hears_frames([text("x")]);
    page.ends();
    page.dispatches();
    assert_eq!(log.take(), ["open", "error", "close"]);
}

#[test]
fn e2_a_listener_is_removed_by_its_name() {
    let log = Log::default();
    let mut page = Page::open();
    let ids = ["a", "b", "c"].map(|name| page.add_listener(EventKind::Message, log.named(name)));
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    assert!(page.remove_listener(ids[1]));
    assert!(!page.remove_listener(ids[1]), "once");
    message(&mut page);
    assert_eq!(log.take(), ["a", "c"]);
    // A name is never used again.
    let d = page.add_listener(EventKind::Message, log.named("d"));
    assert!(!ids.contains(&d));
    assert!(page.remove_listener(ids[0]) && page.remove_listener(ids[2]));
    // A handler is no listener, and the other way round.
    page.set_handler(EventKind::Message, log.boxed("handler"));
    assert!(page.remove_listener(d));
    message(&mut page);
    assert_eq!(log.take(), ["handler"]);
}

// ---- handlers that change things -----------------------------------------------------

#[test]
fn e2_who_is_removed_during_an_event_is_not_called_any_more() {
    let log = Log::default();
    let mut page = Page::open();
    let victim: Arc<Mutex<Option<ListenerId>>> = Arc::default();
    let (named, its_id) = (log.clone(), victim.clone());
    page.add_listener(EventKind::Message, move |ws, _| {
        named.note("remover");
        if let Some(id) = its_id.lock().unwrap().take() {
            assert!(ws.remove_listener(id));
            assert!(ws.remove_handler(EventKind::Message));
        }
    });
    page.set_handler(EventKind::Message, log.boxed("handler"));
    let id = page.add_listener(EventKind::Message, log.named("victim"));
    page.add_listener(EventKind::Message, log.named("last"));
    *victim.lock().unwrap() = Some(id);
    message(&mut page);
    assert_eq!(log.take(), ["remover", "last"]);
    message(&mut page);
    assert_eq!(log.take(), ["remover", "last"]);
}

#[test]
fn e2_who_is_added_during_an_event_is_called_from_the_next_on() {
    let log = Log::default();
    let mut page = Page::open();
    let named = log.clone();
    let mut added = false;
    page.add_listener(EventKind::Message, move |ws, _| {
        named.note("adder");
        if !std::mem::replace(&mut added, true) {
            ws.add_listener(EventKind::Message, named.named("added"));
            ws.set_handler(EventKind::Message, named.boxed("handler"));
        }
    });
    message(&mut page);
    assert_eq!(log.take(), ["adder"]);
    message(&mut page);
    assert_eq!(log.take(), ["adder", "added", "handler"]);
}

#[test]
fn e2_a_handler_that_is_replaced_before_its_turn_is_the_new_one() {
    let log = Log::default();
    let mut page = Page::open();
    let named = log.clone();
    page.add_listener(EventKind::Message, move |ws, _| {
        ws.set_handler(EventKind::Message, named.boxed("new"));
    });
    page.set_handler(EventKind::Message, log.boxed("old"));
    message(&mut page);
    assert_eq!(log.take(), ["new"]);

    // Removed and set again it is another, which the event does not know.
    let mut page = Page::open();
    let named = log.clone();
    page.add_listener(EventKind::Message, move |ws, _| {
        ws.remove_handler(EventKind::Message);
        ws.set_handler(EventKind::Message, named.boxed("again"));
    });
    page.set_handler(EventKind::Message, log.boxed("old"));
    message(&mut page);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn e2_a_handler_may_replace_or_remove_itself() {
    let log = Log::default();
    let mut page = Page::open();
    let named = log.clone();
    page.set_handler(
        EventKind::Message,
        Box::new(move |ws, _| {
            named.note("first");
            ws.set_handler(EventKind::Message, named.boxed("second"));
        }),
    );
    page.add_listener(EventKind::Message, log.named("listener"));
    message(&mut page);
    message(&mut page);
    assert_eq!(log.take(), ["first", "listener", "second", "listener"], "in its place");

    let mut page = Page::open();
    let named = log.clone();
    page.on_message(move |ws: &mut WebSocket, _: &_| {
        named.note("once");
        assert!(ws.remove_handler(EventKind::Message));
        assert!(!ws.remove_handler(EventKind::Message));
    });
    let id: Arc<Mutex<Option<ListenerId>>> = Arc::default();
    let (named, own) = (log.clone(), id.clone());
    let listener = page.add_listener(EventKind::Message, move |ws, _| {
        named.note("once too");
        assert!(ws.remove_listener(own.lock().unwrap().unwrap()));
    });
    *id.lock().unwrap() = Some(listener);
    message(&mut page);
    message(&mut page);
    assert_eq!(log.take(), ["once", "once too"]);

    // Removed, and set again while it is called: at the end, and only there.
    let mut page = Page::open();
    let named = log.clone();
    page.on_message(move |ws: &mut WebSocket, _: &_| {
        named.note("old");
        ws.remove_handler(EventKind::Message);
        ws.set_handler(EventKind::Message, named.boxed("new"));
    });
    page.add_listener(EventKind::Message, log.named("listener"));
    message(&mut page);
    message(&mut page);
    assert_eq!(log.take(), ["old", "listener", "listener", "new"]);
}

#[test]
fn e4_a_handler_may_send_and_close() {
    let log = Log::default();
    let mut page = Page::connecting();
    page.on_open(|ws: &mut WebSocket| ws.send_text("hello").unwrap());
    let named = log.clone();
    page.on_message(move |ws: &mut WebSocket, message: &MessageEvent| {
        named.note("message");
        ws.send_text(message.data.as_text().unwrap()).unwrap();
        ws.close(Some(1000), Some("enough")).unwrap();
        assert_eq!(ws.ready_state(), ReadyState::Closing);
    });
    page.add_listener(EventKind::Message, log.named("after close()"));
    let named = log.clone();
    page.on_close(move |ws: &mut WebSocket, _: &_| {
        named.note("close");
        assert_eq!(ws.ready_state(), ReadyState::Closed);
        ws.close(None, None).unwrap();
        ws.send_text("nobody hears").unwrap();
        assert!(ws.close(Some(7), None).is_err());
    });
    page.add_listener(EventKind::Close, log.named("and another"));
    page.accepts("");
    page.hears_frames([text("echo"), text("never told")]);
    page.dispatches();
    page.sends([text("hello"), text("echo"), close(1000, "enough")]);
    page.hears_frames([close(1000, "enough")]);
    page.ends();
    assert_eq!(page.dispatches(), [clean_close(1000, "enough")]);
    assert_eq!(log.take(), ["message", "after close()", "close", "and another"]);
    assert_eq!(page.buffered_amount(), 12, "and what came too late");
    assert!(!page.has_tasks());
}

#[test]
fn e4_a_handler_may_close_in_every_event() {
    for kind in KINDS {
        let log = Log::default();
        let mut page = Page::connecting();
        let named = log.clone();
        page.add_listener(kind, move |ws, _| {
            named.note("closes");
            ws.close(None, None).unwrap();
            ws.go_away();
        });
        page.add_listener(kind, log.named("told all the same"));
        page.accepts("");
        page.hears_frames([text("x")]);
        page.ends();
        let told = page.dispatches();
        assert_eq!(told.iter().filter(|event| matches!(event, Told::Close(..))).count(), 1);
        assert!(told.ends_with(&failure()), "{kind}: {told:?}");
        assert_eq!(log.take(), ["closes", "told all the same"], "{kind}");
    }
}

#[test]
fn e4_a_handler_may_turn_the_loop_itself() {
    // It is not called within itself; the event is given to who turned.
    let inner = Arc::new(Mutex::new(Vec::new()));
    let mut page = Page::open();
    let log = Log::default();
    let (named, told) = (log.clone(), inner.clone());
    page.on_message(move |ws: &mut WebSocket, _: &_| {
        named.note("handler");
        while let Some(fired) = ws.dispatch() {
            told.lock().unwrap().extend(fired.map(Told::from));
        }
    });
    page.add_listener(EventKind::Message, log.named("listener"));
    page.hears_frames([text("1"), text("2"), empty_close()]);
    page.ends();
    assert_eq!(page.dispatches(), [told_text("1")]);
    assert_eq!(*inner.lock().unwrap(), [told_text("2"), clean_close(1005, "")]);
    assert_eq!(log.take(), ["handler", "listener", "listener"]);
    assert!(page.dispatch().is_none());
}

#[test]
fn e4_a_handler_that_panics_leaves_the_others() {
    // It is the caller's to catch; the socket goes on.
    let log = Log::default();
    let mut page = Page::open();
    let mut first = true;
    page.add_listener(EventKind::Message, move |_, _| {
        assert!(!std::mem::replace(&mut first, false), "on purpose");
    });
    page.add_listener(EventKind::Message, log.named("other"));
    page.hears_frames([text("1"), text("2")]);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = page.dispatch();
    }));
    assert!(caught.is_err());
    assert_eq!(page.dispatches(), [told_text("2")]);
    assert_eq!(log.take(), ["other"]);
}

// ---- the rest ------------------------------------------------------------------------------

#[test]
fn e3_a_close_event_has_defaults() {
    let event = CloseEvent::default();
    assert_eq!((event.was_clean, event.code, &*event.reason), (false, 0, ""));
}

#[test]
fn e5_going_away_is_1001() {
    let mut page = Page::open();
    page.go_away();
    assert_eq!(page.ready_state(), ReadyState::Closing);
    page.sends([close(1001, "")]);
    page.hears_frames([close(1001, "")]);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1001, "")]);
    // Before it is open there is nobody to tell.
    let mut page = Page::connecting();
    page.go_away();
    page.sends([]);
    assert_eq!(page.turns(), failure());
    // When it is closing or closed already it is nothing.
    for state in [ReadyState::Closing, ReadyState::Closed] {
        let mut page = Page::in_state(state);
        page.flush();
        page.go_away();
        assert!(page.output().is_empty() && page.ready_state() == state);
    }
}

#[test]
fn e5_dropping_it_frees_its_handlers() {
    let log = Log::default();
    let mut page = Page::open();
    page.on_message({
        let log = log.clone();
        move |_: &mut _, _: &_| log.note("x")
    });
    page.add_listener(EventKind::Close, log.named("y"));
    assert_eq!(Arc::strong_count(&log.0), 3);
    page.remove_handler(EventKind::Message);
    assert_eq!(Arc::strong_count(&log.0), 2);
    drop(page);
    assert_eq!(Arc::strong_count(&log.0), 1);
}
