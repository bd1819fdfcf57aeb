//! The object, carried by a thread or by a task, for tests of both.

#![allow(dead_code)] // each test file uses some of it

use sockeye::net::Endpoint;
use sockeye::web::{self, CloseEvent, Event, WebSocket};
use sockeye::{blocking, tokio as ws};
use tokio::runtime::Runtime;

use crate::reach::{Adapter, runtime};
use crate::web_sockets::told;

/// The object, carried by a thread or by a task.
pub enum Carried {
    Blocking(blocking::web::WebSocket),
    /// The runtime is the last to go.
    Tokio(ws::web::WebSocket, Runtime),
}

pub fn start(adapter: Adapter, socket: WebSocket) -> Carried {
    start_through(adapter, socket, |endpoint| endpoint)
}

pub fn start_through(
    adapter: Adapter,
    socket: WebSocket,
    change: impl FnOnce(Endpoint) -> Endpoint,
) -> Carried {
    // Whatever proxy the environment names.
    let change = |endpoint: Endpoint| {
        #[cfg(feature = "proxy")]
        let endpoint = endpoint.without_proxy();
        change(endpoint)
    };
    match adapter {
        Adapter::Blocking => {
            Carried::Blocking(blocking::web::WebSocket::start_through(socket, change))
        }
        Adapter::Tokio => {
            Carried::Tokio(ws::web::WebSocket::start_through(socket, change), runtime())
        }
    }
}

impl Carried {
    pub fn next_event(&mut self) -> Option<Event> {
        match self {
            Self::Blocking(ws) => ws.next_event(),
            Self::Tokio(ws, runtime) => runtime.block_on(ws.next_event()),
        }
    }

    pub fn opened(&mut self) -> Result<(), CloseEvent> {
        match self {
            Self::Blocking(ws) => ws.opened(),
            Self::Tokio(ws, runtime) => runtime.block_on(ws.opened()),
        }
    }

    pub fn socket(&mut self) -> &mut web::WebSocket {
        match self {
            Self::Blocking(ws) => ws,
            Self::Tokio(ws, _) => ws,
        }
    }

    /// All events that are left, in few words.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_event()).map(|event| told(&event)).collect()
    }
}
