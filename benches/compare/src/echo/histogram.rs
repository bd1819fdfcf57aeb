//! Latencies, to about 1.5 %.

use std::time::Duration;

/// 64 buckets for each power of two of nanoseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

const STEPS: u32 = 6;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 64 << STEPS], total: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1 << STEPS);
        let shift = ns.ilog2() - STEPS;
        let bucket = (shift as usize) << STEPS | (ns >> shift) as usize & ((1 << STEPS) - 1);
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// The microseconds that this share took at most.
    pub fn percentile(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                let shift = bucket >> STEPS;
                let step = bucket & ((1 << STEPS) - 1) | 1 << STEPS;
                return ((step + 1) << shift) as f64 / 1000.0;
            }
        }
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.add(Duration::from_micros(us));
        }
        for (share, us) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let told = histogram.percentile(share);
            assert!(told >= us && told < us * 1.02, "{share}: {told}");
        }
    }
}
