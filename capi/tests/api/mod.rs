//! The functions of the header, called as C calls them, and objects that are freed.

#![allow(dead_code)] // each test file uses some of it

use std::ffi::CStr;
use std::ptr;

pub use sockeye_capi::sockeye_result::*;
pub use sockeye_capi::*;

pub const ABSENT: sockeye_bytes = sockeye_bytes { data: ptr::null(), len: 0 };

pub fn bytes(bytes: &(impl AsRef<[u8]> + ?Sized)) -> sockeye_bytes {
    let bytes = bytes.as_ref();
    sockeye_bytes { data: bytes.as_ptr(), len: bytes.len() }
}

/// What a function gave, copied.
#[track_caller]
pub fn taken(bytes: sockeye_bytes) -> Vec<u8> {
    assert!(!bytes.data.is_null(), "it is absent");
    // SAFETY: as the library says.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }.to_vec()
}

#[track_caller]
pub fn said(bytes: sockeye_bytes) -> String {
    String::from_utf8(taken(bytes)).unwrap()
}

pub fn words(text: *const std::ffi::c_char) -> String {
    // SAFETY: the library's texts are C strings.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}

/// A place for a value that C would leave uninitialised.
pub fn empty<T>() -> T {
    // SAFETY: only for structs of the header, of which any bytes are values.
    unsafe { std::mem::zeroed() }
}

// ---- memory -----------------------------------------------------------------------------

/// An output over memory that was never written to.
pub struct Out {
    memory: Vec<u8>,
    pub raw: sockeye_output,
}

impl Out {
    pub fn new(capacity: usize) -> Self {
        let mut memory = Vec::with_capacity(capacity);
        let data = memory.as_mut_ptr();
        Self { memory, raw: sockeye_output { data, capacity, len: 0, needed: 0 } }
    }

    /// The filled bytes, which are then on the wire.
    pub fn take(&mut self) -> Vec<u8> {
        // SAFETY: the library has filled so many.
        unsafe { self.memory.set_len(self.raw.len) };
        let filled = self.memory.clone();
        self.memory.clear();
        self.raw.len = 0;
        filled
    }
}

// ---- objects ----------------------------------------------------------------------------

pub struct Settings(pub *mut sockeye_settings);

impl Settings {
    pub fn new(set: impl FnOnce(&mut sockeye_config)) -> Self {
        let mut config = config();
        set(&mut config);
        let mut settings = ptr::null_mut();
        // SAFETY: both are there.
        let result = unsafe { sockeye_settings_new(&config, &mut settings) };
        assert_eq!(result, SOCKEYE_OK);
        Self(settings)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: its last use.
        unsafe { sockeye_settings_free(self.0) }
    }
}

/// The defaults.
pub fn config() -> sockeye_config {
    let mut config = empty();
    // SAFETY: it is there.
    let result = unsafe { sockeye_config_init(&mut config, size_of::<sockeye_config>()) };
    assert_eq!(result, SOCKEYE_OK);
    config
}

pub struct Server(pub *mut sockeye_server);

impl Server {
    pub fn new(settings: &Settings) -> Self {
        let mut server = ptr::null_mut();
        // SAFETY: both are there.
        assert_eq!(unsafe { sockeye_server_new(settings.0, &mut server) }, SOCKEYE_OK);
        Self(server)
    }

    pub fn receive(&self, received: &[u8], request: &mut sockeye_request) -> sockeye_result {
        // SAFETY: all are there.
        unsafe { sockeye_server_receive(self.0, bytes(received), request) }
    }

    pub fn accept(
        &self,
        request: &sockeye_request,
        chosen: sockeye_bytes,
        out: &mut Out,
    ) -> Result<Ws, sockeye_result> {
        let mut ws = ptr::null_mut();
        // SAFETY: all are there.
        let result = unsafe {
            sockeye_server_accept(self.0, request, chosen, ptr::null(), 0, &mut out.raw, &mut ws)
        };
        if result == SOCKEYE_OK { Ok(Ws(ws)) } else { Err(result) }
    }

    pub fn error(&self) -> sockeye_handshake_error {
        // SAFETY: it is there.
        unsafe { sockeye_server_error(self.0) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: its last use.
        unsafe { sockeye_server_free(self.0) }
    }
}

pub struct Client(pub *mut sockeye_client);

impl Client {
    /// Asks `example.com` for `/chat`.
    pub fn new(settings: &Settings) -> Self {
        let mut client = ptr::null_mut();
        let (host, target) = (bytes("example.com"), bytes("/chat"));
        // SAFETY: all are there.
        let result = unsafe {
            sockeye_client_new(settings.0, ptr::null(), false, host, 80, target, &mut client)
        };
        assert_eq!(result, SOCKEYE_OK);
        Self(client)
    }

    pub fn request(&self, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_client_write_request(self.0, &mut out.raw) }
    }

    pub fn receive(
        &self,
        received: &[u8],
        reply: &mut sockeye_reply,
    ) -> Result<Option<Ws>, sockeye_result> {
        let mut ws = ptr::null_mut();
        // SAFETY: all are there.
        let result = unsafe { sockeye_client_receive(self.0, bytes(received), reply, &mut ws) };
        if result == SOCKEYE_OK { Ok((!ws.is_null()).then_some(Ws(ws))) } else { Err(result) }
    }

    pub fn receive_eof(&self, received: &[u8], reply: &mut sockeye_reply) -> sockeye_result {
        let mut ws = ptr::null_mut();
        // SAFETY: all are there.
        let result = unsafe { sockeye_client_receive_eof(self.0, bytes(received), reply, &mut ws) };
        assert!(ws.is_null());
        result
    }

    pub fn error(&self) -> sockeye_handshake_error {
        // SAFETY: it is there.
        unsafe { sockeye_client_error(self.0) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: its last use.
        unsafe { sockeye_client_free(self.0) }
    }
}

/// A connection.
pub struct Ws(pub *mut sockeye_connection);

impl Ws {
    pub fn server(settings: &Settings) -> Self {
        let mut ws = ptr::null_mut();
        // SAFETY: both are there.
        let result = unsafe { sockeye_connection_new_server(settings.0, ABSENT, &mut ws) };
        assert_eq!(result, SOCKEYE_OK);
        Self(ws)
    }

    pub fn client(settings: &Settings, seed: [u8; SOCKEYE_SEED_LEN]) -> Self {
        let mut ws = ptr::null_mut();
        // SAFETY: all are there.
        let result =
            unsafe { sockeye_connection_new_client(settings.0, seed.as_ptr(), ABSENT, &mut ws) };
        assert_eq!(result, SOCKEYE_OK);
        Self(ws)
    }

    pub fn receive(
        &self,
        input: &mut sockeye_input,
        out: &mut Out,
        event: &mut sockeye_event,
    ) -> sockeye_result {
        // SAFETY: all are there.
        unsafe { sockeye_connection_receive(self.0, input, &mut out.raw, event) }
    }

    pub fn text(&self, text: impl AsRef<[u8]>, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_text(self.0, bytes(&text), &mut out.raw) }
    }

    pub fn binary(&self, data: impl AsRef<[u8]>, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_binary(self.0, bytes(&data), &mut out.raw) }
    }

    pub fn text_fragment(
        &self,
        text: impl AsRef<[u8]>,
        fin: bool,
        out: &mut Out,
    ) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_text_fragment(self.0, bytes(&text), fin, &mut out.raw) }
    }

    pub fn binary_fragment(
        &self,
        data: impl AsRef<[u8]>,
        fin: bool,
        out: &mut Out,
    ) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_binary_fragment(self.0, bytes(&data), fin, &mut out.raw) }
    }

    pub fn ping(&self, payload: impl AsRef<[u8]>, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_ping(self.0, bytes(&payload), &mut out.raw) }
    }

    pub fn pong(&self, payload: impl AsRef<[u8]>, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_send_pong(self.0, bytes(&payload), &mut out.raw) }
    }

    pub fn close(&self, code: u16, reason: impl AsRef<[u8]>, out: &mut Out) -> sockeye_result {
        // SAFETY: both are there.
        unsafe { sockeye_connection_close(self.0, code, bytes(&reason), &mut out.raw) }
    }

    pub fn note_time(&self, now: u64) -> u64 {
        let mut next = 0;
        // SAFETY: both are there.
        assert_eq!(unsafe { sockeye_connection_note_time(self.0, now, &mut next) }, SOCKEYE_OK);
        next
    }

    pub fn handle_timeout(&self, now: u64, out: &mut Out) -> u64 {
        let mut next = 0;
        // SAFETY: all are there.
        let result =
            unsafe { sockeye_connection_handle_timeout(self.0, now, &mut out.raw, &mut next) };
        assert_eq!(result, SOCKEYE_OK);
        next
    }

    pub fn closed(&self) -> Option<sockeye_closed> {
        let mut closed = empty();
        // SAFETY: both are there.
        match unsafe { sockeye_connection_closed(self.0, &mut closed) } {
            SOCKEYE_OK => Some(closed),
            SOCKEYE_NONE => None,
            other => panic!("{other:?}"),
        }
    }

    pub fn eof(&self) -> sockeye_closed {
        let mut closed = empty();
        // SAFETY: both are there.
        let result = unsafe { sockeye_connection_receive_eof(self.0, &mut closed) };
        assert_eq!(result, SOCKEYE_OK);
        closed
    }

    pub fn wants_time(&self) -> bool {
        // SAFETY: it is there.
        unsafe { sockeye_connection_wants_time(self.0) }
    }

    pub fn should_close_transport(&self) -> bool {
        // SAFETY: it is there.
        unsafe { sockeye_connection_should_close_transport(self.0) }
    }
}

impl Drop for Ws {
    fn drop(&mut self) {
        // SAFETY: its last use.
        unsafe { sockeye_connection_free(self.0) }
    }
}

pub fn input(data: &mut [u8], scratch: &mut [u8]) -> sockeye_input {
    sockeye_input {
        data: data.as_mut_ptr(),
        len: data.len(),
        scratch: scratch.as_mut_ptr(),
        scratch_len: scratch.len(),
    }
}

// ---- both ends --------------------------------------------------------------------------

/// The two ends of a connection, by a handshake over the functions of the header.
pub fn pair(settings: &Settings) -> (Ws, Ws) {
    let (mut asked, mut answered) = (Out::new(4096), Out::new(4096));
    let client = Client::new(settings);
    assert_eq!(client.request(&mut asked), SOCKEYE_OK);
    let server = Server::new(settings);
    let (head, mut request) = (asked.take(), empty());
    assert_eq!(server.receive(&head, &mut request), SOCKEYE_OK);
    let at_server = server.accept(&request, ABSENT, &mut answered).unwrap();
    let (head, mut reply) = (answered.take(), empty());
    let at_client = client.receive(&head, &mut reply).unwrap().unwrap();
    assert_eq!((reply.status, reply.is_accepted, reply.head_len), (101, true, head.len()));
    (at_client, at_server)
}
