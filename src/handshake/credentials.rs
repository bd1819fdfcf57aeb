//! A user name and a password, as HTTP sends them.

use alloc::format;
use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The value of `Authorization` (RFC 7617, section 2). `None`: "a user-id
/// containing a colon character is invalid", since where the password begins
/// could not be told.
pub(crate) fn basic_authorization(user: &[u8], password: &[u8]) -> Option<String> {
    if user.contains(&b':') {
        return None;
    }
    let encoded = STANDARD.encode([user, b":", password].concat());
    Some(format!("Basic {encoded}"))
}
