//! The chain as a trait, and the client of a wasmd node
