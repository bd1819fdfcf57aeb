//! From an endpoint to a stream that leads there: through the proxy that is
//! asked for, and to the fastest of several addresses.

use alloc::boxed::Box;
use alloc::format;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::lookup_host;
use tower_service::Service;

use super::stream::Stream;
use crate::net::{Endpoint, Error, Proxy, host_and_port};

const NO_PROXY_URL: Error = Error::Url("a proxy has a URL of http, https, socks5 or socks5h");

/// Connects to an endpoint, without TLS on top.
pub(super) async fn dial(endpoint: &Endpoint) -> Result<Stream, Error> {
    // The variables are named after HTTP; so are the URLs they are for.
    let scheme = if endpoint.is_secure() { "https" } else { "http" };
    let there = uri(scheme, endpoint.host(), endpoint.port())?;
    let proxy = match endpoint.proxy_choice() {
        Proxy::None => None,
        Proxy::Environment => Matcher::from_env().intercept(&there),
        Proxy::Url(url) => {
            let always = Matcher::builder().all(url.as_str()).build();
            Some(always.intercept(&there).ok_or(NO_PROXY_URL)?)
        }
    };
    match proxy {
        None => Ok(connect(Hop::new(None), there).await?),
        Some(proxy) => dial_through(endpoint, &proxy, there).await,
    }
}

async fn dial_through(endpoint: &Endpoint, proxy: &Intercept, there: Uri) -> Result<Stream, Error> {
    let scheme = proxy.uri().scheme_str().unwrap_or_default();
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => 1080,
    };
    // The connectors know ports of HTTP alone, and no scheme of SOCKS.
    let (host, port) = host_and_port(proxy.uri(), default_port)?;
    let uri = uri("http", host, port)?;
    match scheme {
        "http" | "https" => {
            let tls = if scheme == "https" { Some(endpoint.secure_to(host)) } else { None };
            let mut tunnel = Tunnel::new(uri, Hop::new(tls));
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            connect(tunnel, there).await.map_err(|error| Error::Proxy(error.into()))
        }
        "socks5" | "socks5h" => {
            let mut socks = SocksV5::new(uri, Hop::new(None));
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.into(), password.into());
            }
            // With the h, the proxy looks the name up.
            let there = if scheme == "socks5" { look_up(endpoint).await? } else { there };
            connect(socks, there).await.map_err(|error| Error::Proxy(error.into()))
        }
        _ => Err(NO_PROXY_URL),
    }
}

fn uri(scheme: &str, host: &str, port: u16) -> Result<Uri, Error> {
    let bracketed = host.contains(':') && !host.starts_with('[');
    let host = if bracketed { format!("[{host}]") } else { host.into() };
    let uri = format!("{scheme}://{host}:{port}/").parse();
    uri.map_err(|_| Error::Url("the host cannot stand in a URL"))
}

async fn look_up(endpoint: &Endpoint) -> Result<Uri, Error> {
    let mut found = lookup_host((endpoint.host(), endpoint.port())).await?;
    let address = found.next().ok_or(io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    uri("http", &format!("{}", address.ip()), address.port())
}

async fn connect<C>(mut connector: C, to: Uri) -> Result<Stream, C::Error>
where
    C: Service<Uri, Response = TokioIo<Stream>>,
{
    poll_fn(|cx| connector.poll_ready(cx)).await?;
    Ok(connector.call(to).await?.into_inner())
}

/// Connects over TCP, and TLS if that is how to speak to the proxy.
#[derive(Clone, Debug)]
struct Hop {
    tcp: HttpConnector,
    tls: Option<Endpoint>,
}

impl Hop {
    fn new(tls: Option<Endpoint>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, tls }
    }
}

impl Service<Uri> for Hop {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(cx).map_err(io_error)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.tcp.call(to);
        let tls = self.tls.clone();
        Box::pin(async move {
            let stream = Stream::Plain(connecting.await.map_err(io_error)?.into_inner());
            let Some(endpoint) = tls else { return Ok(TokioIo::new(stream)) };
            endpoint.check_secure().map_err(io::Error::other)?;
            match Stream::open(&endpoint, stream).await {
                Ok(stream) => Ok(TokioIo::new(stream)),
                Err(Error::Io(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }
}

/// What the system said, wherever it is in the chain of causes.
fn io_error(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: Option<&(dyn core::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<io::Error>() {
            return match found.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(found.kind(), error),
            };
        }
        cause = inner.source();
    }
    io::Error::other(error)
}
