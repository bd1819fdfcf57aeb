//! Limits and deadlines: a struct that C fills, and what is made of it.

use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sockeye::Config;
#[cfg(feature = "deflate")]
use sockeye::DeflateConfig;
#[cfg(feature = "deflate")]
use sockeye::deflate::{Params, WindowBits};

use crate::boundary::{self, Place, enter};
use crate::result::sockeye_result;
use crate::result::sockeye_result::*;
use crate::time::{SOCKEYE_NEVER, duration, of_duration};

/// Limits, deadlines and policy of connections, from their opening handshakes on. Fill
/// it with `sockeye_config_init`, change what is to be otherwise, and make
/// `sockeye_settings` of it.
///
/// All limits are inclusive. Times are in nanoseconds; `SOCKEYE_NEVER` as a time is
/// that there is no such deadline. Later versions may add fields at the end; `size`
/// tells them how much of the struct a program knows, and 0 in the rest is what was
/// before.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_config {
    /// The bytes of this struct that the program knows. Set by `sockeye_config_init`.
    pub size: usize,
    /// Bytes of the head of a request or reply. A server answers 431 to more. Default:
    /// 16 KiB.
    pub max_head_len: usize,
    /// Header lines in a head, at most 128. A server answers 431 to more. Default: 100.
    pub max_headers: usize,
    /// Bytes of a request's target. A server answers 414 to more. Default: 8,000.
    pub max_target_len: usize,
    /// Bytes of the body of a refusal that a client keeps. Default: 64 KiB.
    pub max_refusal_len: usize,
    /// Bytes of the shortest message that is compressed. Default: 64.
    pub deflate_min_len: usize,

    /// Payload bytes of one message received, as they are after inflating; a message
    /// of more fails the connection with 1009. Default: 16 MiB. UINT64_MAX: no limit.
    pub max_message_len: u64,
    /// Payload bytes of one frame received, as they are on the wire; more fails the
    /// connection with 1009. Default: 16 MiB. UINT64_MAX: no limit.
    pub max_frame_len: u64,
    /// The time that the opening handshake may take. Default: 10 s.
    pub handshake_timeout_ns: u64,
    /// The time without any byte from the peer after which a Ping is sent. Default:
    /// never.
    pub ping_interval_ns: u64,
    /// The time that the Pong to such a Ping may take before the connection is given up
    /// with 1011. Default: 20 s.
    pub pong_timeout_ns: u64,
    /// The time without a data frame in either direction after which the connection is
    /// closed with 1001. Default: never.
    pub idle_timeout_ns: u64,
    /// The time that closing may take, from the first Close frame until the transport
    /// has ended. Default: 5 s.
    pub close_timeout_ns: u64,
    /// The time without a message compressed after which a connection's compressor is
    /// freed. Default: never.
    pub deflate_release_after_ns: u64,

    /// Frames of one message received, empty ones included; more fails the connection
    /// with 1009. Default: 262,144. UINT32_MAX: no limit.
    pub max_fragments: u32,
    /// The most that a message received may grow when it is inflated: bytes out for
    /// each byte in; more fails the connection with 1009. Default: 0, any growth within
    /// `max_message_len`.
    pub deflate_max_ratio: u32,

    /// 1: Pings are answered during the call that receives them. 0: the program answers
    /// them with `sockeye_connection_send_pong`. Default: 1 (RFC 6455, section 5.5.2,
    /// demands an answer).
    pub auto_pong: u8,
    /// 1: messages are compressed (permessage-deflate, RFC 7692) if the peer agrees.
    /// Default: 0. With the defaults a connection that keeps contexts owns up to 430 KB
    /// for them from its first compressed messages on.
    pub deflate: u8,
    /// How hard to compress, 1 to 9. Default: 3.
    pub deflate_level: u8,
    /// How much memory to compress in, 1 to 9. Default: 8.
    pub deflate_mem_level: u8,
    /// 1: the server compresses each message by itself, and keeps no memory between
    /// them (RFC 7692, section 7.1.1.1). Default: 0.
    pub deflate_server_no_context_takeover: u8,
    /// The same for the client (section 7.1.1.2). Default: 0.
    pub deflate_client_no_context_takeover: u8,
    /// The largest window that the server compresses with, 8 to 15: the base-2 logarithm
    /// of its bytes (section 7.1.2.1). Default: 15.
    pub deflate_server_max_window_bits: u8,
    /// The same for the client (section 7.1.2.2). Below 15 this leaves out clients that
    /// do not let it be limited, browsers among them. Default: 15.
    pub deflate_client_max_window_bits: u8,
}

/// Settings of connections: a `sockeye_config`, checked, and shared by all that are
/// made with it. They do not change, and any number of threads may use them at once.
#[derive(Debug)]
pub struct sockeye_settings {
    config: Arc<Config>,
}

/// Fills a config with the defaults. `size` is `sizeof(sockeye_config)`, as the program
/// was compiled.
///
/// Errors: `SOCKEYE_NULL_POINTER`; `SOCKEYE_INVALID_ARGUMENT` if `size` is less than it
/// ever was, or more than a megabyte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_config_init(
    config: *mut sockeye_config,
    size: usize,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let _ = unsafe { Place::new(config) }?;
        if !(SIZE..=MAX_SIZE).contains(&size) {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        let defaults = sockeye_config { size, ..sockeye_config::default() };
        // SAFETY: the caller says that so many bytes are there.
        unsafe { ptr::write_bytes(config.cast::<u8>(), 0, size) };
        // SAFETY: no more than that.
        unsafe { config.write(defaults) };
        Ok(SOCKEYE_OK)
    })
}

/// Makes settings of a config, for any number of connections. Free them with
/// `sockeye_settings_free`.
///
/// Errors: `SOCKEYE_NULL_POINTER`; `SOCKEYE_INVALID_ARGUMENT` for a value out of its
/// range, or a config that was not initialised; `SOCKEYE_UNSUPPORTED` for a field of a
/// later version that is not 0, or for compression if this library was built without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_settings_new(
    config: *const sockeye_config,
    settings: *mut *mut sockeye_settings,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let settings = unsafe { Place::for_object(settings) }?;
        // SAFETY: null, or initialised, which the check of `size` is about.
        let config = unsafe { sockeye_config::known(config) }?;
        settings.give(sockeye_settings { config: config.checked()?.into() });
        Ok(SOCKEYE_OK)
    })
}

/// Frees settings; NULL is none. Servers, clients and connections that were made with
/// them keep them, and are not affected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_settings_free(settings: *mut sockeye_settings) {
    // SAFETY: the caller's last use of it.
    unsafe { boundary::free(settings) }
}

impl sockeye_settings {
    /// The engine's form of these settings; its defaults for null.
    ///
    /// # Safety
    ///
    /// Null, or settings.
    pub(crate) unsafe fn config(settings: *const Self) -> Arc<Config> {
        static DEFAULT: OnceLock<Arc<Config>> = OnceLock::new();
        // SAFETY: null, or settings, which nobody changes.
        match unsafe { settings.as_ref() } {
            Some(settings) => settings.config.clone(),
            None => DEFAULT.get_or_init(Arc::default).clone(),
        }
    }
}

/// The bytes of the config of the first version, of which no program knows less.
const SIZE: usize = size_of::<sockeye_config>();

/// No later version is as large: what says so is no size.
const MAX_SIZE: usize = 1 << 20;

impl Default for sockeye_config {
    fn default() -> Self {
        let config = Config::default();
        let mut defaults = Self {
            size: SIZE,
            max_message_len: config.max_message_len,
            max_frame_len: config.max_frame_len,
            handshake_timeout_ns: of_duration(config.handshake_timeout),
            ping_interval_ns: of_duration(config.ping_interval),
            pong_timeout_ns: of_duration(Some(config.pong_timeout)),
            idle_timeout_ns: of_duration(config.idle_timeout),
            close_timeout_ns: of_duration(config.close_timeout),
            deflate_release_after_ns: SOCKEYE_NEVER,
            max_head_len: config.max_head_len,
            max_headers: config.max_headers,
            max_target_len: config.max_target_len,
            max_refusal_len: config.max_refusal_len,
            deflate_min_len: 0,
            max_fragments: config.max_fragments,
            deflate_max_ratio: 0,
            auto_pong: config.auto_pong.into(),
            deflate: 0,
            deflate_level: 0,
            deflate_mem_level: 0,
            deflate_server_no_context_takeover: 0,
            deflate_client_no_context_takeover: 0,
            deflate_server_max_window_bits: 0,
            deflate_client_max_window_bits: 0,
        };
        defaults.set_deflate();
        defaults
    }
}

impl sockeye_config {
    /// What a program has filled, as far as it knows of it.
    ///
    /// # Safety
    ///
    /// Null, or `size` bytes that are initialised.
    unsafe fn known(config: *const Self) -> Result<Self, sockeye_result> {
        // SAFETY: as a place to read from.
        let _ = unsafe { Place::new(config.cast_mut()) }?;
        // SAFETY: the first field is always there.
        let size = unsafe { config.cast::<usize>().read() };
        // A megabyte of config is none.
        if !(SIZE..=MAX_SIZE).contains(&size) {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        let mut known = MaybeUninit::new(Self::default());
        let len = size.min(size_of::<Self>());
        // SAFETY: both have at least so many bytes; any are a value.
        unsafe { ptr::copy_nonoverlapping(config.cast::<u8>(), known.as_mut_ptr().cast(), len) };
        let rest = config.cast::<u8>().wrapping_add(len);
        // SAFETY: within `size`, and initialised, since the program fills what it knows.
        let rest = unsafe { slice::from_raw_parts(rest, size - len) };
        if rest.iter().any(|byte| *byte != 0) {
            return Err(SOCKEYE_UNSUPPORTED);
        }
        // SAFETY: it was a value before, and numbers were written over it.
        Ok(unsafe { known.assume_init() })
    }

    fn checked(&self) -> Result<Config, sockeye_result> {
        let mut config = Config::default();
        config.max_message_len = self.max_message_len;
        config.max_frame_len = self.max_frame_len;
        config.max_fragments = self.max_fragments;
        config.auto_pong = flag(self.auto_pong)?;
        config.max_head_len = self.max_head_len;
        config.max_headers = self.max_headers;
        config.max_target_len = self.max_target_len;
        config.max_refusal_len = self.max_refusal_len;
        config.handshake_timeout = duration(self.handshake_timeout_ns);
        config.ping_interval = duration(self.ping_interval_ns);
        config.pong_timeout = Duration::from_nanos(self.pong_timeout_ns);
        config.idle_timeout = duration(self.idle_timeout_ns);
        config.close_timeout = duration(self.close_timeout_ns);
        if flag(self.deflate)? {
            self.check_deflate(&mut config)?;
        }
        Ok(config)
    }

    #[cfg(feature = "deflate")]
    fn set_deflate(&mut self) {
        let deflate = DeflateConfig::default();
        self.deflate_min_len = deflate.min_len;
        self.deflate_level = deflate.level;
        self.deflate_mem_level = deflate.mem_level;
        self.deflate_server_max_window_bits = WindowBits::MAX.get();
        self.deflate_client_max_window_bits = WindowBits::MAX.get();
    }

    #[cfg(not(feature = "deflate"))]
    fn set_deflate(&mut self) {}

    #[cfg(feature = "deflate")]
    fn check_deflate(&self, config: &mut Config) -> Result<(), sockeye_result> {
        let bits = |bits| WindowBits::new(bits).ok_or(SOCKEYE_INVALID_ARGUMENT);
        let levels = [self.deflate_level, self.deflate_mem_level];
        if !levels.iter().all(|level| (1..=9).contains(level)) {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        let mut deflate = DeflateConfig::default();
        deflate.params = vec![Params {
            server_no_context_takeover: flag(self.deflate_server_no_context_takeover)?,
            client_no_context_takeover: flag(self.deflate_client_no_context_takeover)?,
            server_max_window_bits: bits(self.deflate_server_max_window_bits)?,
            client_max_window_bits: bits(self.deflate_client_max_window_bits)?,
        }];
        deflate.level = self.deflate_level;
        deflate.mem_level = self.deflate_mem_level;
        deflate.min_len = self.deflate_min_len;
        deflate.max_ratio = (self.deflate_max_ratio > 0).then_some(self.deflate_max_ratio);
        deflate.release_after = duration(self.deflate_release_after_ns);
        config.deflate = Some(deflate);
        Ok(())
    }

    #[cfg(not(feature = "deflate"))]
    fn check_deflate(&self, _: &mut Config) -> Result<(), sockeye_result> {
        Err(SOCKEYE_UNSUPPORTED)
    }
}

fn flag(value: u8) -> Result<bool, sockeye_result> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SOCKEYE_INVALID_ARGUMENT),
    }
}

// No byte of it is padding, which C leaves as it is.
const _: () = assert!(SIZE == size_of::<([usize; 6], [u64; 8], [u32; 2], [u8; 8])>());
