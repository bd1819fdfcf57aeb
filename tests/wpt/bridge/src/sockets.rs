//! The sockets of a script, and their network.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{ClientConfig, RootCertStore};
use sockeye::net::Endpoint;
use sockeye::net::tls;
use sockeye::tokio::web::WebSocket;
use sockeye::web;

/// The bridge cannot go on: the other side does not keep to the protocol, or is
/// gone.
pub(crate) type Trouble = Box<dyn Error>;

pub(crate) struct Sockets {
    sockets: BTreeMap<u64, Socket>,
    tls: Arc<ClientConfig>,
    announcements: File,
}

struct Socket {
    ws: WebSocket,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Waiting,
    /// There is a task, and the script has been told.
    Announced,
    /// There will be no more tasks.
    Over,
}

impl Sockets {
    pub(crate) fn new(roots: RootCertStore, announcements: File) -> io::Result<Self> {
        let tls = Arc::new(tls::client_config_with(roots)?);
        Ok(Self { sockets: BTreeMap::new(), tls, announcements })
    }

    /// Carries a new socket.
    pub(crate) fn add(&mut self, id: u64, object: web::WebSocket) {
        let (tls, config) = (self.tls.clone(), object.config().clone());
        let ws = WebSocket::start_through(object, |endpoint| {
            way(endpoint, |to| to.config(config)).tls(tls)
        });
        self.sockets.insert(id, Socket { ws, state: State::Waiting });
    }

    pub(crate) fn get(&mut self, id: u64) -> Result<&mut web::WebSocket, Trouble> {
        let socket = self.sockets.get_mut(&id).ok_or_else(|| format!("no socket {id}"))?;
        Ok(&mut socket.ws)
    }

    /// Runs the task that was announced.
    pub(crate) fn turn(&mut self, id: u64) -> Result<web::Fired, Trouble> {
        let socket = self.sockets.get_mut(&id).ok_or_else(|| format!("no socket {id}"))?;
        if socket.state != State::Announced {
            return Err(format!("socket {id} has announced no task").into());
        }
        socket.state = State::Waiting;
        // The task may be gone: `close` drops what can no longer matter.
        Ok(socket.ws.turn().unwrap_or_default())
    }

    /// Moves the network, and announces tasks: of each socket one at a time, so
    /// that the pipe never fills up.
    pub(crate) fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Result<(), Trouble> {
        for (id, socket) in &mut self.sockets {
            if socket.state == State::Waiting {
                match pin!(socket.ws.ready()).poll(cx) {
                    Poll::Ready(true) => {
                        socket.state = State::Announced;
                        self.announcements.write_all(format!("{id}\n").as_bytes())?;
                    }
                    Poll::Ready(false) => socket.state = State::Over,
                    Poll::Pending => {}
                }
            }
        }
        Ok(())
    }
}

/// The names of the suite's hosts, such as web-platform.test, are not in the DNS:
/// `test` is reserved (RFC 6761). All are this machine. What the server is told,
/// and what a script sees, has the name.
fn way(endpoint: Endpoint, configured: impl FnOnce(Endpoint) -> Endpoint) -> Endpoint {
    if !endpoint.host().ends_with(".test") {
        return endpoint;
    }
    let here = configured(Endpoint::new("127.0.0.1", endpoint.port(), "/"));
    if endpoint.is_secure() { here.secure() } else { here }
}
