//! Contract messages, typed events and pure rules of Casewise
