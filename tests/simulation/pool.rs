//! Contexts of compression, lent: making them for each seed would take longer
//! than all the rest.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};

use sockeye::deflate::{Deflater, Inflater, Lender, Params, Strength, WindowBits};
use sockeye::{Config, Connection, Input};

/// Lends to one end, and counts what it has.
#[derive(Debug, Default)]
pub struct Pool {
    #[allow(clippy::vec_box)] // that is how they are lent
    inflaters: Mutex<Vec<Box<Inflater>>>,
    #[allow(clippy::vec_box)]
    deflaters: Mutex<Vec<Box<Deflater>>>,
    lent_inflaters: AtomicIsize,
    lent_deflaters: AtomicIsize,
}

thread_local! {
    static POOLS: [&'static Pool; 2] = [Pool::leak(), Pool::leak()];
}

impl Pool {
    /// One for each end, with nothing lent.
    pub fn both() -> [&'static Self; 2] {
        let pools = POOLS.with(|pools| *pools);
        for pool in pools {
            pool.lent_inflaters.store(0, Ordering::Relaxed);
            pool.lent_deflaters.store(0, Ordering::Relaxed);
        }
        pools
    }

    /// A pool that has everything that any plan asks for, so that nothing is
    /// made while memory is counted.
    fn leak() -> &'static Self {
        let pool = Box::leak(Box::new(Self::default()));
        let mut deflate = sockeye::DeflateConfig::default();
        (deflate.level, deflate.mem_level) = (1, 1);
        let mut config = Config::default();
        config.deflate = Some(deflate);
        let config = Arc::new(config);
        // What the connections have borrowed comes back when they go.
        let mut users = Vec::new();
        for bits in [9, 12, 15, 9, 12, 15] {
            let bits = WindowBits::new(bits).expect("8 to 15");
            let params = Params { server_max_window_bits: bits, ..Params::default() };
            let mut ws = Connection::server(config.clone()).with_deflate(params);
            ws.set_lender(pool);
            let mut out = Vec::new();
            ws.send_binary(&[7; 20_000], &mut out).expect("it is open");
            // The first byte of a compressed message, with a key of zeros.
            let mut received = *b"\x42\x81\0\0\0\0\xaa";
            let mut scratch = [0; 64];
            ws.receive(&mut Input::with_scratch(&mut received, &mut scratch), &mut out);
            users.push(ws);
        }
        drop(users);
        pool.inflaters.lock().expect("no panic").reserve(64);
        pool.deflaters.lock().expect("no panic").reserve(64);
        pool
    }

    /// Decompressors and compressors that the end has.
    pub fn lent(&self) -> (isize, isize) {
        let load = |count: &AtomicIsize| count.load(Ordering::Relaxed);
        (load(&self.lent_inflaters), load(&self.lent_deflaters))
    }
}

impl Lender for Pool {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.lent_inflaters.fetch_add(1, Ordering::Relaxed);
        self.inflaters.lock().expect("no panic").pop()
    }

    fn put_inflater(&self, inflater: Box<Inflater>) {
        self.lent_inflaters.fetch_sub(1, Ordering::Relaxed);
        self.inflaters.lock().expect("no panic").push(inflater);
    }

    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        self.lent_deflaters.fetch_add(1, Ordering::Relaxed);
        let mut deflaters = self.deflaters.lock().expect("no panic");
        let at = deflaters.iter().position(|deflater| deflater.strength() == strength)?;
        Some(deflaters.swap_remove(at))
    }

    fn put_deflater(&self, deflater: Box<Deflater>) {
        self.lent_deflaters.fetch_sub(1, Ordering::Relaxed);
        self.deflaters.lock().expect("no panic").push(deflater);
    }
}
