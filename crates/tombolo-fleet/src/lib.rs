//! Builds, and the supervision of server processes in instances.
//!
//! An **instance** is a set of Linux namespaces in which the server processes of a runtime
//! configuration run. The first process of its PID namespace is a [`supervisor`]: a small process
//! of its own that starts the server processes, starts them again when they end, and keeps what
//! happened until the control plane has acknowledged it.
//!
//! ```text
//!   control plane                     instance (PID, mount, IPC, UTS, network namespaces)
//!   ┌───────────────┐  control.sock   ┌────────────┐  fork   ┌────────────────┐
//!   │ Instance      │ ──────────────▶ │ supervisor │ ──────▶ │ server process │
//!   │ start, attach │ ◀── events ──── │   (PID 1)  │ ◀─pipe─ │                │
//!   └───────────────┘                 └────────────┘         └────────────────┘
//!                                           └──▶ logs/NAME.log
//! ```
//!
//! The supervisor is not a child of the control plane and does not need it: the control plane may
//! be killed at any moment, and [`Instance::attach`] finds the supervisor again, with every event
//! that was not yet acknowledged. Events live in the supervisor's memory. When the supervisor dies,
//! the kernel kills every process of its PID namespace, so an instance never leaves an orphan.
//!
//! `api` has what both sides of the socket share, in versions, since they may be of different
//! releases.
//!
//! A server process is behind several walls, which `sandbox` puts it behind between fork and
//! exec: files and folders of its own, a user of its own without any capability, limits of what its
//! instance may use, Landlock and a filter of system calls. `docs/sandbox.md` says what it can do
//! and what it cannot, and which test holds it.

// The code without its tests is linted in a build of its own.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panic"
    )
)]

mod api;
pub mod build;
mod cgroup;
pub mod enter;
#[cfg(test)]
mod golden;
mod instance;
mod namespace_processes;
mod parent_death;
mod pidfd;
mod private_file;
mod sandbox;
mod step;
pub mod supervisor;

pub use api::argument_splitting::{UnclosedQuote, split_parameters};
pub use api::event::{Ended, Event, Exit, NumberedEvent};
pub use api::incarnation::Incarnation;
pub use api::spec::{
    GAME_DIRECTORY, HOME_DIRECTORY, InstanceSpec, Limits, MAX_PROCESSES, PROCESS_SLOTS,
    RestartPolicy, Sandbox, ServerProcess, SpecError, Work,
};
pub use api::status::{InstanceStatus, ProcessState, ProcessStatus, Usage};
pub use instance::{
    AttachError, ConfigureError, ControlError, Events, Instance, StartError, StopError,
};
pub use namespace_processes::{EndError, end_namespace_processes};
pub use parent_death::end_with_parent;
pub use pidfd::{PidFd, process_runs, start_ticks};
pub use private_file::write_private;
pub use sandbox::SandboxSupport;
