//! The input, read as a peer: its configuration and what it sends.
//!
//! Frames are made of a script, well-formed for the most part, so that the
//! fuzzer gets behind the first rules; or they are any bytes.

use crate::bodies::script::Script;

/// Whom the engines talk to.
#[derive(Debug)]
pub struct Peer {
    /// It sends as a client, and the engines are servers.
    pub is_client: bool,
    /// The engines have sent a Close frame before they hear.
    pub is_closing: bool,
    /// Our engine has agreed on compression, of which theirs knows nothing.
    pub is_compressing: bool,
    /// The engines send every message back.
    pub is_echoed: bool,
    pub max_frame_len: usize,
    pub max_message_len: usize,
    pub wire: Vec<u8>,
}

impl Peer {
    pub fn of(data: &[u8]) -> Self {
        let mut script = Script::new(data);
        let flags = script.byte();
        let on = |bit: u8| flags >> bit & 1 == 1;
        let (max_frame_len, max_message_len) = match flags >> 5 & 3 {
            0 => (1 << 20, 1 << 20),
            1 => (20, 40),
            2 => (130, 130),
            _ => (65_535, 65_600),
        };
        let mut peer = Self {
            is_client: on(0),
            is_closing: on(1),
            is_compressing: on(2),
            is_echoed: on(3),
            max_frame_len,
            max_message_len,
            wire: Vec::new(),
        };
        if on(4) {
            peer.wire = script.take(usize::MAX).to_vec();
        } else {
            while !script.is_over() {
                peer.frame(&mut script);
            }
        }
        peer
    }

    /// The same circumstances for whoever hears the engines.
    pub fn opposite(&self) -> Self {
        Self {
            is_client: !self.is_client,
            is_closing: false,
            is_compressing: false,
            is_echoed: false,
            // What was heard was not longer, nor is its echo.
            max_frame_len: 1 << 20,
            max_message_len: 1 << 20,
            wire: Vec::new(),
        }
    }

    /// A frame: its kind and how it is masked, its payload, and, if the top
    /// bit of the first byte asks for it, what is unusual about it.
    fn frame(&mut self, script: &mut Script<'_>) {
        let kind = script.byte();
        let opcode = [1, 2, 0, 0, 8, 9, 10, 1][usize::from(kind & 7)];
        // The last of the texts and the first continuation do not end a message.
        let fin = !matches!(kind & 7, 2 | 7);
        let key =
            [[0; 4], [0x37, 0xfa, 0x21, 0x3d], [1, 0, 0, 0], [0xff; 4]][usize::from(kind >> 4 & 3)];
        let payload = if opcode == 8 { close(script) } else { script.payload() };
        let unusual = if kind & 0x80 == 0 { Unusual::default() } else { Unusual::of(script) };

        let first = opcode | if fin { 0x80 } else { 0 };
        let masked = self.is_client != unusual.masked_otherwise;
        self.wire.push(first ^ unusual.first);
        let announced = payload.len() as u64 + u64::from(unusual.missing);
        self.len(announced, if masked { 0x80 } else { 0 }, unusual.form);
        let mut payload = payload;
        if masked {
            self.wire.extend_from_slice(&key);
            sockeye::mask::apply_by_definition(&mut payload, key);
        }
        self.wire.extend_from_slice(&payload);
    }

    fn len(&mut self, len: u64, mask_bit: u8, form: Form) {
        match (form, u16::try_from(len)) {
            (Form::Shortest, Ok(len @ 0..126)) => self.wire.push(mask_bit | len as u8),
            (Form::Shortest | Form::Two, Ok(len)) => {
                self.wire.push(mask_bit | 126);
                self.wire.extend_from_slice(&len.to_be_bytes());
            }
            _ => {
                self.wire.push(mask_bit | 127);
                let top = if form == Form::EightWithTopBit { 1 << 63 } else { 0 };
                self.wire.extend_from_slice(&(len | top).to_be_bytes());
            }
        }
    }
}

/// A Close body: codes of the RFC's table mostly.
fn close(script: &mut Script<'_>) -> Vec<u8> {
    const TELLING: [u16; 10] = [0, 999, 1016, 2999, 3000, 3999, 4000, 4999, 5000, u16::MAX];
    let code = match script.byte() {
        0 => return Vec::new(),
        1 => return vec![script.byte()],
        byte @ 2..18 => 1000 + u16::from(byte - 2),
        byte @ 18..28 => TELLING[usize::from(byte - 18)],
        byte => u16::from_be_bytes([byte, script.byte()]),
    };
    [&code.to_be_bytes(), script.some_bytes()].concat()
}

/// What is not as it should be.
#[derive(Default)]
struct Unusual {
    /// Bits of the first byte to turn over: FIN, RSV, opcode.
    first: u8,
    masked_otherwise: bool,
    form: Form,
    /// Bytes announced that do not come; those of the next frame do instead.
    missing: u8,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Form {
    #[default]
    Shortest,
    /// Behind 126.
    Two,
    /// Behind 127.
    Eight,
    EightWithTopBit,
}

impl Unusual {
    fn of(script: &mut Script<'_>) -> Self {
        let byte = script.byte();
        let detail = script.byte();
        let usual = Self::default();
        match byte % 6 {
            0 => Self { first: detail, ..usual },
            1 => Self { first: [0x40, 0x20, 0x10, 0x80][usize::from(detail & 3)], ..usual },
            2 => Self { masked_otherwise: true, ..usual },
            3 => {
                let form = [Form::Two, Form::Eight, Form::EightWithTopBit, Form::Shortest];
                Self { form: form[usize::from(detail & 3)], ..usual }
            }
            4 => Self { missing: detail, ..usual },
            _ => Self { first: 0x0f & detail, missing: detail >> 4, ..usual },
        }
    }
}
