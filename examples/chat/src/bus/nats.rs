//! Servers that share their rooms through a NATS broker: one subject for each
//! room.
//!
//! A server listens to the rooms that it has members in. The broker may be away,
//! at the start too: members go on among themselves, are told so, and told again
//! when it is back. What is said meanwhile stays where it is said; nothing is
//! kept for later, since nobody could tell how much that would be.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Event as Change};
use futures_util::StreamExt;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{MissedTickBehavior, interval};

use super::{BEAT, Envelope, FORGET, Outgoing, Work, random_id};
use crate::server::room::RoomName;
use crate::server::rooms::Rooms;

/// Messages that wait for us in each room; what does not fit is dropped by the
/// client.
const INBOX: usize = 1024;

/// Commands that wait for the connection.
const OUTBOX: usize = 1024;

/// The way to the broker, and a task that minds it.
#[derive(Debug)]
pub struct Link {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts connecting, and goes on by itself: whether the broker is there is
    /// not waited for.
    ///
    /// # Errors
    ///
    /// The address is none.
    pub async fn start(url: &str, rooms: Arc<Rooms>, work: Work) -> Result<Self, String> {
        eprintln!("broker: connecting; until then members of this server are among themselves");
        let (state, changes) = watch::channel(false);
        let state = Arc::new(state);
        let client = ConnectOptions::new()
            .name("sockeye-chat")
            .no_echo()
            .retry_on_initial_connect()
            .connection_timeout(Duration::from_secs(5))
            .reconnect_delay_callback(delay)
            .ping_interval(Duration::from_secs(10))
            .client_capacity(OUTBOX)
            .subscription_capacity(INBOX)
            .event_callback(move |change| {
                note(&state, &change);
                async {}
            })
            .connect(url)
            .await
            .map_err(|error| format!("--nats: {error}"))?;
        let (end, ended) = oneshot::channel();
        let minder = Minder { node: random_id(), client, rooms, inboxes: HashMap::new() };
        let task = tokio::spawn(minder.run(work, changes, ended));
        Ok(Self { end, task })
    }

    /// Says what is still to be said, and ends.
    pub async fn finish(self) {
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// Soon at first, then every two seconds.
fn delay(attempts: usize) -> Duration {
    let doubled = 50_u64 << attempts.min(6);
    Duration::from_millis(doubled.min(2000))
}

fn note(state: &watch::Sender<bool>, change: &Change) {
    let is_connected = match change {
        Change::Connected => true,
        Change::Disconnected | Change::Closed => false,
        _ => return,
    };
    state.send_replace(is_connected);
}

/// Carries events to the broker and back.
struct Minder {
    node: u64,
    client: Client,
    rooms: Arc<Rooms>,
    inboxes: HashMap<RoomName, Inbox>,
}

/// The task that listens to one room.
struct Inbox(AbortHandle);

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Minder {
    async fn run(
        mut self,
        mut work: Work,
        mut changes: watch::Receiver<bool>,
        mut end: oneshot::Receiver<()>,
    ) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut end => break,
                Ok(()) = changes.changed() => {
                    let is_connected = *changes.borrow_and_update();
                    if self.rooms.set_connected(is_connected) {
                        eprintln!("broker: {}", if is_connected { "connected" } else { "out of reach" });
                    }
                }
                () = work.rooms_changed.notified() => self.look().await,
                _ = beat.tick() => self.rooms.beat(Instant::now(), FORGET),
                Some(event) = work.events.recv() => {
                    let is_connected = *changes.borrow();
                    self.tell(event, is_connected).await;
                }
            }
        }
        let is_connected = *changes.borrow();
        while let Ok(event) = work.events.try_recv() {
            self.tell(event, is_connected).await;
        }
        let _ = self.client.flush().await;
    }

    /// Gives an event to the broker. While it is away nothing is kept for it.
    async fn tell(&self, Outgoing { room, event }: Outgoing, is_connected: bool) {
        if !is_connected {
            return;
        }
        if let Some(bytes) = (Envelope { node: self.node, event }).to_json() {
            // Fails only when the client has ended.
            let _ = self.client.publish(subject(&room), bytes.into()).await;
        }
    }

    /// Listens to the rooms there are.
    async fn look(&mut self) {
        let names: HashSet<RoomName> = self.rooms.names().into_iter().collect();
        self.inboxes.retain(|name, _| names.contains(name));
        for name in names {
            if !self.inboxes.contains_key(&name) {
                if let Ok(inbox) = self.listen(name.clone()).await {
                    self.inboxes.insert(name.clone(), inbox);
                    // Behind the subscription: the answers are heard.
                    self.rooms.ask(&name);
                }
            }
        }
    }

    async fn listen(&self, room: RoomName) -> Result<Inbox, async_nats::SubscribeError> {
        let mut messages = self.client.subscribe(subject(&room)).await?;
        let (node, rooms) = (self.node, self.rooms.clone());
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                // What the broker gives is no more to be trusted than what a
                // client says.
                if let Some(envelope) = Envelope::from_json(&message.payload) {
                    if envelope.node != node {
                        rooms.hear(&room, envelope, Instant::now());
                    }
                }
            }
        });
        Ok(Inbox(task.abort_handle()))
    }
}

fn subject(room: &RoomName) -> String {
    format!("sockeye.chat.{}", room.as_str())
}
