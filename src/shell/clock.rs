//! What time it is: for the engine, and for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::core::time::Instant;

/// Now, as core counts: since boot, sleep included. A laptop that slept an hour
/// must not believe that its answers are still fresh.
///
/// # Panics
///
/// Never on Linux, which always has these clocks.
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC))
        .expect("a monotonic clock");
    let since = Duration::from(time);
    Instant::ZERO + since
}

/// The time of day: since 1970 (UTC). Zero if the clock stands before that.
#[must_use]
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time of day in whole seconds since 1970 (UTC).
#[must_use]
pub fn wall_seconds() -> i64 {
    i64::try_from(wall().as_secs()).unwrap_or(i64::MAX)
}

/// The time of day in milliseconds since 1970 (UTC).
#[must_use]
pub fn wall_millis() -> i64 {
    i64::try_from(wall().as_millis()).unwrap_or(i64::MAX)
}

/// How long to wait from `now` until `then`.
#[must_use]
pub fn until(now: Instant, then: Instant) -> Duration {
    then.since(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_at_the_pace_of_time() {
        let before = now();
        std::thread::sleep(Duration::from_millis(20));
        let passed = now().since(before);
        assert!(passed >= Duration::from_millis(20) && passed < Duration::from_secs(2));
    }

    #[test]
    fn the_time_of_day_is_in_the_units_it_says() {
        assert!(wall_seconds() > 1_700_000_000 && wall_seconds() < 5_000_000_000);
        assert!((wall_millis() / 1000 - wall_seconds()).abs() <= 1);
    }
}
