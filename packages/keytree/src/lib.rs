//! One-time keys
