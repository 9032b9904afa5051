//! What the control plane and an instance's supervisor tell each other: by files in the instance's
//! directory, and over its control socket. The two may be of different releases.

pub(crate) mod argument_splitting;
pub(crate) mod control;
pub(crate) mod event;
pub(crate) mod format;
pub(crate) mod incarnation;
pub(crate) mod spec;
pub(crate) mod status;
