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

#[cfg(test)]
mod tests {
    use super::basic_authorization;

    /// The examples of RFC 7617, sections 2 and 2.1.
    #[test]
    fn a_name_and_a_password_are_joined_by_a_colon_that_no_name_has() {
        let value = basic_authorization(b"Aladdin", b"open sesame");
        assert_eq!(value.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        let value = basic_authorization(b"test", "123\u{a3}".as_bytes());
        assert_eq!(value.as_deref(), Some("Basic dGVzdDoxMjPCow=="));
        assert_eq!(basic_authorization(b"a:b", b"c"), None);
        assert!(basic_authorization(b"ab", b":c").is_some());
    }
}
