//! Protocols, SigV4 and one handler an operation.
