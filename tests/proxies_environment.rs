//! Proxies that the environment names, with tokio. Each connection is made in a
//! process of its own: the environment of this one is not ours to change.

#![cfg(all(feature = "proxy", feature = "url"))]

mod common;
mod processes;
mod reach;
mod sockets;

use std::env;
use std::net::TcpListener;
use std::process::Command;

use processes::*;
use reach::proxy::*;
use reach::*;
use sockets::*;
use sockeye::net::Endpoint;

const VARIABLES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
const PLAN: &str = "SOCKEYE_TEST_PLAN";

/// What a process of its own does, with the environment that it is given. But
/// for the echo, it is hung up on at once.
fn child(plan: &str) {
    let (how, url) = plan.split_once(' ').unwrap();
    let endpoint = Endpoint::from_url(url).unwrap();
    match how {
        "tokio" => assert_shape!(dial(endpoint), Err(_)),
        "without_proxy" => assert_shape!(dial(endpoint.without_proxy()), Err(_)),
        "echo" => dial(endpoint).unwrap().check_echo(),
        "blocking" => assert_shape!(Adapter::Blocking.connect(endpoint), Err(_)),
        // A proxy of the endpoint's own.
        proxy => assert_shape!(dial(endpoint.proxy(proxy)), Err(_)),
    }
}

fn run_child(name: &str, plan: &str, environment: &[(&str, String)]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(PLAN, plan).env_remove("REQUEST_METHOD");
    for name in VARIABLES {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let ended = Ended::of(&mut command);
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

/// How a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Directly,
    ByProxy,
}

/// Looks at how a client begins, which is enough to tell.
fn how_it_came(listener: &TcpListener) -> Came {
    let mut peer = Script::of(Role::Server, listener.accept().unwrap().0);
    match peer.bytes() {
        [b'C'] => Came::ByProxy,
        // GET, or a record of TLS.
        [b'G' | 0x16] => Came::Directly,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_environment_names_the_proxy_and_the_endpoint_has_the_last_word() {
    use Came::*;
    const NAME: &str = "the_environment_names_the_proxy_and_the_endpoint_has_the_last_word";
    if let Ok(plan) = env::var(PLAN) {
        return child(&plan);
    }
    let tls = cfg!(feature = "rustls");
    bounded(move || {
        let (listener, port) = listen();
        // It is the proxy and the server in one.
        let proxy = format!("http://127.0.0.1:{port}");
        let (ws, wss) = (format!("ws://127.0.0.1:{port}/"), format!("wss://127.0.0.1:{port}/"));
        let set = |name: &'static str| (name, proxy.clone());
        let no = |name: &'static str, value: &str| (name, value.to_owned());
        let plan = |how: &str| format!("{how} {ws}");
        let secure_plan = |how: &str| format!("{how} {wss}");
        let cases = [
            (plan("tokio"), vec![], Directly),
            (plan("tokio"), vec![set("HTTP_PROXY")], ByProxy),
            (plan("tokio"), vec![set("http_proxy")], ByProxy),
            (plan("tokio"), vec![set("HTTPS_PROXY")], Directly),
            (plan("tokio"), vec![set("ALL_PROXY")], ByProxy),
            (plan("tokio"), vec![set("all_proxy")], ByProxy),
            (plan("tokio"), vec![set("HTTP_PROXY"), no("NO_PROXY", "127.0.0.1")], Directly),
            (plan("tokio"), vec![set("HTTP_PROXY"), no("no_proxy", "a.b, 127.0.0.0/8")], Directly),
            (plan("tokio"), vec![set("ALL_PROXY"), no("NO_PROXY", "*.b,example.com")], ByProxy),
            (plan("without_proxy"), vec![set("HTTP_PROXY"), set("ALL_PROXY")], Directly),
            (plan(&proxy), vec![no("NO_PROXY", "*")], ByProxy),
            (plan("blocking"), vec![set("HTTP_PROXY"), set("ALL_PROXY")], Directly),
            (secure_plan("tokio"), vec![], Directly),
            (secure_plan("tokio"), vec![set("HTTP_PROXY")], Directly),
            (secure_plan("tokio"), vec![set("HTTPS_PROXY")], ByProxy),
            (secure_plan("tokio"), vec![set("https_proxy")], ByProxy),
            (secure_plan("tokio"), vec![set("ALL_PROXY")], ByProxy),
            (secure_plan("without_proxy"), vec![set("HTTPS_PROXY")], Directly),
        ];
        for (plan, environment, expected) in cases {
            if plan.contains("wss:") && !tls {
                continue;
            }
            let child = {
                let (plan, environment) = (plan.clone(), environment.clone());
                Task::start(move || run_child(NAME, &plan, &environment))
            };
            assert_eq!(how_it_came(&listener), expected, "{plan} with {environment:?}");
            child.join();
        }
    });
}

#[test]
fn a_connection_through_the_proxy_of_the_environment_carries_messages() {
    const NAME: &str = "a_connection_through_the_proxy_of_the_environment_carries_messages";
    if let Ok(plan) = env::var(PLAN) {
        return child(&plan);
    }
    bounded(|| {
        for scheme in ["http", "socks5h"] {
            let (proxy, server) = proxy_that(move |mut peer| {
                match scheme {
                    "http" => {
                        let tunnel = let_through(&mut peer);
                        assert_eq!(header(&tunnel, "Proxy-Authorization"), Some("Basic dTpw"));
                    }
                    _ => drop(socks(&mut peer, Some(("u", "p")))),
                }
                serve(&mut peer);
            });
            let url = format!("{scheme}://u:p@127.0.0.1:{proxy}");
            run_child(NAME, "echo ws://server.invalid/", &[("ALL_PROXY", url)]);
            server.join();
        }
    });
}
