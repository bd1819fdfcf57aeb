//! What a client keeps: who it is.

use crate::protocol::{Date, FromClient, FromServer};

/// A client of the chat, wherever its messages go.
#[derive(Clone, Debug)]
pub struct Client {
    name: String,
    /// Given by the server, to each connection a new one.
    id: Option<u64>,
}

impl Client {
    /// A client that would like to be known by this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), id: None }
    }

    /// The name: the one that was wished for, until the server gives another.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True once the server has said who we are.
    pub fn is_known(&self) -> bool {
        self.id.is_some()
    }

    /// Takes what the server sent, and gives the answer if there is one: to `id`,
    /// the name.
    pub fn receive(&mut self, message: &FromServer) -> Option<FromClient> {
        match message {
            FromServer::Id { id } => {
                self.id = Some(*id);
                self.sign_in()
            }
            FromServer::RejectUsername { id, name } if Some(*id) == self.id => {
                self.name.clone_from(name);
                None
            }
            _ => None,
        }
    }

    /// Wishes for another name; `None` before the server has said who we are: then
    /// it is the name to sign in with.
    pub fn rename(&mut self, name: impl Into<String>) -> Option<FromClient> {
        self.name = name.into();
        self.sign_in()
    }

    /// Says something; `None` before the server has said who we are.
    pub fn say(&self, text: impl Into<String>) -> Option<FromClient> {
        Some(FromClient::Message { text: text.into(), id: self.id?, date: Date::now() })
    }

    /// The connection is over: the next has another id.
    pub fn forget(&mut self) {
        self.id = None;
    }

    fn sign_in(&self) -> Option<FromClient> {
        Some(FromClient::Username { name: self.name.clone(), id: self.id?, date: Date::now() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_kept_and_the_name_said() {
        let mut client = Client::new("Ana");
        assert!(client.say("too early").is_none() && !client.is_known());
        let answer = client.receive(&FromServer::Id { id: 7 });
        let Some(FromClient::Username { name, id: 7, .. }) = answer else {
            unreachable!("{answer:?}")
        };
        assert_eq!(name, "Ana");
        let said = client.say("hello");
        assert!(matches!(said, Some(FromClient::Message { id: 7, .. })), "{said:?}");
    }

    #[test]
    fn a_name_that_is_in_use_becomes_another() {
        let mut client = Client::new("Ana");
        client.receive(&FromServer::Id { id: 7 });
        let for_another = FromServer::RejectUsername { id: 8, name: "Ben2".into() };
        assert!(client.receive(&for_another).is_none());
        assert_eq!(client.name(), "Ana");
        let for_us = FromServer::RejectUsername { id: 7, name: "Ana2".into() };
        assert!(client.receive(&for_us).is_none());
        assert_eq!(client.name(), "Ana2");
    }

    #[test]
    fn another_connection_has_another_id() {
        let mut client = Client::new("Ana");
        client.receive(&FromServer::Id { id: 7 });
        client.forget();
        assert!(client.say("nobody hears this").is_none());
        assert!(client.rename("Bea").is_none());
        let answer = client.receive(&FromServer::Id { id: 9 });
        assert!(
            matches!(&answer, Some(FromClient::Username { name, id: 9, .. }) if name == "Bea"),
            "{answer:?}"
        );
    }
}
