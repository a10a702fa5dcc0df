//! Who may: relationships, grants and their revocation
