//! The opening handshake (RFC 6455, section 4), both sides: functions over
//! bytes.
//!
//! Layer: above the connection, which it makes. Knows HTTP heads and nothing
//! of sockets, names or URLs: host, port and target come already apart.
//!
//! Both sides are given all bytes received so far, and remember how far they
//! have looked. The bytes behind the head are frames, and stay the caller's.
//!
//! That is for HTTP/1.1. For streams of HTTP/2 and HTTP/3 there is [`extended`].

mod accept_key;
mod build;
mod client;
#[cfg(feature = "std")]
mod credentials;
mod deadline;
pub mod extended;
mod head;
#[cfg(feature = "http")]
mod http;
mod refusal;
mod reject;
mod request;
mod request_error;
mod response;
mod server;

pub use crate::extension::Extension;
pub use accept_key::accept_key;
pub use build::BuildError;
pub use client::{Client, ClientRequest, Reply};
#[cfg(feature = "std")]
pub(crate) use credentials::basic_authorization;
pub use head::{HeadError, Headers};
#[cfg(feature = "http")]
pub(crate) use http::append_to_http;
#[cfg(feature = "http")]
pub use http::upgrade;
pub use refusal::Refusal;
pub use reject::Rejection;
pub use request::{Accept, Answer, Request};
pub use request_error::RequestError;
pub use response::{Response, ResponseError};
pub use server::Server;
