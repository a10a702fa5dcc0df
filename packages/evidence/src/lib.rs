//! Offline verification of evidence files
