//! The program as a filter of the `clsact` qdisc of a link: how it was attached before Linux 6.6.
//! It lives and dies with the link.

use std::mem;

use aya::programs::tc::{
    self, NlOptions, SchedClassifier, SchedClassifierLink, TcAttachOptions, TcHandle,
};
use aya::programs::{ProgramError, TcAttachType};

use crate::ebpf::error::Doing;
use crate::engine::EngineError;

/// Our filter's place: the first to see a packet.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// Replaces the program of our filter on the link; false when there is none.
pub(in crate::ebpf) fn replace(program: &mut SchedClassifier, link: &str) -> bool {
    SchedClassifierLink::attached(link, TcAttachType::Ingress, PRIORITY, HANDLE, None).is_ok_and(
        |filter| match program.attach_to_link(filter) {
            Ok(id) => leave_attached(program.take_link(id)).is_ok(),
            Err(_) => false,
        },
    )
}

/// Adds a filter with the program to the link, and the qdisc that it takes.
pub(in crate::ebpf) fn add(program: &mut SchedClassifier, link: &str) -> Result<(), EngineError> {
    let attaching = || format!("attaching the BPF program to {link} by clsact");
    // Fails when the qdisc is there, and then the filter can be added all the same.
    let qdisc = tc::qdisc_add_clsact(link);
    let place = NlOptions {
        priority: PRIORITY,
        handle: HANDLE,
        classid: None,
    };
    let added =
        program.attach_with_options(link, TcAttachType::Ingress, TcAttachOptions::Netlink(place));
    match (qdisc, added) {
        (_, Ok(id)) => leave_attached(program.take_link(id)).doing(attaching),
        (Err(error), Err(_)) => Err(error).doing(attaching),
        (Ok(()), Err(error)) => Err(error).doing(attaching),
    }
}

/// aya removes a filter when its value goes; ours stays for as long as the link does.
fn leave_attached(filter: Result<SchedClassifierLink, ProgramError>) -> Result<(), ProgramError> {
    mem::forget(filter?);
    Ok(())
}
