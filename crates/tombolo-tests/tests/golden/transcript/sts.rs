//! STS.

use super::{Transcript, Who};

pub(super) fn converse(t: &mut Transcript) {
    t.query(Who::Studio, "sts", "GetCallerIdentity", &[]);
    t.query(Who::Backend, "sts", "GetCallerIdentity", &[]);
    t.query(Who::Studio, "sts", "GetCallerIdentity", &[("Unknown", "1")]);
    t.query(Who::Studio, "sts", "GetSessionToken", &[]);
    t.query(Who::Studio, "sts", "NoSuchAction", &[]);
    t.disbelieved("sts", "GetCallerIdentity");
}
