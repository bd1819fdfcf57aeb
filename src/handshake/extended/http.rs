//! The same with the types of the `http` crate, for streams of an HTTP library.

use alloc::sync::Arc;
use alloc::vec::Vec;

use http::HeaderMap;
use http::uri::PathAndQuery;

use super::super::build::BuildError;
use super::super::http::append_to_http;
use super::super::request::Answer;
use super::client::Client;
use super::reply::Reply;
use super::request::Request;
use super::response::{Outcome, ResponseError};
use super::settings::Settings;
use crate::config::Config;
use crate::connection::Connection;

/// Answers a request that an HTTP library has read from a stream, and lets
/// `answer` decide about those that may be accepted; `protocol` is the value of
/// `:protocol`, which libraries have among the request's extensions. Gives the
/// reply to send, and the connection that is open behind it; none if the reply
/// refuses.
///
/// # Example: h2, and hyper
///
/// ```ignore
/// let protocol = request.extensions().get::<h2::ext::Protocol>().map(|p| p.as_str());
/// let (reply, connection) = accept(&request, protocol, config, |_| Accept::new().into());
/// // hyper, with `http2::Builder::enable_connect_protocol`: as with `upgrade`.
/// let protocol = request.extensions().get::<hyper::ext::Protocol>().map(|p| p.as_str());
/// ```
pub fn accept<B>(
    request: &http::Request<B>,
    protocol: Option<&str>,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> (http::Response<Vec<u8>>, Option<Connection>) {
    let uri = request.uri();
    let pseudo = [
        (":method", Some(request.method().as_str())),
        (":protocol", protocol),
        (":scheme", uri.scheme_str()),
        (":authority", uri.authority().map(|authority| authority.as_str())),
        (":path", uri.path_and_query().map(PathAndQuery::as_str)),
    ];
    let pseudo = pseudo.iter().filter_map(|(name, value)| Some((*name, (*value)?.as_bytes())));
    let section: Vec<_> = pseudo.chain(pairs(request.headers())).collect();
    let answered = match Request::parse(&section, config) {
        Ok(request) => match answer(&request) {
            Answer::Accept(accept) => request.accept(&accept).map(|(reply, ws)| (reply, Some(ws))),
            Answer::Reject(rejection) => request.reject(&rejection).map(|reply| (reply, None)),
        },
        Err(error) => Ok((error.reply(), None)),
    };
    let (reply, connection) = answered.unwrap_or_else(|_: BuildError| (Reply::new(500), None));
    (reply.into(), connection)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

impl From<Reply> for http::Response<Vec<u8>> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(reply.body().as_bytes().to_vec());
        let status = http::StatusCode::from_u16(reply.status());
        *response.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in reply.fields() {
            append_to_http(response.headers_mut(), name, value.as_bytes());
        }
        response
    }
}

impl Client {
    /// As [`fields`](Self::fields), as a request of the `http` crate. It has no
    /// place for `:protocol`; put that where the library looks for it, as in
    /// `extensions_mut().insert(h2::ext::Protocol::from_static("websocket"))`.
    ///
    /// # Errors
    ///
    /// As [`fields`](Self::fields), and [`BuildError::InvalidTarget`] for a target
    /// that crate has no value for.
    pub fn request(&self, settings: &Settings) -> Result<http::Request<()>, BuildError> {
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::CONNECT;
        let mut uri = http::uri::Builder::new();
        for (name, value) in self.fields(settings)? {
            uri = match name.as_str() {
                ":scheme" => uri.scheme(value.as_str()),
                ":authority" => uri.authority(value),
                ":path" => uri.path_and_query(value),
                ":method" | ":protocol" => uri,
                _ => {
                    append_to_http(request.headers_mut(), &name, value.as_bytes());
                    uri
                }
            };
        }
        *request.uri_mut() = uri.build().map_err(|_| BuildError::InvalidTarget)?;
        Ok(request)
    }

    /// As [`receive`](Self::receive), for a response of the `http` crate. Gives
    /// the open connection, or `None` if it does not accept: it is an interim
    /// reply, or it refuses, as its status says.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn open<B>(
        &mut self,
        response: &http::Response<B>,
    ) -> Result<Option<Connection>, ResponseError> {
        let fields: Vec<_> = pairs(response.headers()).collect();
        match self.receive(response.status().as_u16(), &fields)? {
            Some(Outcome::Accepted(response)) => Ok(Some(response.open())),
            _ => Ok(None),
        }
    }
}
