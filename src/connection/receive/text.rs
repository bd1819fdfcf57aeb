//! Payloads of text messages (RFC 6455, sections 5.6 and 8.1): UTF-8 over all
//! fragments and reads of a message, wherever they cut it.

use super::{Frame, Piece, Receiver, narrow};
use crate::buf::{BLOCK, Input};
use crate::connection::event::{Event, Place, Text, TextChunk};
use crate::error::ProtocolError;
use crate::utf8::Decoded;

/// The beginning of a character, in front of the payload that goes on with it.
pub(super) struct Joined {
    /// 1 to 3 bytes.
    len: usize,
    /// Of the payload's frame.
    fin: bool,
}

impl Receiver {
    /// Bytes of a text message, which begin between two characters, as a chunk.
    /// Those that are not UTF-8 go into the state.
    #[inline]
    pub(super) fn read_text<'b>(&mut self, bytes: &'b [u8], fin: bool) -> Option<Event<'b>> {
        let Decoded { text, valid } = self.text.decode(bytes);
        let ends = fin && self.remaining == 0;
        let mut left = self.remaining;
        if !valid || ends && !self.text.is_at_boundary() {
            self.frame = Frame::Invalid(ProtocolError::TextNotUtf8);
            // What is behind the text counts as still to come: it is not the last.
            left += (bytes.len() - text.len()) as u64;
        }
        let place = Place::new(self.first, fin.then_some(left));
        let is_told = place.is_last() || !text.is_empty();
        is_told.then_some(Event::Text(TextChunk { text: Text::Input(text), place }))
    }

    /// Reads text that goes on with a character of the last fragment's.
    #[inline(never)]
    pub(super) fn read_joined_text<'b>(
        &mut self,
        input: &mut Input<'b>,
        Joined { len: joined, fin }: Joined,
    ) -> Option<Piece<'b>> {
        let len = narrow(self.remaining.min((input.len() - joined) as u64));
        let bytes = input.take(joined + len.min(BLOCK));
        self.unmask(&mut bytes[joined..]);
        let piece = self.read_text(bytes, fin).map(Piece::Data);
        self.behind_payload(fin, piece.is_some());
        piece
    }

    /// Reads bytes, at most `len`, until the character that the end of a read
    /// cut is whole.
    pub(super) fn read_cut_char<'b>(
        &mut self,
        input: &mut Input<'b>,
        len: usize,
        fin: bool,
    ) -> Option<Piece<'b>> {
        for _ in 0..len {
            let &mut [byte] = self.take_payload(input, 1) else { return None };
            match self.text.complete(byte) {
                Ok(None) => {}
                Ok(Some(char)) => {
                    let chunk = TextChunk { text: Text::Joined(char), place: self.place(fin) };
                    return Some(Piece::Data(Event::Text(chunk)));
                }
                Err(_) => return Some(Piece::Violation(ProtocolError::TextNotUtf8)),
            }
        }
        // 8.1 by way of 5.6: the whole message MUST be valid UTF-8.
        (fin && self.remaining == 0).then_some(Piece::Violation(ProtocolError::TextNotUtf8))
    }

    /// Puts the beginning of a character that ended the last fragment in front of
    /// what this one brings of it, over the end of its header; the input holds so
    /// many bytes of that. Then both are one piece of text, and all that is left
    /// of the header is consumed. `None` if that can not be; nothing has changed.
    #[cold]
    pub(super) fn join(&mut self, input: &mut Input<'_>, header_len: usize) -> Option<Joined> {
        let Frame::Data { fin, .. } = self.frame else { return None };
        let len = self.text.carried();
        if self.remaining == 0 || input.len() == header_len || header_len < len {
            return None;
        }
        input.take(header_len - len);
        self.text.take_carry(input.peek_mut(len));
        Some(Joined { len, fin })
    }
}
