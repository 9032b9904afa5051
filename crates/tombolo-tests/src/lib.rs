//! End-to-end tests: real clients, the real binary, real packets.
