//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).
//!
//! Input: the values of such headers, one in each line.

use super::http::is_token;
use std::sync::Arc;

use sockeye::Config;
use sockeye::handshake::{RequestError, Server};

/// A name, and the names and values of parameters.
type Extension = (String, Vec<(String, Option<String>)>);

pub fn extensions(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|&b| b == b'\n').collect();
    let Ok(list) = parse(&lines) else { return };
    for (name, params) in &list {
        assert!(is_token(name), "{name:?}");
        for (name, value) in params {
            assert!(is_token(name), "{name:?}");
            assert!(value.as_deref().is_none_or(is_token), "{value:?}");
        }
    }
    // However it is written, it is the same list.
    for style in [Style::Plain, Style::Quoted, Style::Odd] {
        let written = write(&list, style);
        assert_eq!(parse(&[written.as_bytes()]).as_ref(), Ok(&list), "{written}");
    }
}

/// What a server makes of a request with these header lines.
fn parse(lines: &[&[u8]]) -> Result<Vec<Extension>, RequestError> {
    let mut head = b"GET / HTTP/1.1\r\n\
        Host: example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n"
        .to_vec();
    for line in lines {
        head.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut config = Config::default();
    config.max_headers = Config::MAX_HEADERS;
    let mut server = Server::new(Arc::new(config));
    let request = server.receive(&head)?.expect("the head is complete");
    let extensions = request.extensions().map(|extension| {
        let params = extension.params();
        let params = params.map(|(name, value)| (name.into(), value.map(|v| v.into_owned())));
        (extension.name().into(), params.collect())
    });
    Ok(extensions.collect())
}

/// How to write a list: whatever the grammar allows means the same.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Quoted,
    Odd,
}

fn write(list: &[Extension], style: Style) -> String {
    let value = |value: &str| match style {
        Style::Plain => format!("={value}"),
        Style::Quoted => format!("=\"{value}\""),
        Style::Odd => {
            let escaped: String = value.chars().flat_map(|c| ['\\', c]).collect();
            format!(" = \"{escaped}\"")
        }
    };
    let param = |(name, v): &(String, Option<String>)| {
        format!("; {name}{}", v.as_deref().map(value).unwrap_or_default())
    };
    let extension = |(name, params): &Extension| {
        format!("{name}{}", params.iter().map(param).collect::<String>())
    };
    let separator = match style {
        Style::Plain => ", ",
        Style::Quoted => ",",
        Style::Odd => "\t,, , ",
    };
    list.iter().map(extension).collect::<Vec<_>>().join(separator)
}
