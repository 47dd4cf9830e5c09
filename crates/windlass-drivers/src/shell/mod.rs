//! Opaque and read-only shell lines.
