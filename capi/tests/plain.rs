//! The same functions in a library that was built without compression: run with
//! `--no-default-features` as well.

mod api;

use std::ptr::null_mut;

use api::*;

#[test]
fn compression_is_asked_for_in_vain_where_there_is_none() {
    let mut wanted = config();
    wanted.deflate = 1;
    let mut settings = null_mut();
    // SAFETY: both are there.
    let result = unsafe { sockeye_settings_new(&wanted, &mut settings) };
    let expected = if cfg!(feature = "deflate") { SOCKEYE_OK } else { SOCKEYE_UNSUPPORTED };
    assert_eq!(result, expected);
    drop(Settings(settings));
}

#[test]
fn two_ends_talk_without_compression() {
    let settings = Settings::new(|_| {});
    let (client, server) = pair(&settings);
    // SAFETY: it is there.
    assert!(!unsafe { sockeye_connection_is_compressing(server.0) });
    let (mut out, mut event) = (Out::new(1000), empty());
    assert_eq!(client.text("hello", &mut out), SOCKEYE_OK);
    let mut wire = out.take();
    let mut lent = input(&mut wire, &mut []);
    assert_eq!(server.receive(&mut lent, &mut out, &mut event), SOCKEYE_OK);
    assert_eq!((said(event.data), event.is_last), ("hello".into(), true));
}
