//! One file per action: guard, load, check, save, event.

pub mod authority;
pub mod claim;
pub mod enrol;
pub mod operator;
pub mod pause;
pub mod practitioner;
pub mod recovery;
pub mod register;
pub mod rotate;
pub mod rotate_kem;
pub mod set_ppr;
pub mod status;
pub mod update;
