//! Who is in a room by way of other servers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::name;
use crate::bus::Guest;
use crate::protocol::{Date, MAX_ID};

/// Other servers with members in one room; more are passed over.
const MAX_NODES: usize = 64;

/// Their members in one room, all together; more are passed over.
const MAX_GUESTS: usize = 1000;

/// The members of other servers in one room, as far as heard.
#[derive(Debug, Default)]
pub(super) struct Roster {
    nodes: HashMap<u64, Node>,
}

#[derive(Debug)]
struct Node {
    heard: Instant,
    guests: Vec<Known>,
}

/// A guest whose name was checked, and the key of it.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    guest: Guest,
    key: String,
}

impl Roster {
    /// Everybody, in no order.
    pub(super) fn guests(&self) -> impl Iterator<Item = &Guest> {
        self.nodes.values().flat_map(|node| &node.guests).map(|known| &known.guest)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.since(key).is_some()
    }

    /// Since when somebody has this name, and who: the earliest of them.
    pub(super) fn since(&self, key: &str) -> Option<(Date, u64)> {
        let all = self.nodes.values().flat_map(|node| &node.guests);
        let same = all.filter(|known| known.key == key);
        same.map(|known| (known.guest.date, known.guest.id)).min()
    }

    /// A server says who its members are. True if that is news.
    pub(super) fn set(&mut self, node: u64, guests: Vec<Guest>, now: Instant) -> bool {
        let others = self.guests().count() - self.nodes.get(&node).map_or(0, |n| n.guests.len());
        let room = MAX_GUESTS.saturating_sub(others);
        let mut guests: Vec<Known> = guests.into_iter().filter_map(check).take(room).collect();
        guests.sort_by_key(|known| known.guest.id);
        guests.dedup_by_key(|known| known.guest.id);
        let Some(known) = self.node(node, now) else { return false };
        let is_news = known.guests != guests;
        known.guests = guests;
        if known.guests.is_empty() {
            self.nodes.remove(&node);
        }
        is_news
    }

    /// A server says that somebody signed in, or has another name now. False if
    /// it cannot be.
    pub(super) fn put(&mut self, node: u64, guest: Guest, now: Instant) -> bool {
        let is_full = self.guests().count() >= MAX_GUESTS;
        let Some(new) = check(guest) else { return false };
        let Some(known) = self.node(node, now) else { return false };
        match known.guests.binary_search_by_key(&new.guest.id, |known| known.guest.id) {
            Ok(at) => known.guests[at] = new,
            Err(_) if is_full => return false,
            Err(at) => known.guests.insert(at, new),
        }
        true
    }

    /// Forgets the servers that were not heard for so long. True if there are
    /// any.
    pub(super) fn forget(&mut self, now: Instant, silence: Duration) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|_, node| now.saturating_duration_since(node.heard) < silence);
        self.nodes.len() < before
    }

    /// Forgets all. True if there was somebody.
    pub(super) fn clear(&mut self) -> bool {
        let had_any = !self.nodes.is_empty();
        self.nodes.clear();
        had_any
    }

    fn node(&mut self, node: u64, now: Instant) -> Option<&mut Node> {
        if !self.nodes.contains_key(&node) && self.nodes.len() >= MAX_NODES {
            return None;
        }
        let node = self.nodes.entry(node).or_insert(Node { heard: now, guests: Vec::new() });
        node.heard = now;
        Some(node)
    }
}

/// A guest as a server of ours would make one.
fn check(guest: Guest) -> Option<Known> {
    let key = is_valid(guest.id, &guest.name).then(|| name::key(&guest.name))?;
    Some(Known { guest, key })
}

/// True for an id and a name that a member can have.
pub(super) fn is_valid(id: u64, name: &str) -> bool {
    (1..=MAX_ID).contains(&id) && name::clean(name) == name && !name::is_reserved(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(id: u64, name: &str, date: u64) -> Guest {
        Guest { id, name: name.into(), date: Date(date) }
    }

    #[test]
    fn servers_are_forgotten() {
        let (mut roster, start) = (Roster::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        assert!(roster.set(1, vec![guest(1, "Ana", 5), guest(2, "Ben", 6)], at(0)));
        assert!(roster.set(2, vec![guest(3, "ANA", 3)], at(4)));
        assert!(!roster.set(1, vec![guest(2, "Ben", 6), guest(1, "Ana", 5)], at(3)), "no news");
        assert_eq!(roster.since("ana"), Some((Date(3), 3)));
        assert!(!roster.forget(at(12), Duration::from_secs(10)));
        assert!(roster.forget(at(13), Duration::from_secs(10)));
        assert_eq!(roster.guests().count(), 1);
        assert!(roster.set(2, vec![], at(13)));
        assert!(!roster.clear(), "empty already");
    }

    #[test]
    fn one_changes_the_name() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        assert!(roster.put(1, guest(1, "Ana", 5), now));
        assert!(roster.put(1, guest(1, "Ann", 6), now));
        assert!(!roster.has("ana"));
        assert!(roster.has("ann"));
    }

    #[test]
    fn what_no_server_of_ours_would_say() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        for bad in [guest(0, "Ana", 1), guest(1, " Ana", 1), guest(1, "sERVER", 1), guest(1, "", 1)]
        {
            assert!(!roster.put(1, bad.clone(), now));
            roster.set(1, vec![bad], now);
            assert_eq!(roster.guests().count(), 0);
        }
        let crowd = |from: u64| (from..from + 900).map(|id| guest(id, "Ana", 1)).collect();
        roster.set(1, crowd(1), now);
        roster.set(2, crowd(10_000), now);
        assert_eq!(roster.guests().count(), MAX_GUESTS);
        assert!(!roster.put(2, guest(5, "Ben", 1), now));
        roster.clear();
        for node in 0..100 {
            roster.put(node, guest(node + 1, "Ana", 1), now);
        }
        assert_eq!(roster.guests().count(), MAX_NODES);
    }
}
