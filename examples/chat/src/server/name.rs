//! Names: what may be in one, and when two are the same.

use crate::line::is_invisible_control;
use crate::protocol::SERVER_NAME;

/// Characters of a name. What is longer is cut.
pub const MAX_LEN: usize = 24;

/// Who has left no character of his name.
const NOBODY: &str = "Guest";

/// Makes a name of what a client asks for: without control characters and what
/// turns text around or has no shape, with single blanks, not longer than
/// [`MAX_LEN`], and never empty.
///
/// ```
/// use sockeye_chat::server::name::clean;
///
/// assert_eq!(clean("  Ana \t de\u{202e} la  Paz "), "Ana de la Paz");
/// assert_eq!(clean("\u{200b}"), "Guest");
/// ```
pub fn clean(wanted: &str) -> String {
    let mut name = String::new();
    let mut len = 0;
    for c in wanted.chars() {
        // Blanks are made one below; some of them are controls as well.
        if c.is_whitespace() {
            if !name.is_empty() && !name.ends_with(' ') {
                name.push(' ');
                len += 1;
            }
        } else if !is_invisible_control(c) && !is_shapeless(c) {
            name.push(c);
            len += 1;
        }
        if len == MAX_LEN {
            break;
        }
    }
    name.truncate(name.trim_end().len());
    // Joiners alone are nothing to see.
    if key(&name).is_empty() { NOBODY.to_owned() } else { name }
}

/// Characters that are nothing to look at, so that two names would look the
/// same. Joiners, which some scripts are not written without, may be in a name;
/// they do not make it another.
fn is_shapeless(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Joiners, and what chooses between forms of the character before.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Two names with the same key are the same name. Letters of different scripts
/// that look alike are different all the same.
pub fn key(name: &str) -> String {
    name.chars().filter(|c| !is_joiner(*c)).flat_map(char::to_lowercase).collect()
}

/// True for the name of the server's own notices.
pub fn is_reserved(name: &str) -> bool {
    key(name) == key(SERVER_NAME)
}

/// The name, or one made of it that nobody has: `is_taken` is asked with keys,
/// and can say yes only so many times.
pub fn unique(name: String, is_taken: impl Fn(&str) -> bool) -> String {
    let is_free = |name: &str| !is_reserved(name) && !is_taken(&key(name));
    if is_free(&name) {
        return name;
    }
    let mut number = 2_u64;
    loop {
        let suffix = number.to_string();
        let kept: String = name.chars().take(MAX_LEN - suffix.len()).collect();
        let candidate = format!("{}{suffix}", kept.trim_end());
        if is_free(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        for (wanted, name) in [
            ("Ana", "Ana"),
            ("  Ana\n\tMaria  ", "Ana Maria"),
            ("\u{202e}anA\u{2066}", "anA"),
            ("A\u{0}n\u{1b}a\u{7f}\u{85}", "Ana"),
            ("\u{feff}\u{3164}\u{200d}", "Guest"),
            ("", "Guest"),
            ("<b>Ana</b>", "<b>Ana</b>"),
            ("مریم", "مریم"),
            ("می\u{200c}نا", "می\u{200c}نا"),
            ("abcdefghijklmnopqrstuvw xyz", "abcdefghijklmnopqrstuvw"),
        ] {
            assert_eq!(clean(wanted), name, "{wanted:?}");
            assert_eq!(clean(name), name, "clean twice is clean once");
        }
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), MAX_LEN);
    }

    #[test]
    fn the_same_name_in_other_letters() {
        for (one, other) in
            [("Ana", "ANA"), ("ÉLAN", "élan"), ("می\u{200c}نا", "مینا"), ("ΑΝΑ", "ανα")]
        {
            assert_eq!(key(one), key(other));
        }
        assert_ne!(key("Ana"), key("Ann"));
    }

    #[test]
    fn names_are_made_unique() {
        let taken = ["ana", "ana2", "guest"];
        let is_taken = |key: &str| taken.contains(&key);
        assert_eq!(unique("Ben".into(), is_taken), "Ben");
        assert_eq!(unique("aNa".into(), is_taken), "aNa3");
        assert_eq!(unique("Guest".into(), is_taken), "Guest2");
        assert_eq!(unique("SERVER".into(), is_taken), "SERVER2");
        assert_eq!(unique("Ser\u{200d}ver".into(), is_taken), "Ser\u{200d}ver2");
        let long = "x".repeat(MAX_LEN);
        let other = unique(long.clone(), |key| key == long);
        assert_eq!(other, format!("{}2", "x".repeat(MAX_LEN - 1)));
    }
}
