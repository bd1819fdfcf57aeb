//! The first bytes of a script: both ends' limits, deadlines and compression.

use core::time::Duration;

use super::super::script::Script;
use super::end::End;
use sockeye::{Config, FixedOutput};

/// Client and server. Four bytes, and four more if they compress.
pub fn ends(script: &mut Script<'_>) -> [End; 2] {
    let flags = [script.byte(), script.byte(), script.byte(), script.byte()];
    let configs = [config(flags[0]), config(flags[2])];
    let rooms = [room(flags[1]), room(flags[3])];
    #[cfg(feature = "deflate")]
    if flags[0] & 0x20 != 0 {
        return super::compression::ends(script, configs, rooms);
    }
    let [client, server] = configs;
    [End::new(true, client, rooms[0]), End::new(false, server, rooms[1])]
}

fn config(byte: u8) -> Config {
    let on = |bit: u8, seconds| (byte >> bit & 1 == 1).then(|| Duration::from_secs(seconds));
    let mut config = Config::default();
    config.ping_interval = on(0, 2);
    config.idle_timeout = on(1, 7);
    config.close_timeout = on(2, 5);
    config.pong_timeout = on(3, 1).unwrap_or(config.pong_timeout);
    config.auto_pong = on(4, 0).is_none();
    config
}

/// Room in an output that nobody flushes; now and then just what is promised
/// to be enough.
fn room(byte: u8) -> usize {
    match byte {
        0..128 => usize::MAX,
        byte => FixedOutput::MIN_LEN + 4 * usize::from(byte - 128),
    }
}
