//! Ports of other protocols: nobody is asked there, in the way that the page
//! wants.

#![cfg(feature = "web")]

mod common;
mod web_common;

use sockeye::web::{BlockedPorts, Diagnostic, Options, ReadyState, WebSocket};
use web_common::{Page, options};

/// *Bad ports* of the Fetch Standard, by the protocols to which they belong.
const BAD: &[(&str, &[std::ops::RangeInclusive<u16>])] = &[
    (
        "none; tcpmux, echo, discard, systat, daytime, netstat",
        &[0..=1, 7..=7, 9..=9, 11..=11, 13..=13, 15..=15],
    ),
    ("qotd, chargen, ftp-data, ftp, ssh, telnet, smtp", &[17..=17, 19..=23, 25..=25]),
    (
        "time, name, nicname, domain, tftp, gopher, finger",
        &[37..=37, 42..=43, 53..=53, 69..=69, 77..=77, 79..=79],
    ),
    ("ttylink, supdup, hostname, iso-tsap, gppitnp, acr-nema", &[87..=87, 95..=95, 101..=104]),
    (
        "pop2, pop3, sunrpc, auth, sftp, uucp-path, nntp, ntp",
        &[109..=111, 113..=113, 115..=115, 117..=117, 119..=119, 123..=123],
    ),
    (
        "epmap, netbios, imap, snmp, bgp, ldap, svrloc, submissions",
        &[
            135..=135,
            137..=137,
            139..=139,
            143..=143,
            161..=161,
            179..=179,
            389..=389,
            427..=427,
            465..=465,
        ],
    ),
    (
        "exec, login, shell, printer, tempo, courier, chat, netnews, uucp",
        &[512..=515, 526..=526, 530..=532, 540..=540],
    ),
    (
        "rtsp, remotefs, nntps, submission, syslog-conn, ldaps, ftps, imaps, pop3s",
        &[
            548..=548,
            554..=554,
            556..=556,
            563..=563,
            587..=587,
            601..=601,
            636..=636,
            989..=990,
            993..=993,
            995..=995,
        ],
    ),
    (
        "h323gatestat, h323hostcall, pptp, nfs, apple-sasl, npp, sieve",
        &[1719..=1720, 1723..=1723, 2049..=2049, 3659..=3659, 4045..=4045, 4190..=4190],
    ),
    (
        "sip, sips, x11, sane-port, ircu, osaut, ircs-u, amanda",
        &[
            5060..=5061,
            6000..=6000,
            6566..=6566,
            6665..=6669,
            6679..=6679,
            6697..=6697,
            10080..=10080,
        ],
    ),
];

fn is_bad(port: u16) -> bool {
    BAD.iter().any(|(_, ranges)| ranges.iter().any(|range| range.contains(&port)))
}

fn as_the_page_wants(blocked_ports: BlockedPorts) -> Options {
    options(|options| options.blocked_ports = blocked_ports)
}

#[test]
fn c13_the_list_is_that_of_the_fetch_standard() {
    let bad = (0..=u16::MAX).filter(|&port| is_bad(port)).count();
    assert_eq!(bad, 83, "as the standard has it today");
    let throwing = as_the_page_wants(BlockedPorts::Throw);
    for port in 0..=u16::MAX {
        let made = WebSocket::with_options(&format!("ws://h:{port}/"), (), &throwing);
        assert_eq!(made.is_err(), is_bad(port), "{port}");
    }
}

#[test]
fn c13_a_bad_port_fails_the_connection_and_nobody_is_asked() {
    assert_eq!(Options::default().blocked_ports, BlockedPorts::Fail);
    for port in 0..=u16::MAX {
        let scheme = if port % 2 == 0 { "ws" } else { "wss" };
        // A few good ones will do: each costs a handshake's preparation.
        if !is_bad(port) && !(1..1100).contains(&port) && port % 97 != 0 {
            continue;
        }
        let mut page = Page::new(&format!("{scheme}://h:{port}/"), "a", &Options::default());
        assert_eq!(page.target().is_none(), is_bad(port), "{port}");
        if !is_bad(port) {
            assert_eq!(page.target().unwrap().port, port);
            assert!(page.is_opening() && !page.has_tasks());
            continue;
        }
        // The constructor's caller sees a socket like any other.
        assert_eq!(page.ready_state(), ReadyState::Connecting);
        assert!(!page.is_opening() && page.should_close_transport());
        // Whoever does not look at the target writes nothing either.
        let now = page.instant();
        page.connected(now);
        assert!(page.output().is_empty(), "{port}");
        page.hears("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        page.ends();
        page.waits(web_common::second(100));
        assert!(page.output().is_empty(), "{port}");
        page.fails(&Diagnostic::BlockedPort(port));
        page.connect_failed("again");
        assert!(page.turns().is_empty());
        assert!(page.target().is_none());
    }
}

#[test]
fn c13_a_bad_port_can_be_an_exception() {
    let throwing = as_the_page_wants(BlockedPorts::Throw);
    for port in (0..=u16::MAX).filter(|&port| is_bad(port)) {
        for scheme in ["ws", "wss", "http", "https"] {
            let url = format!("{scheme}://example.com:{port}/");
            let error = WebSocket::with_options(&url, (), &throwing).unwrap_err();
            assert_eq!((error.name(), error.legacy_code()), ("SecurityError", 18), "{url}");
        }
    }
    // Those of the schemes are none of them.
    for url in ["ws://h/", "wss://h/", "ws://h:443/", "wss://h:80/"] {
        assert!(WebSocket::with_options(url, (), &throwing).is_ok());
    }
}

#[test]
fn c13_a_bad_port_can_be_allowed() {
    let allowing = as_the_page_wants(BlockedPorts::Allow);
    for port in (0..=u16::MAX).filter(|&port| is_bad(port)) {
        let mut page = Page::asking(&format!("ws://h:{port}/"), (), &allowing);
        assert_eq!(web_common::header(&page.request, "Host"), [format!("h:{port}")]);
        page.accepts("");
        assert_eq!(page.turns(), [web_common::Told::Open]);
    }
}

#[test]
fn c13_a_bad_port_counts_for_no_limit() {
    let limit = sockeye::web::ConnectionLimit::new(1);
    let options = options(|options| options.connections = Some(limit.clone()));
    let blocked = Page::new("ws://h:25/", (), &options);
    assert_eq!(limit.count(), 0);
    let good = Page::new("ws://h/", (), &options);
    assert_eq!(limit.count(), 1);
    drop((blocked, good));
}
