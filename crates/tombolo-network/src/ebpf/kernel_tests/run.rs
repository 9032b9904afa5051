//! `BPF_PROG_TEST_RUN`: runs a loaded program on a frame.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `TC_ACT_SHOT` and `TC_ACT_REDIRECT` of linux/pkt_cls.h: dropped, and sent elsewhere.
pub(super) const SHOT: u32 = 2;
pub(super) const REDIRECT: u32 = 7;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TestRun {
    pub(super) verdict: u32,
    /// The frame as the program left it.
    pub(super) frame: Vec<u8>,
}

/// `BPF_PROG_TEST_RUN` of `enum bpf_cmd`, linux/bpf.h.
const PROG_TEST_RUN: libc::c_int = 10;

/// `union bpf_attr` for `PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    program: u32,
    verdict: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// `struct __sk_buff`, as 4-byte words: most must be 0.
const CONTEXT_WORDS: usize = 48;
const IFINDEX: usize = 40 / 4;
const GSO_SEGMENTS: usize = 164 / 4;
const GSO_SIZE: usize = 176 / 4;

/// Runs the program on `frame` as if the link with index `link`, of the calling thread's network
/// namespace, had received it. With a `segment` the packet is one that the kernel is still to cut
/// into segments with so many bytes of payload.
pub(super) fn test_run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    link: u32,
    segment: u32,
) -> io::Result<TestRun> {
    let mut context = [0_u32; CONTEXT_WORDS];
    context[IFINDEX] = link;
    if segment != 0 {
        context[GSO_SIZE] = segment;
        context[GSO_SEGMENTS] = (frame.len() as u32).div_ceil(segment);
    }
    let mut out = vec![0; frame.len() + 256];
    let mut attributes = Attributes {
        program: program.as_raw_fd() as u32,
        size_in: frame.len() as u32,
        size_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        context_size_in: size_of_val(&context) as u32,
        context_in: context.as_ptr() as u64,
        ..Attributes::default()
    };
    // SAFETY: the attributes are laid out as the kernel has them for this command; it reads
    // `frame` and `context` and writes `out`, with their sizes, and all outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_TEST_RUN,
            &raw mut attributes,
            size_of::<Attributes>(),
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    out.truncate(attributes.size_out as usize);
    Ok(TestRun {
        verdict: attributes.verdict,
        frame: out,
    })
}
