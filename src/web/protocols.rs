//! The second argument of the constructor.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::WebError;
use crate::extension::is_token;

/// Protocols that a script asks for: `()`, one, or a list. The preferred come
/// first.
pub trait Protocols {
    /// The list.
    fn into_list(self) -> Vec<String>;
}

/// None: no header is sent.
impl Protocols for () {
    fn into_list(self) -> Vec<String> {
        Vec::new()
    }
}

/// One, also if it is empty: then it is no protocol.
impl Protocols for &str {
    fn into_list(self) -> Vec<String> {
        [self].into_list()
    }
}

/// One.
impl Protocols for String {
    fn into_list(self) -> Vec<String> {
        [self].into_list()
    }
}

/// Any number.
impl<T: Into<String> + Clone> Protocols for &[T] {
    fn into_list(self) -> Vec<String> {
        self.to_vec().into_list()
    }
}

/// Any number.
impl<T: Into<String>, const N: usize> Protocols for [T; N] {
    fn into_list(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

/// Any number.
impl<T: Into<String>> Protocols for Vec<T> {
    fn into_list(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

/// "If any of the values in protocols occur more than once or otherwise fail to
/// match the requirements": tokens (RFC 6455, section 4.1, item 10), each once,
/// in whatever case.
pub(super) fn check(protocols: &[String]) -> Result<(), WebError> {
    for (at, protocol) in protocols.iter().enumerate() {
        if !is_token(protocol.as_bytes()) {
            return Err(WebError::Syntax(format!("{protocol:?} is no protocol").into()));
        }
        if protocols[..at].iter().any(|before| before.eq_ignore_ascii_case(protocol)) {
            return Err(WebError::Syntax(
                format!("the protocol {protocol:?} is there twice").into(),
            ));
        }
    }
    Ok(())
}
