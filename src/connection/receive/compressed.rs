//! Payloads of compressed messages (RFC 7692, sections 6.2 and 7.2.2): inflated
//! into scratch room, piece by piece, and from there on what any payload is.

use super::{Context, Frame, Piece, Receiver, narrow};
use crate::buf::Input;
use crate::connection::event::{BinaryChunk, Event, MessageKind, Place, Text, TextChunk};
use crate::error::ProtocolError;
use crate::mask;

/// Bytes that a chunk has at most: what the inflater is given in one call, which
/// is counted in 32 bits. That it is much has its use: each call notes the
/// window behind what came out, and is slow about its last bytes.
const MAX_CHUNK: usize = 128 << 10;

/// Bytes more that the payload of a chunk may have than the chunk: for the
/// headers of DEFLATE's blocks.
const HEADERS: usize = 1 << 10;

impl Receiver {
    /// Inflates payload that is in the input into what scratch room there is.
    /// `None`: more of one or the other is needed; `Some(None)`: nothing has
    /// come out, and there is more to do.
    #[inline(never)] // the way of what is not compressed stays short
    pub(super) fn read_compressed<'b>(
        &mut self,
        input: &mut Input<'b>,
        fin: bool,
        context: &mut Context<'_>,
    ) -> Option<Option<Piece<'b>>> {
        // It was agreed on, or the header would have been refused.
        let inflation = context.inflation.as_deref_mut()?;
        let len = self.available(input);
        let wants_input = len == 0 && self.remaining > 0 && !inflation.is_pending();
        let wants_scratch = !wants_input && input.scratch_len() < Input::MIN_SCRATCH;
        inflation.set_wants_scratch(wants_scratch);
        if wants_input || wants_scratch {
            return None;
        }
        // Enough to fill the room, and not much more: what was not consumed is masked
        // again, so that it is as it came.
        let len = len.min(input.scratch_len().min(MAX_CHUNK) + HEADERS);
        let (payload, scratch) = input.peek_with_scratch(len);
        // An unfinished character goes on where it stopped.
        let carried = self.text.take_carry(scratch);
        let room = scratch.len().min(MAX_CHUNK) - carried;
        // One byte more than may come: whether it comes makes the difference.
        let left = context.config.max_message_len.saturating_sub(self.message_len);
        let most = left.saturating_add(1).min(inflation.unjudged(self.message_len));
        let room = narrow(most.min(room as u64));

        let is_masked = self.key != [0; 4];
        if is_masked {
            mask::apply(payload, self.key);
        }
        let (progress, result) = inflation.inflate(payload, &mut scratch[carried..][..room]);
        if is_masked {
            self.key = mask::turned(self.key, progress.consumed);
            mask::apply(&mut payload[progress.consumed..], self.key);
        }
        input.take(progress.consumed);
        self.remaining -= progress.consumed as u64;

        let kind = self.message;
        let is_too_long = progress.produced as u64 > left;
        let produced = narrow(left.min(progress.produced as u64));
        self.message_len += produced as u64;
        let mut ended = false;
        let ends = self.remaining == 0 && fin && !inflation.is_pending();
        if is_too_long {
            self.frame = Frame::Invalid(ProtocolError::MessageTooLong);
        } else if inflation.has_grown_too_much(self.message_len, ends) {
            self.frame = Frame::Invalid(ProtocolError::CompressionRatioTooHigh);
        } else if result.is_err() {
            self.frame = Frame::Invalid(ProtocolError::CompressedDataInvalid);
        } else if self.remaining == 0 && !inflation.is_pending() {
            if fin && inflation.finish().is_err() {
                self.frame = Frame::Invalid(ProtocolError::CompressedDataInvalid);
            } else {
                ended = fin;
                self.end_data_frame(fin);
            }
        }
        let bytes = input.take_scratch(carried + produced);
        let event = match kind {
            Some(MessageKind::Text) => self.inflated_text(bytes, ended),
            _ => self.inflated_binary(bytes, ended),
        };
        Some(event.map(Piece::Data))
    }

    fn inflated_binary<'b>(&self, bytes: &'b mut [u8], ended: bool) -> Option<Event<'b>> {
        let place = self.inflated_place(ended);
        (ended || !bytes.is_empty()).then_some(Event::Binary(BinaryChunk { bytes, place }))
    }

    fn inflated_text<'b>(&mut self, bytes: &'b [u8], ended: bool) -> Option<Event<'b>> {
        let decoded = self.text.decode(bytes);
        let mut ended = ended;
        if !decoded.valid || ended && !self.text.is_at_boundary() {
            // Whatever else is wrong lies behind it.
            self.frame = Frame::Invalid(ProtocolError::TextNotUtf8);
            ended = false;
        }
        let (text, place) = (Text::Input(decoded.text), self.inflated_place(ended));
        (ended || !decoded.text.is_empty()).then_some(Event::Text(TextChunk { text, place }))
    }

    /// How much is to come is known only when it has come.
    fn inflated_place(&self, ended: bool) -> Place {
        Place::new(self.first, ended.then_some(0))
    }
}
