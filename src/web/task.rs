//! The event loop's side: what the network has queued, one at a time.

use super::WebSocket;
use super::diagnostic::Diagnostic;
use super::event::{CloseEvent, Event, MessageEvent, ReadyState};
use crate::message::Message;
use alloc::string::String;

/// What the standard queues: a change of attributes and the events for it, to
/// happen together, later.
#[derive(Debug)]
pub(super) enum Task {
    /// *The WebSocket connection is established.*
    Established { extensions: String, protocol: String },
    /// *A WebSocket message has been received.*
    Message(Message<'static>),
    /// *The WebSocket closing handshake is started*, by the peer.
    ClosingStarted,
    /// *The WebSocket connection is closed.*
    Closed { event: CloseEvent },
}

/// The events of one task: none, one, or `Error` and `Close`. An iterator.
#[derive(Clone, Debug, Default)]
#[must_use = "events that nobody looks at are lost"]
pub struct Fired {
    events: [Option<Event>; 2],
}

impl Fired {
    fn one(event: Event) -> Self {
        Self { events: [Some(event), None] }
    }

    /// The events that were not taken yet.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().flatten()
    }
}

impl Iterator for Fired {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.events.iter_mut().find_map(Option::take)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.iter().count();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Fired {}

impl WebSocket {
    /// Runs the next task that the network has queued, and gives its events;
    /// `None` if there is no task. Some have no event: a message that came too
    /// late, or the state becoming [`Closing`](ReadyState::Closing).
    ///
    /// Only here do attributes change for what the network did, all of one task
    /// at once, `buffered_amount` included. Handlers are not called: see
    /// [`dispatch`](Self::dispatch).
    pub fn turn(&mut self) -> Option<Fired> {
        self.count_written();
        let task = self.tasks.pop_front()?;
        Some(self.run_task(task))
    }

    /// The script has returned to its event loop: `buffered_amount` may change.
    pub(crate) fn count_written(&mut self) {
        let written = self.outbox.take_written();
        self.buffered_amount = self.buffered_amount.saturating_sub(written);
    }

    /// True if [`turn`](Self::turn) has a task to run.
    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// True if the next task is a message that will be an event.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_message(&self) -> bool {
        let is_open = self.ready_state == ReadyState::Open;
        is_open && matches!(self.tasks.front(), Some(Task::Message(_)))
    }

    /// True if the next task is the last: the one that fires `Close`.
    pub(crate) fn is_about_to_end(&self) -> bool {
        self.has_ended && self.tasks.len() == 1
    }

    fn run_task(&mut self, task: Task) -> Fired {
        match task {
            // `close` has been called since: it will never have been open.
            Task::Established { .. } if self.ready_state != ReadyState::Connecting => {
                Fired::default()
            }
            Task::Established { extensions, protocol } => {
                self.ready_state = ReadyState::Open;
                self.extensions = extensions;
                self.protocol = protocol;
                Fired::one(Event::Open)
            }
            // "If ready state is not OPEN (1), then return."
            Task::Message(_) if self.ready_state != ReadyState::Open => Fired::default(),
            Task::Message(data) => {
                let (origin, binary_type) = (self.origin.clone(), self.binary_type);
                Fired::one(Event::Message(MessageEvent { data, origin, binary_type }))
            }
            Task::ClosingStarted => {
                self.ready_state = self.ready_state.max(ReadyState::Closing);
                Fired::default()
            }
            Task::Closed { mut event } => {
                self.ready_state = ReadyState::Closed;
                // Clean means that our Close was sent, which takes more than to
                // have been put behind what else is to be sent.
                if event.was_clean && !self.outbox.is_written() {
                    event.was_clean = false;
                    self.diagnostic = Some(Diagnostic::Unsent);
                }
                self.close_event = Some(event.clone());
                let (was_clean, close) = (event.was_clean, Event::Close(event));
                match was_clean {
                    true => Fired::one(close),
                    false => Fired { events: [Some(Event::Error), Some(close)] },
                }
            }
        }
    }
}
