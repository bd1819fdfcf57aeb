//! Whom events are told to, in the standard's order (HTML Standard, *event
//! handlers*; DOM Standard, *dispatching events*).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::WebSocket;
use super::event::{CloseEvent, Event, EventKind, MessageEvent};
use super::task::Fired;

/// What is called when an event fires. It may do anything to the socket: send,
/// close, replace handlers.
pub type Handler = Box<dyn FnMut(&mut WebSocket, &Event) + Send>;

/// Names a listener, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

#[derive(Default)]
pub(super) struct Handlers {
    /// In the order that they are called.
    listeners: Vec<Listener>,
    last_id: u64,
}

struct Listener {
    id: ListenerId,
    kind: EventKind,
    /// What a script sets as `onopen`, `onmessage`, `onerror`, `onclose`.
    is_handler: bool,
    /// Not there while it is called.
    call: Option<Handler>,
}

impl Handlers {
    fn add(&mut self, kind: EventKind, is_handler: bool, call: Handler) -> ListenerId {
        self.last_id += 1;
        let id = ListenerId(self.last_id);
        self.listeners.push(Listener { id, kind, is_handler, call: Some(call) });
        id
    }

    fn remove(&mut self, is_it: impl Fn(&Listener) -> bool) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| !is_it(listener));
        self.listeners.len() < before
    }

    fn find(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|listener| listener.id == id)
    }
}

/// How many, and not what.
impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("len", &self.listeners.len()).finish_non_exhaustive()
    }
}

/// # Handlers and listeners
///
/// A kind of event has one handler and any number of listeners. They are called
/// in the order in which they were set: a handler that is replaced keeps its
/// place, one that was removed and is set again goes to the end. Those that are
/// added during an event are not called for it, those that are removed are not
/// called any more. One that runs a task itself is not called for the events of
/// that. A panic in one of them is not caught.
impl WebSocket {
    /// Runs the next task, as [`turn`](Self::turn) does, and calls the handlers
    /// and listeners for its events, before it gives them.
    pub fn dispatch(&mut self) -> Option<Fired> {
        let fired = self.turn()?;
        for event in fired.iter() {
            self.fire(event);
        }
        Some(fired)
    }

    /// `onopen`.
    pub fn on_open(&mut self, mut call: impl FnMut(&mut Self) + Send + 'static) {
        self.set_handler(EventKind::Open, Box::new(move |ws, _| call(ws)));
    }

    /// `onmessage`.
    pub fn on_message(&mut self, mut call: impl FnMut(&mut Self, &MessageEvent) + Send + 'static) {
        let call = move |ws: &mut Self, event: &Event| {
            if let Event::Message(message) = event {
                call(ws, message);
            }
        };
        self.set_handler(EventKind::Message, Box::new(call));
    }

    /// `onerror`.
    pub fn on_error(&mut self, mut call: impl FnMut(&mut Self) + Send + 'static) {
        self.set_handler(EventKind::Error, Box::new(move |ws, _| call(ws)));
    }

    /// `onclose`.
    pub fn on_close(&mut self, mut call: impl FnMut(&mut Self, &CloseEvent) + Send + 'static) {
        let call = move |ws: &mut Self, event: &Event| {
            if let Event::Close(close) = event {
                call(ws, close);
            }
        };
        self.set_handler(EventKind::Close, Box::new(call));
    }

    /// Sets the handler of a kind of event, or replaces it in its place.
    pub fn set_handler(&mut self, kind: EventKind, handler: Handler) {
        let mut listeners = self.handlers.listeners.iter_mut();
        match listeners.find(|listener| listener.is_handler && listener.kind == kind) {
            Some(listener) => listener.call = Some(handler),
            None => {
                self.handlers.add(kind, true, handler);
            }
        }
    }

    /// Removes the handler of a kind of event: sets it to null. False if there
    /// is none.
    pub fn remove_handler(&mut self, kind: EventKind) -> bool {
        self.handlers.remove(|listener| listener.is_handler && listener.kind == kind)
    }

    /// `addEventListener`.
    pub fn add_listener(
        &mut self,
        kind: EventKind,
        call: impl FnMut(&mut Self, &Event) + Send + 'static,
    ) -> ListenerId {
        self.handlers.add(kind, false, Box::new(call))
    }

    /// `removeEventListener`. False if it has been removed before.
    pub fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.handlers.remove(|listener| listener.id == id)
    }

    fn fire(&mut self, event: &Event) {
        let of_kind = |listener: &&Listener| listener.kind == event.kind();
        let listeners = self.handlers.listeners.iter().filter(of_kind);
        let ids: Vec<ListenerId> = listeners.map(|listener| listener.id).collect();
        for id in ids {
            let Some(mut call) = self.handlers.find(id).and_then(|found| found.call.take()) else {
                continue;
            };
            call(self, event);
            // It may have removed itself, or put another in its place.
            if let Some(listener) = self.handlers.find(id) {
                listener.call.get_or_insert(call);
            }
        }
    }
}
