//! One file per action: guard, load, check, save, event.

pub mod enrol;
pub mod operator;
pub mod register;
pub mod rotate_kem;
pub mod status;
pub mod update;
