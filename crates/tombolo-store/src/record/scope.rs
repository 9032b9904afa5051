//! Whose something is: in most records, and the value of the entries that find a VPC's owner.

pub(crate) mod v1 {
    use tombolo_domain::id::{AccountId, Region};

    record! {
        struct Scope of tombolo_domain::Scope {
            account: AccountId,
            region: Region,
        }
    }
}
