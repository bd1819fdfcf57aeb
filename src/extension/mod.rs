//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1):
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = extension-token *( ";" extension-param )
//! extension-param = token [ "=" ( token | quoted-string ) ]
//! ```
//!
//! Layer: the lowest. Says what was written, not what it means.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// One element of an extension list: a name and its parameters, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    /// From the first `;` on.
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The extension's name, as written. Names compare case-sensitively.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The parameters, in order: a name, and a value if one was given.
    /// Quoted values come unquoted; a value is copied only if something in it
    /// was escaped.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        let mut cursor = Cursor { rest: self.params };
        core::iter::from_fn(move || cursor.param().ok().flatten())
    }
}

impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (name, value) in self.params() {
            match value {
                Some(value) => write!(f, "; {name}={value}")?,
                None => write!(f, "; {name}")?,
            }
        }
        Ok(())
    }
}

/// A parameter's name, and its value if it has one.
type Param<'a> = (&'a str, Option<Cow<'a, str>>);

/// A list that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidList;

/// The elements of one header line, up to the first that is not well-formed.
pub(crate) fn parse(value: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, InvalidList>> {
    let mut cursor = Cursor { rest: value };
    core::iter::from_fn(move || {
        let next = cursor.element().transpose();
        if matches!(next, Some(Err(_))) {
            cursor.rest = &[];
        }
        next
    })
}

/// True for the characters of a token (RFC 9110, section 5.6.2).
#[inline]
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    // A table: there are many ranges, and many bytes.
    const IS_TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = matches!(byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
                | b'`' | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
            byte += 1;
        }
        table
    };
    IS_TOKEN[byte as usize]
}

/// True for a token: one or more of those characters.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next element; `None` at the end. Empty ones are skipped (RFC 9110,
    /// section 5.6.1.2).
    fn element(&mut self) -> Result<Option<Extension<'a>>, InvalidList> {
        while self.skip(b',') {}
        if self.rest.is_empty() {
            return Ok(None);
        }
        let name = self.token()?;
        self.skip_space();
        let from = self.rest;
        while self.param()?.is_some() {}
        let params = &from[..from.len() - self.rest.len()];
        if self.rest.is_empty() || self.skip(b',') {
            Ok(Some(Extension { name, params }))
        } else {
            Err(InvalidList)
        }
    }

    /// The next parameter, with the `;` before it; `None` if there is no `;`.
    fn param(&mut self) -> Result<Option<Param<'a>>, InvalidList> {
        if !self.skip(b';') {
            return Ok(None);
        }
        self.skip_space();
        let name = self.token()?;
        let value = if !self.skip(b'=') {
            None
        } else {
            self.skip_space();
            Some(if self.skip(b'"') { self.quoted()? } else { Cow::Borrowed(self.token()?) })
        };
        self.skip_space();
        Ok(Some((name, value)))
    }

    fn token(&mut self) -> Result<&'a str, InvalidList> {
        let len = self.rest.iter().take_while(|&&b| is_token_byte(b)).count();
        let (token, rest) = self.rest.split_at(len);
        if token.is_empty() {
            return Err(InvalidList);
        }
        self.rest = rest;
        core::str::from_utf8(token).map_err(|_| InvalidList)
    }

    /// What stands between quotes; the opening one is behind us. "When using
    /// the quoted-string syntax variant, the value after quoted-string
    /// unescaping MUST conform to the 'token' ABNF" (section 9.1).
    fn quoted(&mut self) -> Result<Cow<'a, str>, InvalidList> {
        let plain = self.token().unwrap_or_default();
        let mut value = Cow::Borrowed(plain);
        loop {
            match self.rest {
                [b'"', rest @ ..] if !value.is_empty() => {
                    self.rest = rest;
                    return Ok(value);
                }
                [b'\\', byte, rest @ ..] if is_token_byte(*byte) => {
                    self.rest = rest;
                    let unescaped: &mut String = value.to_mut();
                    unescaped.push(char::from(*byte));
                    unescaped.push_str(self.token().unwrap_or_default());
                }
                _ => return Err(InvalidList),
            }
        }
    }

    /// Skips white space and then `byte`, if it comes next.
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}
