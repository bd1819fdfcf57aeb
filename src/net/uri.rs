//! The authority of a URI of the `http` crate, which is more lenient than we
//! can be: it takes a port that is none for no port, and no host for a host.

use http::Uri;

use super::error::Error;

/// Host (brackets and all) and port.
pub(crate) fn host_and_port(uri: &Uri, default_port: u16) -> Result<(&str, u16), Error> {
    let host =
        uri.host().filter(|host| !host.is_empty()).ok_or(Error::Url("the URL has no host"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let behind_user = authority.rsplit('@').next().unwrap_or(authority);
    let port = behind_user.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    match port {
        None | Some("") => Ok((host, default_port)),
        Some(port) => match port.parse() {
            Ok(port) => Ok((host, port)),
            Err(_) => Err(Error::Url("the URL has a port that is none")),
        },
    }
}
