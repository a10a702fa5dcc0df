//! Everything that writes, on a real store and the real contracts in one process: posting through every
//! fault of a node, restores, following, forgetting.
#![allow(clippy::disallowed_methods, missing_docs)] // tests start tasks and wait

mod custody;
mod devchain;
mod following;
mod forgetting;
mod holders;
mod ingesting;
mod posting;
mod restoring;
mod world;
