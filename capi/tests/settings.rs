//! The settings of connections: their defaults, their limits, and what later versions may
//! add to them.

#![cfg(feature = "deflate")]

mod api;
#[path = "../../tests/common/mod.rs"]
mod common;

use std::ptr;

use api::*;

#[test]
fn a_config_begins_with_the_defaults_of_the_engine() {
    let engine = sockeye::Config::default();
    let config = config();
    assert_eq!(config.size, size_of::<sockeye_config>());
    assert_eq!(config.max_message_len, engine.max_message_len);
    assert_eq!(config.max_frame_len, engine.max_frame_len);
    assert_eq!(config.max_fragments, engine.max_fragments);
    assert_eq!(config.max_head_len, engine.max_head_len);
    assert_eq!(config.max_headers, engine.max_headers);
    assert_eq!(config.max_target_len, engine.max_target_len);
    assert_eq!(config.max_refusal_len, engine.max_refusal_len);
    assert_eq!(config.handshake_timeout_ns, 10_000_000_000);
    assert_eq!(config.pong_timeout_ns, 20_000_000_000);
    assert_eq!(config.close_timeout_ns, 5_000_000_000);
    assert_eq!((config.ping_interval_ns, config.idle_timeout_ns), (SOCKEYE_NEVER, SOCKEYE_NEVER));
    assert_eq!((config.auto_pong, config.deflate), (1, 0));
    let deflate = sockeye::DeflateConfig::default();
    assert_eq!(
        (config.deflate_level, config.deflate_mem_level),
        (deflate.level, deflate.mem_level)
    );
    assert_eq!((config.deflate_min_len, config.deflate_max_ratio), (deflate.min_len, 0));
    assert_eq!(config.deflate_server_max_window_bits, 15);
    assert_eq!(config.deflate_client_max_window_bits, 15);
    assert_eq!(config.deflate_release_after_ns, SOCKEYE_NEVER);
}

#[track_caller]
fn settings_of(config: *const sockeye_config) -> sockeye_result {
    let mut settings = ptr::null_mut();
    // SAFETY: both are there.
    let result = unsafe { sockeye_settings_new(config, &mut settings) };
    assert_eq!(result == SOCKEYE_OK, !settings.is_null());
    drop(Settings(settings));
    result
}

#[test]
fn values_out_of_their_range_make_no_settings() {
    let set: [fn(&mut sockeye_config); 11] = [
        |config| config.auto_pong = 2,
        |config| config.deflate = 2,
        |config| config.deflate_server_max_window_bits = 7,
        |config| config.deflate_client_max_window_bits = 16,
        |config| config.deflate_server_no_context_takeover = 2,
        |config| config.deflate_client_no_context_takeover = 255,
        |config| config.deflate_level = 0,
        |config| config.deflate_mem_level = 10,
        |config| config.size = 0,
        |config| config.size -= 1,
        |config| config.size = usize::MAX,
    ];
    for (at, set) in set.into_iter().enumerate() {
        let mut config = config();
        config.deflate = 1;
        set(&mut config);
        assert_eq!(settings_of(&config), SOCKEYE_INVALID_ARGUMENT, "{at}");
    }
}

/// A program that was compiled with a later header, whose struct is longer.
#[test]
fn a_longer_config_will_do_if_it_asks_for_nothing_new() {
    #[repr(C)]
    struct Later {
        config: sockeye_config,
        news: [u8; 24],
    }
    let mut later = Later { config: empty(), news: [0xff; 24] };
    let config = (&raw mut later).cast::<sockeye_config>();
    // SAFETY: so many bytes are there.
    assert_eq!(unsafe { sockeye_config_init(config, size_of::<Later>()) }, SOCKEYE_OK);
    assert_eq!((later.news, later.config.size), ([0; 24], size_of::<Later>()));
    let config = (&raw mut later).cast::<sockeye_config>();
    assert_eq!(settings_of(config), SOCKEYE_OK);
    later.news[23] = 1;
    assert_eq!(settings_of((&raw mut later).cast()), SOCKEYE_UNSUPPORTED);
    let mut config = empty();
    for size in [0, size_of::<sockeye_config>() - 1] {
        // SAFETY: it is there.
        assert_eq!(unsafe { sockeye_config_init(&mut config, size) }, SOCKEYE_INVALID_ARGUMENT);
    }
}

#[test]
fn compression_is_agreed_on_as_the_settings_say() {
    let offers = |set: fn(&mut sockeye_config)| {
        let settings = Settings::new(|config| {
            config.deflate = 1;
            set(config);
        });
        let mut out = Out::new(2000);
        assert_eq!(Client::new(&settings).request(&mut out), SOCKEYE_OK);
        let request = String::from_utf8(out.take()).unwrap();
        let (client, server) = pair(&settings);
        // SAFETY: both are there.
        let agreed = unsafe {
            sockeye_connection_is_compressing(client.0)
                && sockeye_connection_is_compressing(server.0)
        };
        (
            request
                .split("Extensions: ")
                .nth(1)
                .map(|rest| rest.lines().next().unwrap().to_owned()),
            agreed,
        )
    };
    assert_eq!(offers(|config| config.deflate = 0), (None, false));
    let (offer, agreed) = offers(|_| {});
    assert_eq!(offer.as_deref(), Some("permessage-deflate; client_max_window_bits"));
    assert!(agreed);
    let (offer, agreed) = offers(|config| {
        config.deflate_server_no_context_takeover = 1;
        config.deflate_client_no_context_takeover = 1;
        config.deflate_server_max_window_bits = 10;
        config.deflate_client_max_window_bits = 9;
    });
    let offer = offer.unwrap();
    for part in [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits=10",
        "client_max_window_bits=9",
    ] {
        assert!(offer.contains(part), "{offer}");
    }
    assert!(agreed);
}

#[test]
fn settings_outlast_what_they_were_freed_as() {
    let settings = Settings::new(|config| config.max_message_len = 3);
    let ws = Ws::server(&settings);
    drop(settings);
    let mut wire = common::binary([0; 4]).masked();
    let mut event = empty();
    let mut out = Out::new(131);
    assert_eq!(ws.receive(&mut input(&mut wire, &mut []), &mut out, &mut event), SOCKEYE_OK);
    assert_eq!(event.error, sockeye_protocol_error::SOCKEYE_PROTOCOL_MESSAGE_TOO_LONG);
}

/// Settings can be used by any number of threads at once.
#[test]
fn settings_are_shared_by_threads() {
    struct Shared(Settings);
    // SAFETY: the header says so of settings.
    unsafe impl Sync for Shared {}
    let shared = Shared(Settings::new(|config| config.deflate = 1));
    let shared = &shared;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || (0..50).for_each(|_| drop(pair(&shared.0))));
        }
    });
}
