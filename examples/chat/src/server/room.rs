//! One room: what it is called and who is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outlet::Outlet;
use super::roster::Roster;
use crate::bus::{Event, Guest};
use crate::protocol::{Date, FromServer};

/// The name of a room, as it is in its address: up to 32 of `a` to `z`, `0` to
/// `9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// The room behind the front page.
    pub fn lobby() -> Self {
        Self("lobby".into())
    }

    /// `None` if no room can be called so.
    pub fn new(name: &str) -> Option<Self> {
        let is_allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let is_name = (1..=32).contains(&name.len()) && name.bytes().all(is_allowed);
        is_name.then(|| Self(name.into()))
    }

    /// As it is in the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One room: there as long as somebody is in it.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Those who are in it and those who are about to be.
    pub(super) places: usize,
    pub(super) members: BTreeMap<u64, Inside>,
    /// Who is in it by way of other servers.
    pub(super) roster: Roster,
}

/// Somebody connected to this server.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) outlet: Outlet,
    /// None until he says it.
    pub(super) named: Option<Named>,
}

/// Somebody's name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) since: Date,
}

impl Room {
    /// All who have signed in, here and elsewhere, in the order they did.
    pub(super) fn list(&self) -> FromServer {
        let named = |(id, member): (&u64, &'_ Inside)| {
            member.named.as_ref().map(|named| (named.since, *id, named.name.clone()))
        };
        let guests = self.roster.guests().map(|guest| (guest.date, guest.id, guest.name.clone()));
        let mut all: Vec<_> = self.members.iter().filter_map(named).chain(guests).collect();
        all.sort_unstable();
        FromServer::UserList { users: all.into_iter().map(|(_, _, name)| name).collect() }
    }

    /// Those of this server, for the others.
    pub(super) fn guests(&self) -> Event {
        let members = self.members.iter().filter_map(|(id, member)| {
            let Named { name, since, .. } = member.named.as_ref()?;
            Some(Guest { id: *id, name: name.clone(), date: *since })
        });
        Event::Members { members: members.collect() }
    }

    /// Removes those who were let go; says how many.
    pub(super) fn extract_slow(&mut self) -> u64 {
        let before = self.members.len();
        self.members.retain(|_, member| !member.outlet.is_dismissed());
        (before - self.members.len()) as u64
    }

    /// The members of this server whose name somebody elsewhere had before them:
    /// by date, and then by id.
    pub(super) fn losers(&self) -> Vec<(u64, String)> {
        let all =
            self.members.iter().filter_map(|(id, member)| Some((*id, member.named.as_ref()?)));
        let has_lost = |id: u64, named: &Named| {
            self.roster.since(&named.key).is_some_and(|other| other < (named.since, id))
        };
        all.filter(|(id, named)| has_lost(*id, named))
            .map(|(id, named)| (id, named.name.clone()))
            .collect()
    }

    /// True if anybody but this one has the name.
    pub(super) fn has_name(&self, key: &str, but: u64) -> bool {
        let has = |(id, member): (&u64, &Inside)| {
            *id != but && member.named.as_ref().is_some_and(|named| named.key == key)
        };
        self.members.iter().any(has) || self.roster.has(key)
    }
}
