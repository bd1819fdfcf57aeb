//! Requests of the script: values out of JSON, a call, values into JSON.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sockeye::Message;
use sockeye::web::{BinaryType, Event, Options, WebError, WebSocket};

use crate::sockets::{Sockets, Trouble};

pub(crate) fn answer(sockets: &mut Sockets, request: &Value) -> Result<Value, Trouble> {
    let id = request["id"].as_u64().ok_or("a request without the socket's id")?;
    let mut events = Vec::new();
    let mut done = Ok(());
    match request["call"].as_str() {
        Some("new") => match create(request)? {
            Ok(object) => sockets.add(id, object),
            Err(error) => return Ok(json!({ "exception": exception(&error) })),
        },
        Some("get") => {}
        Some("send") => {
            let ws = sockets.get(id)?;
            done = match code_units(&request["text"])? {
                Some(text) => ws.send_utf16(&text),
                None => ws.send_binary(&bytes(&request["binary"])?.ok_or("nothing to send")?),
            };
        }
        Some("close") => {
            let code = request["code"].as_u64().map(u16::try_from).transpose()?;
            let ws = sockets.get(id)?;
            done = match code_units(&request["reason"])? {
                Some(reason) => ws.close_utf16(code, &reason),
                None => ws.close(code, None),
            };
        }
        Some("turn") => events.extend(sockets.turn(id)?.map(|event| fired(&event))),
        Some("binaryType") => {
            // Another word than the two is ignored (Web IDL, attribute setters).
            if let Ok(word) = text(&request["value"])?.parse() {
                sockets.get(id)?.set_binary_type(word);
            }
        }
        _ => return Err(format!("no such call: {request}").into()),
    }
    let mut answer = json!({ "attributes": attributes(sockets.get(id)?), "events": events });
    if let Err(error) = done {
        answer["exception"] = exception(&error);
    }
    Ok(answer)
}

/// The constructor, on the page that the script is on.
fn create(request: &Value) -> Result<Result<WebSocket, WebError>, Trouble> {
    let protocols = request["protocols"].as_array().ok_or("no list of protocols")?;
    let protocols: Vec<String> =
        protocols.iter().map(|one| text(one).map(Into::into)).collect::<Result<_, _>>()?;
    let mut options = Options::default();
    options.base_url = Some(text(&request["base"])?.into());
    options.origin = Some(text(&request["origin"])?.into());
    options.secure_context = request["secure"] == true;
    Ok(WebSocket::with_options(text(&request["url"])?, protocols, &options))
}

// ---- to JSON -----------------------------------------------------------------

fn attributes(ws: &WebSocket) -> Value {
    json!({
        "url": ws.url(),
        "readyState": ws.ready_state() as u16,
        "bufferedAmount": ws.buffered_amount(),
        "extensions": ws.extensions(),
        "protocol": ws.protocol(),
        "binaryType": ws.binary_type().to_string(),
    })
}

fn fired(event: &Event) -> Value {
    let mut value = json!({ "type": event.kind().to_string() });
    match event {
        Event::Message(message) => {
            value["origin"] = message.origin.as_ref().into();
            match &message.data {
                Message::Text(text) => value["text"] = text.as_ref().into(),
                Message::Binary(data) => {
                    value["binary"] = BASE64_STANDARD.encode(data).into();
                    value["isBlob"] = (message.binary_type == BinaryType::Blob).into();
                }
            }
        }
        Event::Close(close) => {
            value["wasClean"] = close.was_clean.into();
            value["code"] = close.code.into();
            value["reason"] = close.reason.as_str().into();
        }
        Event::Open | Event::Error => {}
    }
    value
}

fn exception(error: &WebError) -> Value {
    json!({ "name": error.name(), "message": error.message() })
}

// ---- from JSON ---------------------------------------------------------------

fn text(value: &Value) -> Result<&str, Trouble> {
    value.as_str().ok_or_else(|| format!("{value} is no string").into())
}

/// Bytes in base64, if there are any.
fn bytes(value: &Value) -> Result<Option<Cow<'_, [u8]>>, Trouble> {
    match value {
        Value::Null => Ok(None),
        value => Ok(Some(BASE64_STANDARD.decode(text(value)?)?.into())),
    }
}

/// A string of a script: UTF-16, where half a surrogate pair may be, as
/// little-endian bytes in base64.
fn code_units(value: &Value) -> Result<Option<Vec<u16>>, Trouble> {
    let Some(bytes) = bytes(value)? else { return Ok(None) };
    Ok(Some(bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect()))
}
