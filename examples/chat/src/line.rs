//! What a server sends, as lines of plain text; for a terminal, for example.

use crate::protocol::{Date, FromServer};

/// The line for a message, with times written by `time`; `None` for an `id`,
/// which nobody has to see.
///
/// Text stays text: no control character is in a line, so that nobody can move
/// a terminal's cursor or colour its letters, and the second line of a text
/// stands under the first and cannot pass for somebody else's.
///
/// ```
/// use sockeye_chat::line::{line, utc_time};
/// use sockeye_chat::protocol::{Date, FromServer};
///
/// let (name, text) = ("Ana".to_owned(), "Hello!".to_owned());
/// let message = FromServer::Message { id: 7, name, text, date: Date(1_700_000_000_000) };
/// assert_eq!(line(&message, utc_time).as_deref(), Some("(22:13:20) Ana: Hello!"));
/// ```
pub fn line(message: &FromServer, time: impl Fn(Date) -> String) -> Option<String> {
    Some(match message {
        FromServer::Id { .. } => return None,
        FromServer::Username { name, date, .. } => {
            format!("User {} signed in at {}", plain(name), time(*date))
        }
        FromServer::Message { name, text, date, .. } => {
            format!("({}) {}: {}", time(*date), plain(name), plain(text))
        }
        FromServer::RejectUsername { name, .. } => format!(
            "Your username has been set to {} because the name you chose is in use.",
            plain(name)
        ),
        FromServer::UserList { users } => {
            let users: Vec<String> = users.iter().map(|name| plain(name)).collect();
            format!("Users: {}", users.join(", "))
        }
    })
}

/// The time of day in UTC: `14:03:07`.
pub fn utc_time(date: Date) -> String {
    let seconds = date.0 / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The text without what is not text.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push_str("\n    "),
            '\t' => plain.push(' '),
            c if is_invisible_control(c) => {}
            c => plain.push(c),
        }
    }
    plain
}

/// True for characters that have no shape of their own and change what is
/// around them: controls, and those that turn the direction of text or end a
/// line.
pub fn is_invisible_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{202a}'..='\u{202e}' // embeddings and overrides
            | '\u{2028}' | '\u{2029}' // ends of lines and paragraphs
            | '\u{2066}'..='\u{2069}' // isolates
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(message: FromServer) -> Option<String> {
        line(&message, |date| format!("<{}>", date.0))
    }

    #[test]
    fn the_lines_of_the_documents() {
        let name = || "Ana".to_owned();
        assert_eq!(at(FromServer::Id { id: 7 }), None);
        assert_eq!(
            at(FromServer::Username { id: 7, name: name(), date: Date(5) }).unwrap(),
            "User Ana signed in at <5>"
        );
        let text = "Hello!".to_owned();
        assert_eq!(
            at(FromServer::Message { id: 7, name: name(), text, date: Date(5) }).unwrap(),
            "(<5>) Ana: Hello!"
        );
        assert_eq!(
            at(FromServer::RejectUsername { id: 7, name: name() }).unwrap(),
            "Your username has been set to Ana because the name you chose is in use."
        );
        assert_eq!(
            at(FromServer::UserList { users: vec![name(), "Ben".into()] }).unwrap(),
            "Users: Ana, Ben"
        );
    }

    #[test]
    fn text_stays_text() {
        let text = "<b>bold</b>\u{1b}[31m\r\u{202e}\n(x) Server: hm\t!".to_owned();
        let message = FromServer::Message { id: 7, name: "A\u{7}na".into(), text, date: Date(5) };
        assert_eq!(at(message).unwrap(), "(<5>) Ana: <b>bold</b>[31m\n    (x) Server: hm !");
    }

    #[test]
    fn times_of_day() {
        assert_eq!(utc_time(Date(0)), "00:00:00");
        assert_eq!(utc_time(Date(1_700_000_000_000)), "22:13:20");
        assert_eq!(utc_time(Date(u64::MAX)).len(), 8);
    }
}
