//! The steps, one file each. A step does one thing, checks it, and says what it saw.

pub mod at_rest;
pub mod claim;
pub mod emergency;
pub mod evidence;
pub mod follow;
pub mod holder;
pub mod ingest;
pub mod kill;
pub mod network;
pub mod revoke;
pub mod share;
