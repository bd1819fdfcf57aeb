//! Every limit and every deadline, in one place.
//!
//! Layer: above `deflate`, whose settings are among them. Values only.

use core::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;

/// Limits, deadlines and policy of a connection, from its opening handshake
/// to its end. Shared by all connections of a server through an `Arc`.
///
/// All limits are inclusive: what is exactly as long as the limit passes.
///
/// # Example: larger messages, and a Ping when the peer is silent
///
/// ```
/// use core::time::Duration;
/// use sockeye::Config;
///
/// let mut config = Config::default();
/// config.max_message_len = 64 << 20;
/// config.max_frame_len = 64 << 20;
/// config.ping_interval = Some(Duration::from_secs(20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Bytes of payload of one message received, over all its frames. A frame
    /// that announces more fails the connection with 1009 before any of it is
    /// read. Compressed messages count as they are inflated. `u64::MAX`: no limit,
    /// for callers that stream.
    ///
    /// Default: 16 MiB. Few applications send more in one message; whoever
    /// collects whole messages can be made to hold this much per connection.
    pub max_message_len: u64,
    /// Bytes of payload of one frame received, as it is on the wire; more fails
    /// the connection with 1009. `u64::MAX`: no limit. (A compressed message that
    /// does not shrink takes some bytes more than it is long.)
    ///
    /// Default: 16 MiB, since a message may come in one frame.
    pub max_frame_len: u64,
    /// Frames of one message received, empty ones included; more fails the
    /// connection with 1009. Lengths alone do not bound the work that empty
    /// fragments make. `u32::MAX`: no limit.
    ///
    /// Default: 262,144, which is the default message limit in frames of 64
    /// bytes.
    pub max_fragments: u32,
    /// Whether a Ping is answered by the engine, during the call that receives
    /// it. Otherwise the caller answers `Event::Ping` with `send_pong`.
    ///
    /// Default: true (section 5.5.2 demands an answer).
    pub auto_pong: bool,
    /// Compression of messages, permessage-deflate (RFC 7692): what a client
    /// offers, what a server accepts, and how well to compress. `None`: none.
    ///
    /// Default: `None`. Its memory, see [`deflate`](crate::deflate), is for an
    /// application to grant; that some crate in the tree turned the feature on
    /// is no reason.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,

    /// Bytes of output that an adapter queues while the network does not take
    /// them. What is sent when there are more waits or is refused; the message
    /// that passes the limit is queued whole. While there are more answers to
    /// the peer than that, nothing is read, so that a peer which never reads
    /// cannot make memory grow. (Were reading to stop for messages of our own,
    /// two ends with much to say would wait for each other.)
    ///
    /// Default: 1 MiB. It holds the messages of a busy second; a peer that is
    /// further behind should be waited for, or let go.
    pub max_queued_len: usize,

    /// Bytes of the head of a request or reply, with its blank line. A server
    /// answers 431 to more.
    ///
    /// Default: 16 KiB. Browsers send at most 8 KiB or so of cookies.
    pub max_head_len: usize,
    /// Header lines in a head, at most [`Config::MAX_HEADERS`]. A server
    /// answers 431 to more.
    ///
    /// Default: 100, more than any browser or chain of proxies sends.
    pub max_headers: usize,
    /// Bytes of a request's target. A server answers 414 to more.
    ///
    /// Default: 8,000, what RFC 9112 (section 3) asks every server to support.
    pub max_target_len: usize,
    /// Bytes of the body of a refusal that a client keeps for its caller; the
    /// rest is cut off.
    ///
    /// Default: 64 KiB. It is an error page.
    pub max_refusal_len: usize,

    /// The time that the opening handshake may take, on both sides, from the
    /// first call of its `handle_timeout`. `None`: any time.
    ///
    /// Default: 10 s. An honest peer on a bad line needs a few round trips.
    pub handshake_timeout: Option<Duration>,
    /// The time without any byte from the peer after which a Ping is sent.
    /// `None`: never.
    ///
    /// Default: `None`. Traffic of its own, and 144 bytes of memory for each
    /// connection, are the application's choice.
    pub ping_interval: Option<Duration>,
    /// The time that the Pong to such a Ping may take before the connection
    /// is given up with 1011. While a frame is arriving the peer cannot send a
    /// Pong, so its bytes put the deadline off.
    ///
    /// Default: 20 s. It matters only with `ping_interval`.
    pub pong_timeout: Duration,
    /// The time without a data frame in either direction after which the
    /// connection is closed with 1001. `None`: never.
    ///
    /// Default: `None`. What is idle is for the application to say.
    pub idle_timeout: Option<Duration>,
    /// The time that closing may take, from the first Close frame in either
    /// direction, or a failure, until the transport has ended. `None`: any
    /// time.
    ///
    /// Default: 5 s. After that there is nothing more to hear.
    pub close_timeout: Option<Duration>,
}

impl Config {
    /// The most that [`max_headers`](Self::max_headers) can be: what the
    /// parser has room for on the stack.
    pub const MAX_HEADERS: usize = 128;

    /// The shortest time within which a deadline can pass that a command of
    /// the application's has begun.
    #[cfg(feature = "std")] // for an adapter
    pub(crate) fn shortest_wait(&self) -> Option<Duration> {
        #[cfg(feature = "deflate")]
        if let Some(release) = self.deflate.as_ref().and_then(|deflate| deflate.release_after) {
            return Some(self.close_timeout.map_or(release, |close| close.min(release)));
        }
        self.close_timeout
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_wait_is_that_of_the_deadline_which_passes_first() {
        let mut config = Config::default();
        assert_eq!(config.shortest_wait(), config.close_timeout);
        config.close_timeout = None;
        assert_eq!(config.shortest_wait(), None);
        #[cfg(feature = "deflate")]
        for (close, release, first) in [(None, 3, 3), (Some(2), 3, 2), (Some(4), 3, 3)] {
            config.close_timeout = close.map(Duration::from_secs);
            let release_after = Some(Duration::from_secs(release));
            config.deflate = Some(DeflateConfig { release_after, ..DeflateConfig::default() });
            assert_eq!(config.shortest_wait(), Some(Duration::from_secs(first)));
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_len: 16 << 20,
            max_frame_len: 16 << 20,
            max_fragments: 1 << 18,
            auto_pong: true,
            #[cfg(feature = "deflate")]
            deflate: None,
            max_queued_len: 1 << 20,
            max_head_len: 16 << 10,
            max_headers: 100,
            max_target_len: 8000,
            max_refusal_len: 64 << 10,
            handshake_timeout: Some(Duration::from_secs(10)),
            ping_interval: None,
            pong_timeout: Duration::from_secs(20),
            idle_timeout: None,
            close_timeout: Some(Duration::from_secs(5)),
        }
    }
}
