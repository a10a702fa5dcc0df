//! The serving half against a real store, real sealing and a directed chain: what is answered, to
//! whom, and what is durable before.
#![allow(clippy::disallowed_methods)] // tests start tasks

mod custody;
mod grants;
mod holder;
mod holders;
mod letters;
mod releases;
mod requests;
mod shared;
mod successors;
mod world;
