//! The service beside a hospital's systems
