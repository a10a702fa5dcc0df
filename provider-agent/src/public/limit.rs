//! How often one grant, and strangers together, may ask.
//!
//! Responsible for: token buckets over the monotonic clock, in memory. Must never grow without
//! bound: a bucket that is full again is forgotten.

use std::collections::BTreeMap;

/// A rate: so many at once, and so many a second after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Most tokens in the bucket.
    pub burst: u32,
    /// Tokens gained a second.
    pub per_second: u32,
}

/// Requests under one grant: a full release is at most 256 entries, each a proof and a body.
pub const GRANT_RATE: Rate = Rate { burst: 2048, per_second: 256 };
/// Requests by signers who are neither operators nor holders of a case here, all together. Patients
/// who deliver a first letter are among them.
pub const STRANGER_RATE: Rate = Rate { burst: 256, per_second: 64 };

/// Thousandths of a token.
const MILLI: u64 = 1000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a token left.
    left: u64,
    /// Monotonic ms of the last change.
    at: u64,
}

/// Buckets by key, all of one rate.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: BTreeMap<K, Bucket>,
    swept: u64,
}

impl<K: Ord + Copy> Limiter<K> {
    /// All buckets full.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: BTreeMap::new(), swept: 0 }
    }

    /// Takes a token at `now` (monotonic ms); `false` when there is none.
    pub fn take(&mut self, key: K, now: u64) -> bool {
        self.sweep(now);
        let full = u64::from(self.rate.burst) * MILLI;
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: full, at: now });
        *bucket = filled(self.rate, bucket, now);
        match bucket.left.checked_sub(MILLI) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }

    /// Once in the time a bucket takes to fill, forgets those that are full.
    fn sweep(&mut self, now: u64) {
        let rate = self.rate;
        let period = u64::from(rate.burst) * MILLI / u64::from(rate.per_second.max(1));
        if now.saturating_sub(self.swept) < period {
            return;
        }
        self.swept = now;
        let full = u64::from(rate.burst) * MILLI;
        self.buckets.retain(|_, bucket| filled(rate, bucket, now).left < full);
    }
}

fn filled(rate: Rate, bucket: &Bucket, now: u64) -> Bucket {
    let gained = now.saturating_sub(bucket.at).saturating_mul(u64::from(rate.per_second));
    let left = bucket.left.saturating_add(gained).min(u64::from(rate.burst) * MILLI);
    Bucket { left, at: bucket.at.max(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    #[test]
    fn a_burst_then_the_rate() {
        let mut limiter = Limiter::new(RATE);
        let taken = |limiter: &mut Limiter<u8>, now| (0..10).filter(|_| limiter.take(1, now)).count();
        assert_eq!(taken(&mut limiter, 5000), 3);
        assert_eq!(taken(&mut limiter, 5499), 0);
        assert_eq!(taken(&mut limiter, 5500), 1);
        assert_eq!(taken(&mut limiter, 6500), 2);
        assert_eq!(taken(&mut limiter, 99_000), 3);
    }

    #[test]
    fn keys_do_not_share_and_time_never_goes_back() {
        let mut limiter = Limiter::new(RATE);
        for _ in 0..3 {
            assert!(limiter.take(1, 5000));
        }
        assert!(!limiter.take(1, 5000));
        assert!(!limiter.take(1, 1000));
        assert!(limiter.take(2, 5000));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut limiter = Limiter::new(RATE);
        for key in 0..100u8 {
            limiter.take(key, 2000);
        }
        assert_eq!(limiter.buckets.len(), 100);
        limiter.take(200, 3500);
        assert_eq!(limiter.buckets.len(), 1);
    }
}
