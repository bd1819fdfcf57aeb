//! The command line.

use std::str::FromStr;

use sockeye_chat::server::Settings;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
A chat in the browser, on sockeye.

    chat [OPTIONS]

    --listen ADDR         where to listen; port 0 is any that is free
                          [127.0.0.1:8080]
    --origin ORIGIN       an origin whose pages may connect, such as
                          https://example.com; may be given several times
                          [that of the server itself]
    --max-message BYTES   the longest message that a client may send [65536]
    --max-text CHARS      the longest text that is passed on [2000]
    --max-members N       members of all rooms together [1000]
    --max-room N          members of one room [200]
    --nats URL            share the rooms with other servers through this broker,
                          such as nats://127.0.0.1:4222 (feature `nats`)
    --help                this
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Options {
    Help,
    Run(Box<Settings>),
}

/// Reads the command line, without the program's name.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut settings = Settings::default();
    while let Some(option) = args.next() {
        if option == "--help" || option == "-h" {
            return Ok(Options::Help);
        }
        let mut value = || args.next().ok_or_else(|| format!("{option}: of what?"));
        let limits = &mut settings.limits;
        match option.as_str() {
            "--listen" => settings.listen = value()?,
            "--origin" => settings.origins.push(origin(value()?)?),
            "--max-message" => limits.max_message = number(&option, &value()?)?,
            "--max-text" => limits.max_text = number(&option, &value()?)?,
            "--max-members" => limits.max_members = number(&option, &value()?)?,
            "--max-room" => limits.max_room = number(&option, &value()?)?,
            "--nats" => settings.nats = Some(value()?),
            _ => return Err(format!("{option}: no such option")),
        }
    }
    Ok(Options::Run(Box::new(settings)))
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} {value}: not a number that will do"))
}

/// As a browser would write it, or nothing would ever match it.
fn origin(value: String) -> Result<String, String> {
    let host = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ']) => Ok(value),
        _ => {
            Err(format!("--origin {value}: an origin is a scheme and a host, https://example.com"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let line = "--listen [::1]:0 --origin https://a.example --origin http://b.example:8080 \
            --max-message 1000 --max-text 10 --max-members 5 --max-room 4 --nats nats://b";
        let Ok(Options::Run(settings)) = parse_words(line) else { unreachable!("{line}") };
        assert_eq!(settings.listen, "[::1]:0");
        assert_eq!(settings.origins, ["https://a.example", "http://b.example:8080"]);
        assert_eq!(settings.nats.as_deref(), Some("nats://b"));
        let limits = settings.limits;
        assert_eq!((limits.max_message, limits.max_text), (1000, 10));
        assert_eq!((limits.max_members, limits.max_room), (5, 4));
        assert!(matches!(parse_words("--max-text 10 --help"), Ok(Options::Help)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for line in [
            "--listen",
            "--port 80",
            "--max-room -1",
            "--max-room many",
            "--origin example.com",
            "--origin https://a.example/",
        ] {
            assert!(parse_words(line).is_err(), "{line}");
        }
    }
}
