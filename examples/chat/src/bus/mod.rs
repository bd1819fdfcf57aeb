//! Several servers that share their rooms: what they tell each other.
//!
//! Each says what its members say, and who they are: when that changes, when
//! another asks, and every few seconds. Who is not heard for a while is
//! forgotten, with its members. Without a broker a server is alone, and nothing
//! here does anything.

#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
#[path = "no_nats.rs"]
mod nats;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::protocol::{Date, MAX_ID};
use crate::server::room::RoomName;

pub use nats::Link;

/// Bytes of one event; a longer one is not sent, and not read.
pub const MAX_EVENT_LEN: usize = 256 << 10;

/// Events that wait to be given to the broker; what does not fit is dropped.
const QUEUE: usize = 1024;

/// The time after which each server says again who its members are.
pub const BEAT: Duration = Duration::from_secs(3);

/// The time without a word from another server after which it is forgotten.
pub const FORGET: Duration = Duration::from_secs(10);

/// Something that one server tells the others, about one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// It has come into the room: who is there?
    Ask,
    /// These are its members, all of them.
    Members {
        /// The members.
        members: Vec<Guest>,
    },
    /// One of its members signed in, or has another name now.
    Username(Guest),
    /// One of its members said something.
    Message {
        /// Who.
        id: u64,
        /// The name.
        name: String,
        /// What.
        text: String,
        /// When.
        date: Date,
    },
}

/// A member of another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The id; no other member of any server has it.
    pub id: u64,
    /// The name.
    pub name: String,
    /// Since when: of two with the same name the earlier keeps it.
    pub date: Date,
}

/// An event and who tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The server.
    pub node: u64,
    /// What it tells.
    pub event: Event,
}

impl Envelope {
    /// Reads what came from the broker, which is not to be trusted more than
    /// other peers: `None` for what is too long or no event.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_EVENT_LEN {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }

    /// As it goes to the broker: `None` if it is too long.
    pub fn to_json(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().filter(|bytes| bytes.len() <= MAX_EVENT_LEN)
    }
}

/// Something to be told in a room.
#[derive(Debug)]
pub struct Outgoing {
    /// Where.
    pub room: RoomName,
    /// What.
    pub event: Event,
}

/// What comes out of a [`Bus`], for whoever carries it on.
#[derive(Debug)]
pub struct Work {
    /// To be told to the others.
    pub events: mpsc::Receiver<Outgoing>,
    /// Rooms have come or gone.
    pub rooms_changed: Arc<Notify>,
}

/// The way to the other servers. Never waits.
#[derive(Debug)]
pub struct Bus {
    /// None: there are no others.
    way: Option<(mpsc::Sender<Outgoing>, Arc<Notify>)>,
}

impl Bus {
    /// For a server that is alone.
    pub fn alone() -> Self {
        Self { way: None }
    }

    /// A bus, and what comes out of it.
    pub fn new() -> (Self, Work) {
        let (queue, events) = mpsc::channel(QUEUE);
        let rooms_changed = Arc::new(Notify::new());
        (Self { way: Some((queue, rooms_changed.clone())) }, Work { events, rooms_changed })
    }

    /// True if there may be others.
    pub fn has_others(&self) -> bool {
        self.way.is_some()
    }

    /// Tells the others. If the broker is far behind the event is dropped: what
    /// was said is lost to them, and members are told again soon.
    pub fn tell(&self, room: &RoomName, event: impl FnOnce() -> Event) {
        if let Some((queue, _)) = &self.way {
            if let Ok(slot) = queue.try_reserve() {
                slot.send(Outgoing { room: room.clone(), event: event() });
            }
        }
    }

    /// Rooms have come or gone.
    pub fn note_rooms(&self) {
        if let Some((_, rooms_changed)) = &self.way {
            rooms_changed.notify_one();
        }
    }
}

/// A number that nobody else has, unless by a chance of one in a million
/// billion: an id for a member, or a server.
pub fn random_id() -> u64 {
    // The keys of the standard library's hash maps come from the operating
    // system. An id has to be unique, and may be guessed.
    RandomState::new().hash_one(0_u8) % MAX_ID + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_as_they_went() {
        let guest = Guest { id: 7, name: "Ana".into(), date: Date(5) };
        let events = [
            (Event::Ask, r#"{"type":"ask"}"#),
            (
                Event::Members { members: vec![guest.clone()] },
                r#"{"type":"members","members":[{"id":7,"name":"Ana","date":5}]}"#,
            ),
            (Event::Username(guest), r#"{"type":"username","id":7,"name":"Ana","date":5}"#),
            (
                Event::Message { id: 7, name: "Ana".into(), text: "x".into(), date: Date(5) },
                r#"{"type":"message","id":7,"name":"Ana","text":"x","date":5}"#,
            ),
        ];
        for (event, json) in events {
            let envelope = Envelope { node: 9, event };
            let bytes = envelope.to_json().unwrap();
            assert_eq!(bytes, format!(r#"{{"node":9,"event":{json}}}"#).as_bytes());
            assert_eq!(Envelope::from_json(&bytes), Some(envelope));
        }
    }

    #[test]
    fn what_is_no_event() {
        for bytes in [&b""[..], b"{}", b"\xff", b"{\"node\":1}", b"{\"node\":1,\"event\":{}}"] {
            assert_eq!(Envelope::from_json(bytes), None);
        }
        let ask = Envelope { node: 9, event: Event::Ask }.to_json().unwrap();
        let padded = |len: usize| [&ask[..], &vec![b' '; len - ask.len()]].concat();
        assert!(Envelope::from_json(&padded(MAX_EVENT_LEN)).is_some());
        assert!(Envelope::from_json(&padded(MAX_EVENT_LEN + 1)).is_none());
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<u64> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| (1..=MAX_ID).contains(id)));
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_never_waits() {
        let (bus, mut work) = Bus::new();
        let room = RoomName::lobby();
        for _ in 0..QUEUE + 5 {
            bus.tell(&room, || Event::Ask);
        }
        drop(bus);
        let mut came = 0;
        while work.events.recv().await.is_some() {
            came += 1;
        }
        assert_eq!(came, QUEUE);
    }
}
