//! The instances of a fleet: real supervisors and server processes, in a network without packets.

mod capacity;
mod failure;
mod hosting;
mod installer;
mod leftovers;
mod players;
mod runtime;
mod survival;
