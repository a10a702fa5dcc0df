//! Named places where a test can kill the process, to show what a crash there leaves behind.
//!
//! Compiled to nothing without the feature `crash-points`.

/// Environment variable that names the place to die at.
pub const ENV: &str = "CASEWISE_CRASH_AT";

/// The places, in the order an entry passes them.
pub const POINTS: [&str; 6] =
    ["after-blob", "after-commit", "after-counter", "before-broadcast", "after-broadcast", "after-inclusion"];

/// Ends the process at once, without unwinding or flushing, if this is the place asked for.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &str) {
    debug_assert!(POINTS.contains(&name), "unknown crash point {name}");
    if std::env::var(ENV).is_ok_and(|at| at == name) {
        std::process::abort();
    }
}

/// Does nothing in a build without the feature.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &str) {}
