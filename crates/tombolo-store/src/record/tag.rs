//! Tags of resources.

pub(crate) mod v1 {
    use std::collections::BTreeMap;

    use tombolo_domain::tag;

    use crate::record::scope::v1::Scope;

    record! {
        struct Tags of tag::Tags {
            scope: Scope,
            resource: String,
            tags: BTreeMap<String, String>,
        }
    }
}
