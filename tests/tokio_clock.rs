//! The tokio adapter in one process with several virtual clocks. A file of its
//! own: what it shows depends on who asks for the time first.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use sockeye::handshake::{Accept, RequestError};
use sockeye::tokio::{Error, accept_with};
use tokio::runtime::{Builder, Runtime};
use tokio_common::*;

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

// Were the epoch of the clock the virtual time of whoever asks first, the time
// would stand still for those behind it.
#[test]
fn one_virtual_clock_does_not_delay_the_deadlines_of_another() {
    bounded(|| {
        let config = config(|c| c.handshake_timeout = Some(10 * SECOND));
        let accept = async |after| {
            tokio::time::sleep(after).await;
            let (outcome, took) = timed(async {
                let link = Link::new("");
                accept_with(link, config.clone(), |_| Accept::new().into()).await
            })
            .await;
            assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
            // Of which five seconds are for the client to read the answer.
            assert_took(took, 15 * SECOND);
        };
        paused().block_on(accept(1000 * SECOND));
        paused().block_on(accept(SECOND));
    });
}
