//! The JSON on the wire: that of the chat in MDN's "Writing WebSocket client
//! applications".
//!
//! Every message is a text message that holds one object, with a `type`. On
//! open the server sends `id`; the client keeps that, sends it along from then
//! on, and says its `username` first. What is in an object beyond what is named
//! here is passed over.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};

/// The subprotocol that the server selects if a client offers it.
pub const SUBPROTOCOL: &str = "json";

/// The name that notices of the server itself come from. Nobody else has it.
pub const SERVER_NAME: &str = "Server";

/// The id that notices of the server itself come with. Nobody else has it.
pub const SERVER_ID: u64 = 0;

/// The greatest id: a JavaScript number holds it without loss.
pub const MAX_ID: u64 = (1 << 53) - 1;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromClient {
    /// Something to be said to the room.
    Message {
        /// What.
        text: String,
        /// The id that the server gave this client.
        id: u64,
        /// When, by the client's clock.
        date: Date,
    },
    /// The name to be known by: signs in, or changes it.
    Username {
        /// The name that the client would like.
        name: String,
        /// The id that the server gave this client.
        id: u64,
        /// When, by the client's clock.
        date: Date,
    },
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromServer {
    /// The first message: who the client is.
    Id {
        /// Its id, to be sent along with all it says.
        id: u64,
    },
    /// Somebody signed in.
    Username {
        /// Who.
        id: u64,
        /// The name.
        name: String,
        /// When, by the server's clock.
        date: Date,
    },
    /// Somebody said something.
    Message {
        /// Who; [`SERVER_ID`] for a notice of the server's.
        id: u64,
        /// Whose name; [`SERVER_NAME`] for a notice of the server's.
        name: String,
        /// What.
        text: String,
        /// When, by the server's clock.
        date: Date,
    },
    /// The name that the client chose is in use: it has another one now.
    RejectUsername {
        /// The client.
        id: u64,
        /// The name that it has instead.
        name: String,
    },
    /// Who is in the room, at each join and leave.
    UserList {
        /// The names.
        users: Vec<String>,
    },
}

impl FromServer {
    /// A notice of the server's own.
    pub fn notice(text: impl Into<String>) -> Self {
        let (id, name) = (SERVER_ID, SERVER_NAME.to_owned());
        Self::Message { id, name, text: text.into(), date: Date::now() }
    }

    /// As it is on the wire.
    pub fn to_json(&self) -> String {
        to_json(self)
    }

    /// Reads what a server sent.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl FromClient {
    /// As it is on the wire.
    pub fn to_json(&self) -> String {
        to_json(self)
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

fn to_json(value: &impl Serialize) -> String {
    // Strings, numbers and lists of them: nothing that JSON could not hold.
    serde_json::to_string(value).unwrap_or_default()
}

/// Milliseconds since 1970, as JavaScript's `Date.now()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Date(pub u64);

impl Date {
    /// The time by this machine's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Any number will do: JavaScript's are all floating.
impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Saturates; what is before 1970 or no number counts as 1970.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        f64::deserialize(from).map(|number| Self(number as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The objects of the documents, and what they are here.
    #[test]
    fn objects_of_clients() {
        let cases = [
            (
                r#"{"type":"message","text":"Hello!","id":7,"date":1700000000000}"#,
                FromClient::Message { text: "Hello!".into(), id: 7, date: Date(1_700_000_000_000) },
            ),
            (
                r#"{"type":"username","name":"Ana","id":7,"date":1700000000000}"#,
                FromClient::Username { name: "Ana".into(), id: 7, date: Date(1_700_000_000_000) },
            ),
        ];
        for (json, value) in cases {
            assert_eq!(FromClient::from_json(json).unwrap(), value);
            assert_eq!(value.to_json(), json);
        }
    }

    #[test]
    fn objects_of_servers() {
        let date = Date(1_700_000_000_000);
        let cases = [
            (r#"{"type":"id","id":7}"#, FromServer::Id { id: 7 }),
            (
                r#"{"type":"username","id":7,"name":"Ana","date":1700000000000}"#,
                FromServer::Username { id: 7, name: "Ana".into(), date },
            ),
            (
                r#"{"type":"message","id":7,"name":"Ana","text":"<b>&amp;","date":1700000000000}"#,
                FromServer::Message { id: 7, name: "Ana".into(), text: "<b>&amp;".into(), date },
            ),
            (
                r#"{"type":"rejectusername","id":7,"name":"Ana2"}"#,
                FromServer::RejectUsername { id: 7, name: "Ana2".into() },
            ),
            (
                r#"{"type":"userlist","users":["Ana","Ben"]}"#,
                FromServer::UserList { users: vec!["Ana".into(), "Ben".into()] },
            ),
        ];
        for (json, value) in cases {
            assert_eq!(FromServer::from_json(json).unwrap(), value);
            assert_eq!(value.to_json(), json);
        }
    }

    #[test]
    fn order_blanks_and_extras_do_not_matter() {
        let json = "{ \"date\": 1.5e3, \"id\": 7,\n\"x\": [{}], \"name\": \"Ana\", \"type\": \"username\" }";
        let value = FromClient::Username { name: "Ana".into(), id: 7, date: Date(1500) };
        assert_eq!(FromClient::from_json(json).unwrap(), value);
    }

    #[test]
    fn what_is_none_of_it() {
        for json in [
            "",
            "null",
            "[]",
            "{}",
            "{\"type\":\"message\"",
            r#"{"type":"shout","text":"x","id":7,"date":1}"#,
            r#"{"type":"message","id":7,"date":1}"#,
            r#"{"type":"message","text":"x","id":-1,"date":1}"#,
            r#"{"type":"message","text":"x","id":"7","date":1}"#,
            r#"{"type":"message","text":"x","id":7,"date":"now"}"#,
            r#"{"type":"message","text":null,"id":7,"date":1}"#,
            r#"{"type":"id","id":7}"#,
            r#"{"type":"message","text":"\ud800","id":7,"date":1}"#,
        ] {
            assert!(FromClient::from_json(json).is_err(), "{json}");
        }
        let deep = "[".repeat(100_000);
        assert!(FromClient::from_json(&deep).is_err());
    }

    #[test]
    fn odd_dates_are_dates() {
        for (json, date) in [("-5", 0), ("1e300", u64::MAX), ("12.9", 12)] {
            assert_eq!(serde_json::from_str::<Date>(json).unwrap(), Date(date));
        }
    }
}
