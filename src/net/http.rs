//! Endpoints and refusals from and to the types of the `http` crate.

use alloc::vec::Vec;

use http::Uri;

use super::endpoint::Endpoint;
use super::error::{Error, Refused};
use super::uri::host_and_port;
use crate::handshake::{BuildError, append_to_http};

/// Headers that the handshake sets itself, which a request may name anyway.
const OWN: [&str; 5] =
    ["connection", "host", "sec-websocket-key", "sec-websocket-version", "upgrade"];

impl TryFrom<&Uri> for Endpoint {
    type Error = Error;

    fn try_from(uri: &Uri) -> Result<Self, Error> {
        let secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(Error::Url("the scheme of a WebSocket URL is ws or wss")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Error::Url("a user name in a Uri would not be sent: use basic_auth"));
        }
        let (host, port) = host_and_port(uri, if secure { 443 } else { 80 })?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let endpoint = Self::new(host, port, target);
        Ok(if secure { endpoint.secure() } else { endpoint })
    }
}

impl TryFrom<Uri> for Endpoint {
    type Error = Error;

    fn try_from(uri: Uri) -> Result<Self, Error> {
        Self::try_from(&uri)
    }
}

/// The URI, the subprotocols and all other header lines of a request, but for
/// those that every handshake has. Extensions are not the caller's to offer.
impl<B> TryFrom<http::Request<B>> for Endpoint {
    type Error = Error;

    fn try_from(request: http::Request<B>) -> Result<Self, Error> {
        let mut endpoint = Self::try_from(request.uri())?;
        for (name, value) in request.headers() {
            let value = value.to_str().map_err(|_| BuildError::InvalidHeaderValue)?;
            if name == http::header::SEC_WEBSOCKET_PROTOCOL {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                endpoint = names.fold(endpoint, Self::subprotocol);
            } else if !OWN.contains(&name.as_str()) {
                endpoint = endpoint.header(name.as_str(), value);
            }
        }
        Ok(endpoint)
    }
}

/// Lines that the `http` crate cannot hold are left out.
impl From<Refused> for http::Response<Vec<u8>> {
    fn from(refused: Refused) -> Self {
        let mut response = Self::new(refused.body().to_vec());
        *response.status_mut() = http::StatusCode::from_u16(refused.status())
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in refused.headers() {
            append_to_http(response.headers_mut(), name, value);
        }
        response
    }
}
