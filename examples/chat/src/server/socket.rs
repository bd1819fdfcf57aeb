//! One member, from the request to the end of the connection.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sockeye::handshake::{self, Accept, Answer, Rejection, upgrade};
use sockeye::tokio::{Entry, Error, Reader, WebSocket};
use sockeye::{CloseCode, Connection, Message};
use tokio::time::{sleep, timeout};

use super::App;
use super::http::no_such_room;
use super::limits::{Rate, Verdict};
use super::outlet::{Dismissal, Outlet, Stream};
use super::room::RoomName;
use super::rooms::{Full, Member, Place};
use crate::protocol::{FromClient, SUBPROTOCOL};

/// The time that hyper has to send the reply and hand the stream over.
const UPGRADE: Duration = Duration::from_secs(10);

/// Answers `/socket/NAME`.
pub(super) async fn on_socket(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
    mut request: Request,
) -> Response {
    let Some(room) = RoomName::new(&room) else { return no_such_room().into_response() };
    let upgrading = hyper::upgrade::on(&mut request);
    let mut place = None;
    let (reply, connection) = upgrade(&request, app.config.clone(), |request| {
        match admit(&app, &room, request) {
            Ok(taken) => place = Some(taken),
            Err(rejection) => return rejection.into(),
        }
        let json = request.subprotocols().find(|name| *name == SUBPROTOCOL);
        Answer::Accept(Accept::new().subprotocol(json))
    });
    if let (Some(connection), Some(place)) = (connection, place) {
        let entry = app.shutdown.enter();
        tokio::spawn(async move {
            // A connection that was lost, or closed because of a fault of the
            // peer's: it has been told, and nobody else is concerned.
            let _ = open(upgrading, connection, entry, place).await;
        });
    }
    reply.map(Body::from)
}

/// A place for the client, or why there is none.
fn admit(
    app: &App,
    room: &RoomName,
    request: &handshake::Request<'_>,
) -> Result<Place, Rejection<'static>> {
    if !is_origin_allowed(&app.origins, request) {
        return Err(Rejection::new(403).body("This page may not connect to this server.\n"));
    }
    let later = |body: &'static str| Rejection::new(503).header("Retry-After", "10").body(body);
    if app.shutdown.has_begun() {
        return Err(later("The server is going away.\n"));
    }
    app.rooms.place(room).map_err(|full| match full {
        Full::Room => later("The room is full.\n"),
        Full::Server => later("The server is full.\n"),
    })
}

/// A page may connect if it is one of the server's own, or of the origins
/// named. What has no origin is no page (RFC 6455, section 10.2).
///
/// Of the server's own are those at an address, or at `localhost`: any other name
/// may belong to somebody who has it lead to us, to have a browser talk for him
/// (DNS rebinding), and has to be named.
fn is_origin_allowed(allowed: &[String], request: &handshake::Request<'_>) -> bool {
    if !allowed.is_empty() {
        return request.check_origin(allowed).is_ok();
    }
    let Some(origin) = request.origin() else { return true };
    // https where somebody in front of us does the TLS.
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(|host| is_nobodys_name(host) && host.eq_ignore_ascii_case(request.host()))
}

/// True for an address or `localhost`, with a port or without.
fn is_nobodys_name(host: &str) -> bool {
    let bare = |host: &str| {
        host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    };
    bare(host) || host.rsplit_once(':').is_some_and(|(name, _)| bare(name))
}

/// Runs beside the service: hyper hands the stream over once the reply is out.
async fn open(
    upgrading: OnUpgrade,
    connection: Connection,
    entry: Entry,
    place: Place,
) -> Result<(), Error> {
    let upgraded = timeout(UPGRADE, upgrading).await.map_err(std::io::Error::other)?;
    let stream = TokioIo::new(upgraded.map_err(std::io::Error::other)?);
    let ws = entry.watch(WebSocket::from_parts(stream, connection, &[]));
    let (mut reader, sender) = ws.split();
    let dismissal = Arc::new(Dismissal::default());
    let member = place.enter(Outlet::new(sender.clone(), dismissal.clone()));
    let stay = Stay { rate: Rate::new(member.limits(), Instant::now()), member, is_named: false };
    // He is out of the room before the goodbyes, which may take their time.
    if let Some(Fault(code, reason)) = stay.run(&mut reader, &dismissal).await? {
        sender.start_close(code, &reason).await?;
        while reader.read().await?.is_some() {}
    }
    Ok(())
}

/// A member while he is in the room.
struct Stay {
    member: Member,
    rate: Rate,
    is_named: bool,
}

impl Stay {
    /// Until the connection ends, or the server has to end it.
    async fn run(
        mut self,
        reader: &mut Reader<Stream>,
        dismissal: &Dismissal,
    ) -> Result<Option<Fault>, Error> {
        let mut sign_in = pin!(sleep(self.member.limits().sign_in));
        loop {
            let message = tokio::select! {
                message = reader.read() => message?,
                () = dismissal.wait() => return Ok(Some(Fault::too_slow())),
                () = &mut sign_in, if !self.is_named => return Ok(Some(Fault::nameless())),
            };
            let Some(message) = message else { return Ok(None) };
            if let Err(fault) = self.on_message(&message) {
                return Ok(Some(fault));
            }
        }
    }

    fn on_message(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        let text = message.as_text().ok_or_else(Fault::binary)?;
        let message = FromClient::from_json(text).map_err(|error| Fault::no_message(&error))?;
        let (FromClient::Message { id, .. } | FromClient::Username { id, .. }) = &message;
        if *id != self.member.id() {
            return Err(Fault::foreign_id());
        }
        match self.rate.judge(self.member.limits(), Instant::now()) {
            Verdict::Pass => {}
            Verdict::Drop { first } => {
                if first {
                    self.member.notify("Too fast: what you sent last was not passed on.");
                }
                return Ok(());
            }
            Verdict::Close => return Err(Fault::too_fast()),
        }
        match message {
            FromClient::Username { name, .. } => {
                self.is_named = true;
                self.member.sign_in(&name);
            }
            FromClient::Message { .. } if !self.is_named => return Err(Fault::nameless()),
            FromClient::Message { text, .. } => self.member.say(&text),
        }
        Ok(())
    }
}

/// Why the server closes a connection: the code and the reason that it sends.
struct Fault(CloseCode, String);

impl Fault {
    fn binary() -> Self {
        Self(CloseCode::UNSUPPORTED_DATA, "messages are text here".into())
    }

    /// What is too long to be said is cut by the engine.
    fn no_message(error: &serde_json::Error) -> Self {
        Self(CloseCode::INVALID_PAYLOAD_DATA, format!("not a message of this chat: {error}"))
    }

    fn foreign_id() -> Self {
        Self(CloseCode::POLICY_VIOLATION, "not your id".into())
    }

    fn nameless() -> Self {
        Self(CloseCode::POLICY_VIOLATION, "your username comes first".into())
    }

    fn too_fast() -> Self {
        Self(CloseCode::POLICY_VIOLATION, "too many messages".into())
    }

    /// Comes behind what he has not taken yet; if he does not take it in time
    /// the engine gives up.
    fn too_slow() -> Self {
        Self(CloseCode::TRY_AGAIN_LATER, "too slow to follow".into())
    }
}
