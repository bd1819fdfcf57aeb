//! Whether the server takes extended CONNECT (RFC 8441, section 3).

use core::fmt;

/// `SETTINGS_ENABLE_CONNECT_PROTOCOL`, the identifier of the setting, in HTTP/2
/// (RFC 8441, section 3) and in HTTP/3 (RFC 9220, section 3).
pub const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;

/// What the server's settings say about extended CONNECT, for one HTTP
/// connection.
///
/// # Example: SETTINGS that came
///
/// ```
/// use sockeye::handshake::extended::{ENABLE_CONNECT_PROTOCOL, Settings};
///
/// let mut settings = Settings::new();
/// for (id, value) in [(0x3, 100), (ENABLE_CONNECT_PROTOCOL, 1)] {
///     settings.receive(id, value)?;
/// }
/// assert!(settings.is_enabled());
/// # Ok::<(), sockeye::handshake::extended::SettingsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    is_enabled: bool,
}

impl Settings {
    /// Those of a server that has said nothing yet: extended CONNECT is not
    /// enabled.
    pub const fn new() -> Self {
        Self::enabled(false)
    }

    /// Those that an HTTP library keeps track of by itself.
    pub const fn enabled(is_enabled: bool) -> Self {
        Self { is_enabled }
    }

    /// Takes one setting of a SETTINGS frame, in their order. Those of other
    /// identifiers are ignored.
    ///
    /// # Errors
    ///
    /// A connection error for the HTTP layer:
    /// [`PROTOCOL_ERROR`](super::PROTOCOL_ERROR) in HTTP/2,
    /// [`H3_SETTINGS_ERROR`](super::H3_SETTINGS_ERROR) in HTTP/3.
    pub const fn receive(&mut self, id: u64, value: u64) -> Result<(), SettingsError> {
        match value {
            _ if id != ENABLE_CONNECT_PROTOCOL => Ok(()),
            0 if self.is_enabled => Err(SettingsError::Withdrawn),
            0 | 1 => {
                self.is_enabled = value == 1;
                Ok(())
            }
            _ => Err(SettingsError::InvalidValue),
        }
    }

    /// True if the client may send extended CONNECT requests: "upon receipt of
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL with a value of 1, a client MAY use
    /// the Extended CONNECT".
    pub const fn is_enabled(&self) -> bool {
        self.is_enabled
    }
}

/// A value of `SETTINGS_ENABLE_CONNECT_PROTOCOL` that breaks a rule of RFC 8441,
/// section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsError {
    /// "The value of the parameter MUST be 0 or 1."
    InvalidValue,
    /// "A sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter
    /// with the value of 0 after previously sending a value of 1."
    Withdrawn,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidValue => "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1",
            Self::Withdrawn => "SETTINGS_ENABLE_CONNECT_PROTOCOL went back to 0",
        })
    }
}

impl core::error::Error for SettingsError {}
