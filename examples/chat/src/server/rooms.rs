//! Rooms: who is in them, and what everybody is told.
//!
//! One lock for all of them. Nothing waits while it is held: to tell somebody
//! something is to put it into the queue of his connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sockeye::PreparedMessage;

use super::limits::Limits;
use super::name;
use super::outlet::Outlet;
use super::room::{Inside, Named, Room, RoomName};
use super::roster;
use crate::bus::{Bus, Envelope, Event, Guest, random_id};
use crate::protocol::{Date, FromServer};

/// Said when the other servers are out of reach, and when they are back.
const ALONE: &str = "The other servers are out of reach: what is said here stays here for now.";
const TOGETHER: &str = "The other servers are back: everybody hears everybody again.";

/// All rooms of this server. A room is there as long as somebody is in it.
#[derive(Debug)]
pub struct Rooms {
    limits: Limits,
    bus: Bus,
    state: Mutex<State>,
    /// When somebody was last given a name, in milliseconds.
    last_named: AtomicU64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct State {
    rooms: HashMap<RoomName, Room>,
    /// Places taken, in all rooms.
    places: usize,
    /// There is a broker, and it can be reached.
    is_connected: bool,
}

/// How much was told.
#[derive(Debug, Default)]
struct Counts {
    encoded: AtomicU64,
    queued: AtomicU64,
    dismissed: AtomicU64,
}

/// How much a server has told its members so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Messages encoded.
    pub encoded: u64,
    /// Messages queued: one that goes to ten members counts ten times.
    pub queued: u64,
    /// Members let go because their queue was full.
    pub dismissed: u64,
}

/// No room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// In this room.
    Room,
    /// In any.
    Server,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(limits: Limits, bus: Bus) -> Arc<Self> {
        let (state, last_named, counts) = Default::default();
        Arc::new(Self { limits, bus, state, last_named, counts })
    }

    /// What is limited.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How much was told.
    pub fn told(&self) -> Told {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { encoded, queued, dismissed } = &self.counts;
        Told { encoded: get(encoded), queued: get(queued), dismissed: get(dismissed) }
    }

    /// Takes a place for somebody who is about to come in.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn place(self: &Arc<Self>, room: &RoomName) -> Result<Place, Full> {
        let mut state = self.lock();
        if state.places >= self.limits.max_members {
            return Err(Full::Server);
        }
        if state.rooms.get(room).is_some_and(|room| room.places >= self.limits.max_room) {
            return Err(Full::Room);
        }
        state.places += 1;
        let inside = state.rooms.entry(room.clone()).or_default();
        inside.places += 1;
        if inside.places == 1 {
            // If it is listened to already, since it was there a moment ago;
            // otherwise that is asked for when it is.
            self.bus.tell(room, || Event::Ask);
            self.bus.note_rooms();
        }
        Ok(Place { rooms: self.clone(), room: room.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- telling ---------------------------------------------------------

    fn encode(&self, message: &FromServer) -> PreparedMessage {
        self.counts.encoded.fetch_add(1, Ordering::Relaxed);
        PreparedMessage::text(&message.to_json())
    }

    /// Tells everybody who has signed in; the same bytes for all of them. Those
    /// whose queue is full are out from here on, and all others are told.
    fn tell_all(&self, name: &RoomName, room: &mut Room, message: &FromServer) {
        self.tell_queues(room, message);
        loop {
            let slow = room.extract_slow();
            if slow == 0 {
                return;
            }
            self.counts.dismissed.fetch_add(slow, Ordering::Relaxed);
            self.tell_queues(room, &room.list());
            self.bus.tell(name, || room.guests());
        }
    }

    fn tell_queues(&self, room: &Room, message: &FromServer) {
        let prepared = self.encode(message);
        for member in room.members.values().filter(|member| member.named.is_some()) {
            self.tell(member, &prepared);
        }
    }

    fn tell(&self, member: &Inside, message: &PreparedMessage) {
        if member.outlet.tell(message) {
            self.counts.queued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Who is there has changed: tells everybody here, and the other servers.
    fn tell_members(&self, name: &RoomName, room: &mut Room) {
        let list = room.list();
        self.tell_all(name, room, &list);
        self.bus.tell(name, || room.guests());
    }

    // ---- the other servers -----------------------------------------------

    /// The rooms there are.
    pub fn names(&self) -> Vec<RoomName> {
        self.lock().rooms.keys().cloned().collect()
    }

    /// The way to the other servers is there, or is not any more. False if that
    /// is no news.
    pub fn set_connected(&self, is_connected: bool) -> bool {
        let mut state = self.lock();
        let was_connected = std::mem::replace(&mut state.is_connected, is_connected);
        if was_connected == is_connected {
            return false;
        }
        let notice = FromServer::notice(if is_connected { TOGETHER } else { ALONE });
        for (name, room) in &mut state.rooms {
            let is_smaller = !is_connected && room.roster.clear();
            self.tell_all(name, room, &notice);
            if is_smaller {
                let list = room.list();
                self.tell_all(name, room, &list);
            }
            if is_connected {
                self.bus.tell(name, || Event::Ask);
                self.bus.tell(name, || room.guests());
            }
        }
        true
    }

    /// Comes into a room as far as the other servers are concerned: asks who is
    /// there.
    pub fn ask(&self, name: &RoomName) {
        if let Some(room) = self.lock().rooms.get(name) {
            self.bus.tell(name, || Event::Ask);
            self.bus.tell(name, || room.guests());
        }
    }

    /// Tells the other servers again who is here, and forgets those that have
    /// been silent for too long.
    pub fn beat(&self, now: Instant, forget: Duration) {
        let mut state = self.lock();
        for (name, room) in &mut state.rooms {
            self.bus.tell(name, || room.guests());
            if room.roster.forget(now, forget) {
                let list = room.list();
                self.tell_all(name, room, &list);
            }
        }
    }

    /// Takes what another server tells; what none of ours would say is passed
    /// over.
    pub fn hear(&self, name: &RoomName, Envelope { node, event }: Envelope, now: Instant) {
        let mut state = self.lock();
        // What was under way when the broker went would come back as a ghost.
        if !state.is_connected {
            return;
        }
        let Some(room) = state.rooms.get_mut(name) else { return };
        match event {
            Event::Ask => self.bus.tell(name, || room.guests()),
            Event::Members { members } => {
                let is_ours = |guest: &Guest| room.members.contains_key(&guest.id);
                let members = members.into_iter().filter(|guest| !is_ours(guest)).collect();
                if room.roster.set(node, members, now) {
                    self.settle(name, room);
                    let list = room.list();
                    self.tell_all(name, room, &list);
                }
            }
            Event::Username(guest) => {
                let Guest { id, name: user, date } = guest.clone();
                if !room.members.contains_key(&id) && room.roster.put(node, guest, now) {
                    self.tell_all(name, room, &FromServer::Username { id, name: user, date });
                    self.settle(name, room);
                    let list = room.list();
                    self.tell_all(name, room, &list);
                }
            }
            Event::Message { id, name: user, text, date } => {
                let is_ours = room.members.contains_key(&id);
                let fits = text.chars().count() <= self.limits.max_text && text == tidy(&text);
                if !is_ours && fits && roster::is_valid(id, &user) {
                    self.tell_all(name, room, &FromServer::Message { id, name: user, text, date });
                }
            }
        }
    }

    /// Two servers gave away the same name before they heard of each other. Of
    /// the two who have it the earlier keeps it, by date and then by id; each
    /// server renames those of its own who do not.
    fn settle(&self, room_name: &RoomName, room: &mut Room) {
        for (id, name) in room.losers() {
            self.give_name(room_name, room, id, name);
        }
    }

    /// Now, or as soon after the last as a date can be: members are listed in
    /// the order in which they came.
    fn date_of_name(&self) -> Date {
        // Under the lock, which makes it one step.
        let last = self.last_named.load(Ordering::Relaxed);
        let date = Date::now().0.max(last.saturating_add(1));
        self.last_named.store(date, Ordering::Relaxed);
        Date(date)
    }

    /// Gives a member the name or one made of it, and tells everybody.
    fn give_name(&self, room_name: &RoomName, room: &mut Room, id: u64, wanted: String) {
        let name = name::unique(wanted.clone(), |key| room.has_name(key, id));
        let since = self.date_of_name();
        let Some(member) = room.members.get_mut(&id) else { return };
        if name != wanted {
            let name = name.clone();
            self.tell(member, &self.encode(&FromServer::RejectUsername { id, name }));
        }
        member.named = Some(Named { key: name::key(&name), name: name.clone(), since });
        self.bus.tell(room_name, || Event::Username(Guest { id, name: name.clone(), date: since }));
        self.tell_all(room_name, room, &FromServer::Username { id, name, date: since });
    }
}

/// The text of a message without control characters, but for ends of lines and
/// tabs, and without blanks around it. Text that turns its direction stays as
/// it is: pages and terminals see to that.
fn tidy(text: &str) -> String {
    let keeps = |c: &char| matches!(c, '\n' | '\t') || !c.is_control();
    let tidy: String = text.chars().filter(keeps).collect();
    tidy.trim().to_owned()
}

// ---- one member ------------------------------------------------------------

/// A place in a room, given back when dropped.
#[derive(Debug)]
pub struct Place {
    rooms: Arc<Rooms>,
    room: RoomName,
}

impl Place {
    /// The connection is open: tells the client its id. It hears of the others
    /// once it has signed in.
    pub(super) fn enter(self, outlet: Outlet) -> Member {
        let id = {
            let mut state = self.rooms.lock();
            let members = &mut state.rooms.entry(self.room.clone()).or_default().members;
            let mut id = random_id();
            while members.contains_key(&id) {
                id = random_id();
            }
            let member = Inside { outlet, named: None };
            self.rooms.tell(&member, &self.rooms.encode(&FromServer::Id { id }));
            members.insert(id, member);
            id
        };
        Member { place: self, id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.rooms.lock();
        state.places -= 1;
        if let Some(room) = state.rooms.get_mut(&self.room) {
            room.places -= 1;
            if room.places == 0 {
                state.rooms.remove(&self.room);
                self.rooms.bus.note_rooms();
            }
        }
    }
}

/// Somebody in a room, until dropped.
#[derive(Debug)]
pub(super) struct Member {
    place: Place,
    id: u64,
}

impl Member {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn limits(&self) -> &Limits {
        self.place.rooms.limits()
    }

    /// Signs in, or takes another name. The client is told if it gets another
    /// than it asked for because somebody has that.
    pub(super) fn sign_in(&self, wanted: &str) {
        let Place { rooms, room: name } = &self.place;
        let mut state = rooms.lock();
        let is_alone = rooms.bus.has_others() && !state.is_connected;
        let Some(room) = state.rooms.get_mut(name) else { return };
        let is_new = room.members.get(&self.id).is_some_and(|member| member.named.is_none());
        rooms.give_name(name, room, self.id, name::clean(wanted));
        rooms.tell_members(name, room);
        if is_new && is_alone {
            self.tell_in(room, &FromServer::notice(ALONE));
        }
    }

    /// Says something to everybody.
    pub(super) fn say(&self, text: &str) {
        let Place { rooms, room: room_name } = &self.place;
        let text = tidy(text);
        let len = text.chars().count();
        let most = rooms.limits.max_text;
        if len == 0 {
            return self.notify("An empty message is not passed on.");
        }
        if len > most {
            return self.notify(&format!(
                "Your message was not passed on: it has {len} characters, and {most} is the most."
            ));
        }
        let mut state = rooms.lock();
        let Some(room) = state.rooms.get_mut(room_name) else { return };
        let Some(named) = room.members.get(&self.id).and_then(|member| member.named.as_ref())
        else {
            return;
        };
        let (id, name, date) = (self.id, named.name.clone(), Date::now());
        rooms.bus.tell(room_name, || {
            let (name, text) = (name.clone(), text.clone());
            Event::Message { id, name, text, date }
        });
        rooms.tell_all(room_name, room, &FromServer::Message { id, name, text, date });
    }

    /// Tells this member alone.
    pub(super) fn notify(&self, text: &str) {
        let state = self.place.rooms.lock();
        if let Some(room) = state.rooms.get(&self.place.room) {
            self.tell_in(room, &FromServer::notice(text));
        }
    }

    fn tell_in(&self, room: &Room, message: &FromServer) {
        if let Some(member) = room.members.get(&self.id) {
            self.place.rooms.tell(member, &self.place.rooms.encode(message));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Place { rooms, room: name } = &self.place;
        let mut state = rooms.lock();
        let Some(room) = state.rooms.get_mut(name) else { return };
        // One who was let go is out already, and the others know.
        if room.members.remove(&self.id).is_some_and(|member| member.named.is_some()) {
            rooms.tell_members(name, room);
        }
    }
}
