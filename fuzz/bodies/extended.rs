//! Extended CONNECT on streams of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220): header
//! sections as HPACK and QPACK decode them, both roles.
//!
//! Input: a byte of flags, for a reply its status in two bytes, and the fields: a
//! name, 0xFE, a value, 0xFF. So names and values hold every byte that matters,
//! a line feed and NUL among them; names are UTF-8, as the API has them.

use std::sync::{Arc, LazyLock};

use super::http::{is_part_of, is_token};
use sockeye::handshake::extended::{
    Client, Fields, Outcome, Reply, Request, RequestError, ResponseError, SectionError,
};
use sockeye::handshake::{self, Accept, BuildError, ClientRequest, Rejection};
use sockeye::{Config, Seed};

type Field<'a> = (&'a str, &'a [u8]);

pub fn extended(data: &[u8]) {
    let [flags, rest @ ..] = data else { return };
    let config = if flags & 2 == 0 { &*CONFIG } else { &*COMPRESSING };
    if flags & 1 == 0 {
        return request(&fields(rest), config);
    }
    let Some((status, rest)) = rest.split_first_chunk() else { return };
    reply(u16::from_be_bytes(*status), &fields(rest), config);
}

/// Limits that short inputs can pass.
static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::default();
    config.max_head_len = 1024;
    config.max_headers = 12;
    config.max_target_len = 64;
    Arc::new(config)
});

/// The same, and compression is agreed on if the other end wants it.
static COMPRESSING: LazyLock<Arc<Config>> = LazyLock::new(|| {
    #[allow(unused_mut)] // without the feature
    let mut config = Config::clone(&CONFIG);
    #[cfg(feature = "deflate")]
    {
        config.deflate = Some(sockeye::DeflateConfig::default());
    }
    Arc::new(config)
});

fn fields(data: &[u8]) -> Vec<Field<'_>> {
    let lines = data.split(|&byte| byte == 0xFF).filter(|line| !line.is_empty());
    let pairs = lines.map(|line| {
        let end = line.iter().position(|&byte| byte == 0xFE).unwrap_or(line.len());
        (&line[..end], line.get(end + 1..).unwrap_or_default())
    });
    pairs.filter_map(|(name, value)| Some((core::str::from_utf8(name).ok()?, value))).collect()
}

// ---- the server's side -------------------------------------------------------

fn request(section: &[Field<'_>], config: &Arc<Config>) {
    match Request::parse(section, config.clone()) {
        Ok(request) => {
            check_request(&request, section);
            check_acceptance(&request);
            check_rejection(&request);
        }
        Err(error) => {
            assert!(is_true(error, section), "{error:?} of {section:?}");
            check_answer(error);
        }
    }
}

/// A request says only what was sent, and fulfils the rules.
fn check_request(request: &Request<'_>, section: &[Field<'_>]) {
    let pseudo = |name| only(section, name).unwrap_or_else(|| panic!("{name} once"));
    assert_eq!(pseudo(":method"), b"CONNECT");
    assert_eq!(pseudo(":protocol"), b"websocket");
    assert!(is_same(request.scheme(), pseudo(":scheme")));
    assert!(["http", "https"].iter().any(|scheme| scheme.eq_ignore_ascii_case(request.scheme())));
    assert!(is_same(request.authority(), pseudo(":authority")));
    assert!(is_host(request.authority().as_bytes()));

    let (target, path) = (pseudo(":path"), request.path());
    assert!(is_part_of(path.as_bytes(), target) && path.starts_with('/') && !path.contains('?'));
    let query = request.query().map(|query| format!("?{query}"));
    assert_eq!(format!("{path}{}", query.unwrap_or_default()).as_bytes(), target);
    assert!(is_visible(target) && !target.contains(&b'#'));
    assert!(target.len() <= CONFIG.max_target_len);

    check_section(section, 5);
    let fields = request.fields();
    check_fields(fields, &section[5..]);
    assert!(fields.all("sec-websocket-version").eq([b"13"]));
    assert_eq!(fields.first("early-data"), None);
    assert!(fields.all("content-length").all(|len| len == b"0"), "there is no body");
    assert!(fields.all("host").count() <= 1);
    match request.origin() {
        Some(origin) => {
            assert!(fields.all("origin").eq([origin.as_bytes()]) && is_visible(origin.as_bytes()));
        }
        None => assert_eq!(fields.first("origin"), None),
    }
    for name in request.subprotocols() {
        let mut values = fields.all("sec-websocket-protocol");
        assert!(is_token(name) && values.any(|value| is_part_of(name.as_bytes(), value)));
    }
    for extension in request.extensions() {
        assert!(is_token(extension.name()));
    }
}

/// A 200, and a connection to go with it.
fn check_acceptance(request: &Request<'_>) {
    let chosen = request.subprotocols().last();
    let accept = Accept::new().subprotocol(chosen).header("Set-Cookie", "a=b");
    let (reply, ws) = request.accept(&accept).expect("it was offered");
    assert!(ws.is_open() && ws.is_server());
    assert_eq!(ws.subprotocol(), chosen);
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.body(), "", "frames come next");
    check_reply(&reply);
    let values = |name| reply.fields().filter(move |(n, _)| *n == name).map(|(_, value)| value);
    assert!(values("sec-websocket-protocol").eq(chosen));
    assert!(values("set-cookie").eq(["a=b"]));
    let agreed = values("sec-websocket-extensions").count();
    #[cfg(feature = "deflate")]
    assert_eq!(agreed, usize::from(ws.deflate_params().is_some()));
    assert_eq!(reply.fields().count(), 1 + usize::from(chosen.is_some()) + agreed);
}

/// Whatever of the request a refusal repeats, it stays the reply it was: one
/// field more, or an error.
fn check_rejection(request: &Request<'_>) {
    let (path, query) = (request.path(), request.query().unwrap_or_default());
    match request.reject(&Rejection::new(404).header(query, path).body(path)) {
        Ok(reply) => {
            check_reply(&reply);
            assert_eq!((reply.status(), reply.body()), (404, path));
            let own = usize::from(!query.eq_ignore_ascii_case("Content-Type"));
            assert_eq!(reply.fields().count(), 2 + own);
        }
        Err(BuildError::InvalidHeaderName) => assert!(!is_token(query), "{query:?}"),
        Err(BuildError::ReservedHeader) => assert!(is_token(query), "{query:?}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The answer to a fault, with the fields that belong to its status (RFC 9110,
/// section 15).
fn check_answer(error: RequestError) {
    let reply = error.reply();
    check_reply(&reply);
    assert_eq!(reply.status(), error.status());
    assert!((400..=501).contains(&reply.status()), "{error:?}");
    assert!(!error.is_malformed() || reply.status() == 400, "{error:?}");
    assert_eq!(reply.status() == 405, reply.fields().any(|field| field == ("allow", "CONNECT")));
    assert_eq!(reply.body().is_empty(), reply.status() == 405, "{error:?}");
}

/// What every reply must be to go on a stream.
fn check_reply(reply: &Reply) {
    for (name, value) in reply.fields() {
        assert!(is_lower_case_token(name), "{name:?}");
        assert!(!is_connection_specific(name, value.as_bytes()), "{name:?}");
        assert!(is_value(value.as_bytes()), "{value:?}");
    }
    let len = reply.fields().find(|(name, _)| *name == "content-length");
    assert_eq!(len.map_or("0", |(_, len)| len), reply.body().len().to_string());
}

/// The fault that is found is there.
fn is_true(error: RequestError, section: &[Field<'_>]) -> bool {
    use handshake::RequestError as Shared;
    let pseudo = |name| only(section, name);
    let has = |name| section.iter().any(|field| field.0 == name);
    let lists = |wanted| section.iter().filter(move |field| field.0 == wanted).map(|field| field.1);
    match error {
        RequestError::AuthorityInvalid => !pseudo(":authority").is_some_and(is_host),
        RequestError::Handshake(shared) => match shared {
            Shared::BodyNotAllowed => lists("content-length").any(|len| len != b"0"),
            Shared::ExtensionInvalid => has("sec-websocket-extensions"),
            Shared::HostInvalid => lists("host").count() > 1,
            Shared::OriginInvalid => {
                lists("origin").count() > 1 || !lists("origin").all(is_visible)
            }
            Shared::SubprotocolInvalid => has("sec-websocket-protocol"),
            Shared::VersionInvalid => {
                let mut versions = lists("sec-websocket-version");
                lists("sec-websocket-version").count() > 1
                    || versions.any(|version| !version.iter().all(u8::is_ascii_digit))
            }
            Shared::VersionUnsupported => !lists("sec-websocket-version").eq([b"13"]),
            _ => false,
        },
        RequestError::HostDiffers => pseudo("host") != pseudo(":authority"),
        RequestError::MethodNotConnect => {
            pseudo(":method").is_some_and(|method| method != b"CONNECT") && !has(":protocol")
        }
        RequestError::PathInvalid => {
            let is_path = |path: &[u8]| path.first() == Some(&b'/') && is_visible(path);
            !pseudo(":path").is_some_and(|path| is_path(path) && !path.contains(&b'#'))
        }
        RequestError::PathTooLong => {
            pseudo(":path").is_some_and(|path| path.len() > CONFIG.max_target_len)
        }
        RequestError::ProtocolMissing => !has(":protocol"),
        RequestError::ProtocolUnsupported => pseudo(":protocol") != Some(b"websocket"),
        RequestError::SchemeInvalid => !pseudo(":scheme").is_some_and(|scheme| {
            [&b"http"[..], b"https"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
        }),
        RequestError::Section(SectionError::PseudoHeader) => {
            const KNOWN: [&str; 5] = [":method", ":protocol", ":scheme", ":authority", ":path"];
            let is_tunnel = pseudo(":method") == Some(b"CONNECT") && !has(":protocol");
            // A tunnel is a method and an authority; a `:protocol` is for CONNECT.
            pseudo_out_of_place(section, &KNOWN)
                || !has(":method")
                || is_tunnel && (has(":scheme") || has(":path"))
                || pseudo(":method") != Some(b"CONNECT") && has(":protocol")
        }
        RequestError::Section(error) => is_true_of_section(error, section),
        RequestError::TooEarly => has("early-data"),
        _ => false,
    }
}

// ---- the client's side -------------------------------------------------------

const OFFERED: [&str; 2] = ["chat", "superchat"];

fn reply(status: u16, section: &[Field<'_>], config: &Arc<Config>) {
    let request = ClientRequest::new(true, "example.com", 443, "/")
        .subprotocol(OFFERED[0])
        .subprotocol(OFFERED[1]);
    let mut client = Client::new(request, Seed::from_bytes([7; 32]), config.clone())
        .expect("the request is in order");
    let outcome = client.receive(status, section);
    let pseudo = section.iter().take_while(|field| field.0.starts_with(':')).count();
    let check = |fields| {
        check_section(section, pseudo);
        check_fields(fields, &section[pseudo..]);
        let written = status.to_string();
        assert!(pseudo == 0 || section[..pseudo] == [(":status", written.as_bytes())]);
    };
    match outcome {
        Ok(None) => assert!((100..=199).contains(&status) && status != 101),
        Ok(Some(Outcome::Accepted(response))) => {
            assert!((200..=299).contains(&status) && response.status() == status);
            check(response.fields());
            let fields = response.fields();
            let chosen = response.subprotocol();
            assert!(fields.all("sec-websocket-protocol").eq(chosen.map(str::as_bytes)));
            assert!(chosen.is_none_or(|name| OFFERED.contains(&name)));
            #[cfg(feature = "deflate")]
            let agreed = response.deflate_params();
            let ws = response.open();
            assert!(ws.is_open() && !ws.is_server());
            assert_eq!(ws.subprotocol(), chosen);
            #[cfg(feature = "deflate")]
            {
                assert_eq!(ws.deflate_params(), agreed);
                assert!(agreed.is_none() || config.deflate.is_some(), "it was offered");
            }
            // There is one connection in a handshake.
            let again = client.receive(status, section).map(|_| ());
            assert_eq!(again, Err(client.receive_eof()));
        }
        Ok(Some(Outcome::Refused(refusal))) => {
            assert!((300..=599).contains(&status) && refusal.status() == status);
            check(refusal.fields());
        }
        Err(error) => {
            assert!(is_true_of_reply(error, status, section), "{error:?} of {status} {section:?}");
        }
    }
}

/// The fault that is found is there.
fn is_true_of_reply(error: ResponseError, status: u16, section: &[Field<'_>]) -> bool {
    use handshake::ResponseError as Shared;
    let values =
        |wanted| section.iter().filter(move |field| field.0 == wanted).map(|field| field.1);
    match error {
        ResponseError::Handshake(Shared::SubprotocolNotOffered) => {
            let mut chosen = values("sec-websocket-protocol");
            values("sec-websocket-protocol").count() > 1
                || chosen.any(|name| !OFFERED.iter().any(|offered| offered.as_bytes() == name))
        }
        // Whatever it may be that is wrong with it.
        ResponseError::Handshake(_) => values("sec-websocket-extensions").next().is_some(),
        ResponseError::Section(SectionError::PseudoHeader) => {
            pseudo_out_of_place(section, &[":status"])
        }
        ResponseError::Section(error) => is_true_of_section(error, section),
        ResponseError::StatusInvalid => {
            let written = only(section, ":status");
            status == 101
                || !(100..=599).contains(&status)
                || written.is_some_and(|written| written != status.to_string().as_bytes())
        }
        _ => false,
    }
}

// ---- sections, by their definition (RFC 9113, sections 8.2 and 8.3) ---------------

/// All that is asked of a section that is let through, whose first `pseudo`
/// fields are pseudo-header fields.
fn check_section(section: &[Field<'_>], pseudo: usize) {
    use SectionError::{ConnectionSpecific, FieldName, FieldValue, TooLong, TooManyFields};
    assert!(section[..pseudo].iter().all(|field| field.0.starts_with(':')));
    assert!(!section[pseudo..].iter().any(|field| field.0.starts_with(':')));
    for error in [ConnectionSpecific, FieldName, FieldValue, TooLong, TooManyFields] {
        assert!(!is_true_of_section(error, section), "{error:?} of {section:?}");
    }
}

/// Exactly these, and nothing of anything else.
fn check_fields(fields: Fields<'_>, section: &[Field<'_>]) {
    assert!(fields.iter().eq(section.iter().copied()));
    for ((name, value), (their_name, their_value)) in fields.iter().zip(section) {
        assert!(is_part_of(name.as_bytes(), their_name.as_bytes()));
        assert!(is_part_of(value, their_value));
        assert!(fields.first(name).is_some());
    }
}

fn is_true_of_section(error: SectionError, section: &[Field<'_>]) -> bool {
    let fields = || section.iter().filter(|field| !field.0.starts_with(':'));
    match error {
        SectionError::ConnectionSpecific => {
            fields().any(|(name, value)| is_connection_specific(name, value))
        }
        SectionError::FieldName => fields().any(|(name, _)| !is_lower_case_token(name)),
        SectionError::FieldValue => section.iter().any(|(_, value)| !is_value(value)),
        SectionError::TooLong => {
            let lens = section.iter().map(|(name, value)| name.len() + value.len() + 32);
            lens.sum::<usize>() > CONFIG.max_head_len
        }
        SectionError::TooManyFields => {
            let others = fields().filter(|field| field.0 != "cookie").count();
            let cookie = fields().any(|field| field.0 == "cookie");
            others + usize::from(cookie) > CONFIG.max_headers
        }
        _ => false,
    }
}

/// Unknown, twice, or behind what is none.
fn pseudo_out_of_place(section: &[Field<'_>], known: &[&str]) -> bool {
    let is_pseudo = |field: &Field<'_>| field.0.starts_with(':');
    let first_other = section.iter().position(|field| !is_pseudo(field)).unwrap_or(section.len());
    section.iter().enumerate().filter(|(_, field)| is_pseudo(field)).any(|(at, (name, _))| {
        let times = section.iter().filter(|field| field.0 == *name).count();
        at > first_other || times > 1 || !known.contains(name)
    })
}

/// The value of a field that is there exactly once.
fn only<'a>(section: &[Field<'a>], name: &str) -> Option<&'a [u8]> {
    let mut values = section.iter().filter(|field| field.0 == name).map(|field| field.1);
    values.next().filter(|_| values.next().is_none())
}

/// The same bytes in the same place.
fn is_same(text: &str, bytes: &[u8]) -> bool {
    text.as_bytes() == bytes && is_part_of(text.as_bytes(), bytes)
}

fn is_lower_case_token(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_value(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    !is_space(value.first()) && !is_space(value.last()) && !value.iter().any(is_control)
}

fn is_visible(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

/// Nothing that delimits other parts of a URL (RFC 3986, section 3.2).
fn is_host(bytes: &[u8]) -> bool {
    is_visible(bytes) && !bytes.iter().any(|b| br#"@/?#\"<>{},"#.contains(b))
}

fn is_connection_specific(name: &str, value: &[u8]) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => true,
        "te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}
