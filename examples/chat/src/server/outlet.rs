//! The way to one member.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sockeye::PreparedMessage;
use sockeye::tokio::{Error, Sender};
use tokio::sync::Notify;

/// What a member's connection runs over.
pub(super) type Stream = TokioIo<Upgraded>;

/// Puts messages into the queue of a member's connection, from where its own
/// task sends them. The queue is bounded by the engine's
/// [`max_queued_len`](sockeye::Config::max_queued_len): who is not taking what
/// he is told is let go when it is full, and nobody waits for him.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: Sender<Stream>,
    dismissal: Arc<Dismissal>,
}

/// Whether a member was let go.
#[derive(Debug, Default)]
pub(super) struct Dismissal {
    is_dismissed: AtomicBool,
    notify: Notify,
}

impl Outlet {
    pub(super) fn new(sender: Sender<Stream>, dismissal: Arc<Dismissal>) -> Self {
        Self { sender, dismissal }
    }

    /// True if it was queued.
    pub(super) fn tell(&self, message: &PreparedMessage) -> bool {
        if self.is_dismissed() {
            return false;
        }
        match self.sender.queue_prepared(message) {
            Ok(()) => true,
            Err(Error::QueueFull) => {
                self.dismissal.is_dismissed.store(true, Ordering::Release);
                self.dismissal.notify.notify_one();
                false
            }
            // Closing: he leaves by himself.
            Err(_) => false,
        }
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissal.is_dismissed.load(Ordering::Acquire)
    }
}

impl Dismissal {
    /// Waits until the member is let go. Cancel safe.
    pub(super) async fn wait(&self) {
        self.notify.notified().await;
    }
}
