//! In place of `nats` where that feature is off.

use std::sync::Arc;

use super::Work;
use crate::server::rooms::Rooms;

/// The way to a broker: there is none.
#[derive(Debug)]
pub enum Link {}

impl Link {
    /// # Errors
    ///
    /// Always.
    #[allow(clippy::unused_async)] // as the other
    pub async fn start(_: &str, _: Arc<Rooms>, _: Work) -> Result<Self, String> {
        Err("this program was built without `--nats`. Build it with the feature `nats`: \
             cargo run --release --features nats --manifest-path examples/chat/Cargo.toml -- \
             --nats URL"
            .into())
    }

    /// Nothing to end.
    #[allow(clippy::unused_async)]
    pub async fn finish(self) {
        match self {}
    }
}
