//! Where a client gets to: redirects, what it may tell to whom, authorization
//! from the URL, and hosts with several addresses. Both adapters do the same.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::net::{TcpListener, ToSocketAddrs};

use reach::*;
use sockets::*;
use sockeye::net::{Endpoint, Error};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Connects to a server that replies so, as often as it is asked. Gives what
/// came of it, and what the server was asked.
fn hops(
    adapter: Adapter,
    endpoint: impl FnOnce(u16) -> Endpoint,
    replies: impl FnOnce(u16) -> Vec<String>,
) -> (Result<Client, Error>, Vec<String>) {
    let (listener, port) = listen();
    let server = answers(listener, replies(port));
    let outcome = adapter.connect(endpoint(port));
    let (heads, listener) = server.join();
    assert_empty(&listener);
    (outcome, heads)
}

fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// The value of a header line, or nothing.
fn value<'a>(head: &'a str, name: &str) -> &'a str {
    header(head, name).unwrap_or_default()
}

// ---- redirects -------------------------------------------------------------------

#[test]
fn rfc9110_s15_4_redirects_are_followed() {
    each_adapter(|adapter| {
        for status in REDIRECTS {
            let replies = |_| vec![redirect(status, "/there?x=1"), String::new()];
            let (outcome, heads) =
                hops(adapter, |port| direct("127.0.0.1", port, "/here"), replies);
            outcome.unwrap();
            assert_eq!(
                heads.iter().map(|h| target(h)).collect::<Vec<_>>(),
                ["/here", "/there?x=1"]
            );
            assert!(heads.iter().all(|head| head.starts_with("GET ")));
        }
    });
}

#[test]
fn rfc9110_s10_2_2_a_location_is_relative_to_where_it_was_given() {
    each_adapter(|adapter| {
        let cases = [
            ("there", "/a/there"),
            ("./there", "/a/there"),
            ("../there", "/there"),
            ("/there", "/there"),
            ("?y=2", "/a/b?y=2"),
            ("", "/a/b?x=1"),
            ("c d/\u{e9}", "/a/c%20d/%C3%A9"),
            ("there#part", "/a/there"),
            ("//127.0.0.1:{port}/there", "/there"),
            ("ws://127.0.0.1:{port}/there", "/there"),
            ("http://127.0.0.1:{port}/there?", "/there"),
            ("HTTP://127.0.0.1:{port}", "/"),
            ("ws://localhost:{port}/there", "/there"),
        ];
        for (location, expected) in cases {
            let replies = |port: u16| {
                let location = location.replace("{port}", &port.to_string());
                // It is sent somewhere else once, and back never.
                vec![redirect(307, &location), String::new()]
            };
            let (outcome, heads) =
                hops(adapter, |port| direct("127.0.0.1", port, "/a/b?x=1"), replies);
            assert!(outcome.is_ok(), "{location}: {outcome:?}");
            assert_eq!(target(&heads[1]), expected, "{location}");
        }
    });
}

#[test]
fn rfc9110_s15_4_each_hop_is_relative_to_the_one_before() {
    each_adapter(|adapter| {
        let (outcome, heads) = hops(
            adapter,
            |port| direct("127.0.0.1", port, "/a/b/c"),
            |_| vec![redirect(302, "../d/"), redirect(301, "e"), redirect(308, "f"), String::new()],
        );
        outcome.unwrap();
        assert_eq!(
            heads.iter().map(|h| target(h)).collect::<Vec<_>>(),
            ["/a/b/c", "/a/d/", "/a/d/e", "/a/d/f"]
        );
    });
}

#[test]
fn s4_1_each_hop_has_a_key_and_a_host_of_its_own() {
    each_adapter(|adapter| {
        let (outcome, heads) = hops(
            adapter,
            |port| direct("127.0.0.1", port, "/"),
            |port| {
                vec![
                    redirect(302, "/a"),
                    redirect(302, &format!("ws://localhost:{port}/")),
                    String::new(),
                ]
            },
        );
        outcome.unwrap();
        let keys = heads.iter().map(|head| value(head, "Sec-WebSocket-Key"));
        let keys: std::collections::BTreeSet<_> = keys.collect();
        assert_eq!(keys.len(), 3, "{keys:?}");
        assert!(value(&heads[0], "Host").starts_with("127.0.0.1:"));
        assert_eq!(value(&heads[0], "Host"), value(&heads[1], "Host"));
        assert!(value(&heads[2], "Host").starts_with("localhost:"));
    });
}

#[test]
fn rfc9110_s15_4_redirects_are_bounded_and_the_one_after_is_refused() {
    each_adapter(|adapter| {
        for (max, asked) in [(None, 6), (Some(0), 1), (Some(1), 2), (Some(7), 8)] {
            let (outcome, heads) = hops(
                adapter,
                |port| {
                    let endpoint = direct("127.0.0.1", port, "/");
                    max.map_or(endpoint.clone(), |max| endpoint.max_redirects(max))
                },
                // To itself; the status tells which of them was the last.
                |_| (0..asked).map(|n| redirect(301 + n % 2, "/")).collect(),
            );
            let status = 301 + (asked - 1) % 2;
            assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == status);
            assert_eq!(heads.len(), usize::from(asked));
        }
    });
}

#[test]
fn rfc9110_s15_4_redirects_that_are_not_followed_are_refusals() {
    each_adapter(|adapter| {
        let cases = [
            redirect(300, "/there"),
            redirect(304, "/there"),
            redirect(305, "/there"),
            redirect(306, "/there"),
            redirect(200, "/there"),
            redirect(401, "/there"),
            redirect(503, "/there"),
            status(302, ""),
            redirect(302, "http://"),
            redirect(302, "ws://[::1/"),
            redirect(302, "ws://127.0.0.1:99999/"),
            redirect(302, "ftp://127.0.0.1/"),
            redirect(302, "mailto:somebody"),
            redirect(302, "javascript:alert()"),
            redirect(302, "wsx://127.0.0.1/"),
        ];
        for text in cases {
            let expected: u16 = target(&text).parse().unwrap();
            let (outcome, heads) =
                hops(adapter, |port| direct("127.0.0.1", port, "/"), |_| vec![text.clone()]);
            assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == expected);
            assert_eq!(heads.len(), 1, "{text}");
        }
    });
}

#[test]
fn rfc9110_s15_4_a_refusal_behind_a_redirect_is_told() {
    each_adapter(|adapter| {
        let (outcome, heads) = hops(
            adapter,
            |port| direct("127.0.0.1", port, "/"),
            |_| vec![redirect(302, "/in"), status(403, "X-Why: because\r\n")],
        );
        assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == 403 && r.header("X-Why") == Some(b"because"));
        assert_eq!(heads.len(), 2);
    });
}

#[test]
fn a_handshake_over_a_stream_of_the_callers_follows_nothing() {
    bounded(|| {
        let (port, server) = server_that(|mut peer| {
            peer.head();
            peer.send_bytes(redirect(302, "/there"));
            peer.expect_eof();
        });
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let outcome = sockeye::blocking::handshake(direct("127.0.0.1", port, "/"), stream);
        assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == 302);
        server.join();
    });
}

// ---- what is told to whom ------------------------------------------------------------

const SECRETS: [(&str, &str); 3] =
    [("Authorization", "Bearer x"), ("cookie", "a=b"), ("PROXY-Authorization", "Basic y")];

/// An endpoint with secrets, and with what is none.
fn with_secrets(host: &str, port: u16) -> Endpoint {
    let endpoint = direct(host, port, "/").subprotocol("v2").subprotocol("v1");
    let endpoint = endpoint.header("Origin", "http://o").header("X-Other", "z");
    SECRETS.iter().fold(endpoint, |endpoint, (name, value)| endpoint.header(name, value))
}

#[track_caller]
fn assert_told(head: &str, secrets: bool) {
    for (name, secret) in SECRETS {
        assert_eq!(header(head, name), secrets.then_some(secret), "{name}");
    }
    assert_eq!(value(head, "Origin"), "http://o");
    assert_eq!(value(head, "X-Other"), "z");
    assert_eq!(value(head, "Sec-WebSocket-Protocol"), "v2, v1");
}

#[test]
fn rfc9110_s15_4_credentials_are_kept_for_the_same_origin() {
    each_adapter(|adapter| {
        for location in ["/x", "//LOCALHOST:{port}/x", "http://localhost:{port}/x"] {
            let (outcome, heads) = hops(
                adapter,
                // However its name is written.
                |port| with_secrets("LocalHost", port),
                |port| {
                    vec![
                        redirect(307, &location.replace("{port}", &port.to_string())),
                        String::new(),
                    ]
                },
            );
            outcome.unwrap();
            heads.iter().for_each(|head| assert_told(head, true));
        }
    });
}

#[test]
fn rfc9110_s15_4_credentials_are_not_told_to_another_host() {
    each_adapter(|adapter| {
        let (outcome, heads) = hops(
            adapter,
            |port| with_secrets("localhost", port),
            // There and back: what is dropped stays dropped.
            |port| {
                let to = |host: &str| redirect(302, &format!("ws://{host}:{port}/"));
                vec![to("127.0.0.1"), to("localhost"), String::new()]
            },
        );
        outcome.unwrap();
        assert_told(&heads[0], true);
        assert_told(&heads[1], false);
        assert_told(&heads[2], false);
    });
}

#[test]
fn rfc9110_s15_4_credentials_are_not_told_to_another_port() {
    each_adapter(|adapter| {
        let (second, port) = listen();
        let second = answers(second, vec![String::new()]);
        let (outcome, heads) = hops(
            adapter,
            |port| with_secrets("127.0.0.1", port),
            |_| vec![redirect(308, &format!("//127.0.0.1:{port}/"))],
        );
        outcome.unwrap();
        assert_told(&heads[0], true);
        assert_told(&second.join().0[0], false);
    });
}

#[test]
fn rfc7617_the_name_and_password_of_the_url_are_kept_for_the_same_origin_only() {
    const BASIC: &str = "Basic dXNlcjpwYXNz";
    each_adapter(|adapter| {
        let (outcome, heads) = hops(
            adapter,
            |port| direct_url(&format!("ws://user:pass@localhost:{port}/")),
            |port| {
                let elsewhere = redirect(307, &format!("ws://127.0.0.1:{port}/"));
                vec![redirect(307, "/x"), elsewhere, String::new()]
            },
        );
        outcome.unwrap();
        let told: Vec<_> = heads.iter().map(|head| header(head, "Authorization")).collect();
        assert_eq!(told, [Some(BASIC), Some(BASIC), None]);
    });
}

#[test]
fn rfc7617_the_name_and_password_of_the_url_are_decoded_and_sent() {
    each_adapter(|adapter| {
        // The examples of RFC 7617, sections 2 and 2.1.
        let cases = [
            ("Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test:123\u{a3}", "Basic dGVzdDoxMjPCow=="),
            ("user", "Basic dXNlcjo="),
        ];
        for (credentials, expected) in cases {
            let (outcome, heads) = hops(
                adapter,
                |port| direct_url(&format!("ws://{credentials}@127.0.0.1:{port}/x")),
                |_| vec![String::new()],
            );
            outcome.unwrap();
            assert_eq!(header(&heads[0], "Authorization"), Some(expected));
            assert_eq!(target(&heads[0]), "/x");
            assert!(!value(&heads[0], "Host").contains('@'));
        }
    });
}

// ---- redirects and TLS -----------------------------------------------------------

#[cfg(feature = "rustls")]
mod with_tls {
    use super::*;

    /// A server that speaks TLS, and replies so to one client.
    fn secure_server(text: String) -> (u16, Task<String>) {
        let (listener, port) = listen();
        let serve = move || {
            let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
            let request = peer.head();
            peer.send_bytes(if text.is_empty() { reply(&request, "") } else { text });
            request
        };
        (port, Task::start(serve))
    }

    #[test]
    fn rfc9110_s15_4_ws_goes_up_to_wss_and_tells_it_no_credentials() {
        each_adapter(|adapter| {
            for scheme in ["wss", "https"] {
                let (secure, server) = secure_server(String::new());
                let (outcome, heads) = hops(
                    adapter,
                    |port| with_secrets("localhost", port).tls(trusting()),
                    |_| vec![redirect(301, &format!("{scheme}://localhost:{secure}/up"))],
                );
                outcome.unwrap();
                assert_told(&heads[0], true);
                let head = server.join();
                assert_eq!(target(&head), "/up");
                assert_told(&head, false);
            }
        });
    }

    #[test]
    fn rfc9110_s15_4_wss_never_goes_down_to_ws() {
        each_adapter(|adapter| {
            for scheme in ["ws", "http"] {
                let (listener, plain) = listen();
                let (port, server) =
                    secure_server(redirect(302, &format!("{scheme}://127.0.0.1:{plain}/")));
                let outcome = adapter.connect(secure(port));
                assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == 302);
                server.join();
                assert_empty(&listener);
            }
        });
    }

    #[test]
    fn rfc9110_s15_4_wss_goes_to_wss() {
        each_adapter(|adapter| {
            let (second, server) = secure_server(String::new());
            let (port, first) = secure_server(redirect(302, &format!("//localhost:{second}/x")));
            adapter.connect(secure(port)).unwrap();
            first.join();
            assert_eq!(target(&server.join()), "/x");
        });
    }
}

// ---- addresses -------------------------------------------------------------------

#[test]
fn s3_ipv6_addresses_are_connected_to() {
    each_adapter(|adapter| {
        let listener = TcpListener::bind("[::1]:0").expect("a loopback of IPv6");
        let port = listener.local_addr().unwrap().port();
        let server = answers(listener, vec![redirect(302, "/x"), String::new()]);
        adapter.connect(direct_url(&format!("ws://[::1]:{port}/"))).unwrap();
        for head in server.join().0 {
            assert_eq!(value(&head, "Host"), format!("[::1]:{port}"));
        }
    });
}

/// Where `localhost` has an address of IPv6 too, nobody listens at it here.
#[test]
fn rfc8305_one_of_the_addresses_of_a_name_is_enough() {
    each_adapter(|adapter| {
        let (outcome, heads) =
            hops(adapter, |port| direct("localhost", port, "/"), |_| vec![String::new()]);
        outcome.unwrap();
        assert_eq!(heads.len(), 1);
    });
}

/// The other way round, for machines whose `localhost` has both.
#[test]
fn rfc8305_the_address_of_ipv6_is_enough() {
    each_adapter(|adapter| {
        let listener = TcpListener::bind("[::1]:0").expect("a loopback of IPv6");
        let port = listener.local_addr().unwrap().port();
        let has_both = ("localhost", port).to_socket_addrs().unwrap().any(|at| at.is_ipv6());
        let host = if has_both { "localhost" } else { "::1" };
        let server = answers(listener, vec![String::new()]);
        adapter.connect(direct(host, port, "/")).unwrap();
        assert_eq!(server.join().0.len(), 1);
    });
}

// The `http` crate takes it for no port at all.
#[cfg(feature = "http")]
#[test]
fn s3_a_uri_with_a_port_that_is_none_is_an_error() {
    for uri in ["ws://127.0.0.1:65536/", "wss://127.0.0.1:99999/"] {
        let uri: http::Uri = uri.parse().unwrap();
        let outcome = Endpoint::try_from(&uri);
        assert!(matches!(outcome, Err(Error::Url(_))), "{uri}: {outcome:?}");
    }
}
