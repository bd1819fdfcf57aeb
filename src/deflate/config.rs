//! What an endpoint wants of compression.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::offer::{self, Agreement, InvalidReply, Offers};
use super::params::Params;

/// What is agreed to, how well to compress, and what it may cost.
///
/// # Example: smaller compressors, freed after a minute
///
/// ```
/// use core::time::Duration;
/// use sockeye::{Config, DeflateConfig};
///
/// let mut deflate = DeflateConfig::default();
/// deflate.mem_level = 5;
/// deflate.release_after = Some(Duration::from_secs(60));
/// let mut config = Config::default();
/// config.deflate = Some(deflate);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// What may be agreed on, the preferred first. A client offers these in
    /// this order. A server takes the first offer that it can narrow to one of
    /// them; each is a limit, and what the client asks may narrow it further.
    ///
    /// A limit on the client's window leaves out clients that do not let it be
    /// limited, Firefox and Safari among them, unless a second entry is there
    /// for them.
    ///
    /// Default: one, [`Params::default`].
    pub params: Vec<Params>,
    /// How hard to compress, `1..=9`; what is outside counts as the nearest.
    ///
    /// Default: 3. For long messages zlib's own, 6, takes twice the time and
    /// saves one byte in twenty; 1 takes a third of the time, for one and a half
    /// times the bytes. For messages of some hundred bytes with a context that is
    /// kept, 1 takes a fifth of the time, for a tenth more bytes.
    pub level: u8,
    /// How much memory to compress in, `1..=9`; what is outside counts as the
    /// nearest. See the table in [`deflate`](crate::deflate).
    ///
    /// Default: 8, zlib's.
    pub mem_level: u8,
    /// Bytes of the shortest message that is compressed. Shorter ones are sent
    /// plain; a message sent in fragments is compressed unless its only
    /// fragment is shorter. 0: all; `usize::MAX`: none.
    /// [`Connection::compress_next`](crate::Connection::compress_next) decides
    /// otherwise for one message.
    ///
    /// Default: 64. What is shorter gains less than it costs; without context
    /// takeover that holds up to 128.
    pub min_len: usize,
    /// The most that a message received may grow: bytes that come out for each
    /// byte of payload that went in. More fails the connection with 1009. It is
    /// judged whenever 64 KiB more have come out, and at the end of messages
    /// that are as long. (Where the bytes were cut can make a difference of a
    /// few of them.) `None`: any growth, within
    /// [`Config::max_message_len`](crate::Config::max_message_len).
    ///
    /// Default: `None`. The format itself allows no more than 1032.
    pub max_ratio: Option<u32>,
    /// The time without a message compressed after which the compressor is
    /// freed; what comes next is compressed as if it were the first. `None`:
    /// never, but where no context is kept anyway.
    ///
    /// Default: `None`. It is a deadline like others: a clock is read for each
    /// message.
    pub release_after: Option<Duration>,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            params: vec![Params::default()],
            level: 3,
            mem_level: 8,
            min_len: 64,
            max_ratio: None,
            release_after: None,
        }
    }
}

/// Negotiation over header values, for handshakes made elsewhere.
///
/// # Example: both ends
///
/// ```
/// use sockeye::DeflateConfig;
///
/// let (client, server) = (DeflateConfig::default(), DeflateConfig::default());
/// let offer = client.offers().to_string();
/// assert_eq!(offer, "permessage-deflate; client_max_window_bits");
/// let agreement = server.accept([offer.as_bytes()]).expect("nothing against it");
/// let reply = agreement.to_string();
/// assert_eq!(reply, "permessage-deflate");
/// assert_eq!(client.confirm([reply.as_bytes()])?, Some(agreement.params()));
/// # Ok::<(), sockeye::deflate::InvalidReply>(())
/// ```
impl DeflateConfig {
    /// What a client offers: the value of `Sec-WebSocket-Extensions`. Empty if
    /// there are no [`params`](Self::params): then leave the header out.
    pub fn offers(&self) -> Offers<'_> {
        Offers(&self.params)
    }

    /// What a server agrees to, given the values of all
    /// `Sec-WebSocket-Extensions` of the request, in order. `None`: none of it.
    /// Elements that have to be declined, and other extensions, are passed
    /// over; what is behind a malformed one is not looked at (a request that has
    /// one is best refused: RFC 6455, section 9.1). Allocates nothing unless a
    /// value is escaped.
    pub fn accept<'a>(&self, offered: impl IntoIterator<Item = &'a [u8]>) -> Option<Agreement> {
        offer::accept(offered, &self.params)
    }

    /// What a client has to make of the values of all
    /// `Sec-WebSocket-Extensions` of the reply. `None`: nothing was agreed on.
    ///
    /// # Errors
    ///
    /// A reply that answers none of the offers: fail the connection.
    pub fn confirm<'a>(
        &self,
        reply: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Params>, InvalidReply> {
        offer::confirm(reply, &self.params)
    }
}
