//! The server: pages, sockets, rooms, limits.

mod http;
pub mod limits;
pub mod name;
mod outlet;
pub mod room;
pub mod rooms;
mod roster;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sockeye::Config;
use sockeye::tokio::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::bus::{Bus, Link};
use limits::Limits;
use rooms::{Rooms, Told};

/// Connections that ask for pages, or are about to become WebSockets, at once;
/// more wait.
const MAX_PAGES: usize = 512;

/// The time that members have to answer the Close when the server ends.
const DRAIN: Duration = Duration::from_secs(3);

/// The time that it may take to tell the other servers so.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    ///
    /// Default: `127.0.0.1:8080`.
    pub listen: String,
    /// The origins whose pages may connect, as browsers write them
    /// (`https://example.com`). None: the server's own.
    pub origins: Vec<String>,
    /// What is limited.
    pub limits: Limits,
    /// The time that the head of a request may take, and the silence between
    /// two.
    ///
    /// Default: 10 s.
    pub patience: Duration,
    /// The broker through which servers share their rooms; takes the feature
    /// `nats`.
    ///
    /// Default: none.
    pub nats: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            origins: Vec::new(),
            limits: Limits::default(),
            patience: Duration::from_secs(10),
            nats: None,
        }
    }
}

/// Why there is no server.
#[derive(Debug)]
pub enum Unable {
    /// It cannot listen.
    Listen(io::Error),
    /// It cannot share its rooms.
    Share(String),
}

/// What requests are answered with.
#[derive(Debug)]
struct App {
    rooms: Arc<Rooms>,
    config: Arc<Config>,
    origins: Vec<String>,
    shutdown: Shutdown,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    patience: Duration,
    link: Option<Link>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or there can be no broker at that of
    /// the broker. (That it is away is no error.)
    pub async fn bind(settings: Settings) -> Result<Self, Unable> {
        let Settings { listen, origins, limits, patience, nats } = settings;
        let listener = TcpListener::bind(&listen).await.map_err(Unable::Listen)?;
        let config = limits.config();
        let (rooms, link) = match nats {
            None => (Rooms::new(limits, Bus::alone()), None),
            Some(url) => {
                let (bus, work) = Bus::new();
                let rooms = Rooms::new(limits, bus);
                let link = Link::start(&url, rooms.clone(), work).await.map_err(Unable::Share)?;
                (rooms, Some(link))
            }
        };
        let app = Arc::new(App { rooms, config, origins, shutdown: Shutdown::new() });
        Ok(Self { listener, app, patience, link })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Says how much the members are told, for as long as it runs.
    pub fn teller(&self) -> impl Fn() -> Told + Send + Sync + use<> {
        let rooms = self.app.rooms.clone();
        move || rooms.told()
    }

    /// Serves, until `end`. Then everybody is told 1001 and has a few seconds
    /// to answer. Says how many did not.
    pub async fn run(self, end: impl Future<Output = ()>) -> usize {
        let router = http::router(self.app.clone());
        tokio::select! {
            () = accept(&self.listener, &self.app, &router, self.patience) => {}
            () = end => {}
        }
        drop(self.listener);
        let dropped = self.app.shutdown.shut_down(DRAIN).await;
        if let Some(link) = self.link {
            // The others forget us anyway, a little later.
            let _ = timeout(FAREWELL, link.finish()).await;
        }
        dropped
    }
}

async fn accept(listener: &TcpListener, app: &Arc<App>, router: &Router, patience: Duration) {
    let pages = Arc::new(Semaphore::new(MAX_PAGES));
    loop {
        let Ok(permit) = pages.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (app, router) = (app.clone(), router.clone());
                // Counted: the server is not done while it is there.
                let entry = app.shutdown.enter();
                tokio::spawn(async move {
                    http::serve(stream, &app, router, patience).await;
                    drop((entry, permit));
                });
            }
            Err(error) => {
                // Out of descriptors, or a client that left before its turn:
                // others will leave too, so wait a little and go on.
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
