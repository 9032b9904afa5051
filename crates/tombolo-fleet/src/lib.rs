//! Builds, and the supervision of server processes in instances.
