//! Files to a `MigrationSet`. In: a folder or the embedded set. Out: migrations in order, or every fault at once.
//! Never connects.
