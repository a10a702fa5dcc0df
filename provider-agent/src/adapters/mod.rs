//! The world: SQLite, files, clock, chance. Only adapters block, read the time or draw numbers.
