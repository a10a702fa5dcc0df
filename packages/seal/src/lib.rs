//! Sealed bodies and letters
