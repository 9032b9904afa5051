//! Accounts, their users and access keys.

pub(crate) mod v1 {
    use std::collections::BTreeMap;

    use tombolo_domain::Timestamp;
    use tombolo_domain::account::{self, AccountName, UserName};
    use tombolo_domain::id::{AccessKeyId, AccountId, BuildId};
    use tombolo_domain::quota;

    use crate::record::scope::v1::Scope;

    record! {
        struct Account of account::Account {
            id: AccountId,
            name: AccountName,
            created: Timestamp,
        }

        struct User of account::User {
            account: AccountId,
            name: UserName,
            id: String,
            created: Timestamp,
        }

        struct AccessKey of account::AccessKey {
            id: AccessKeyId,
            account: AccountId,
            user: UserName,
            secret: String,
            created: Timestamp,
        }

        struct AccountQuotas of quota::AccountQuotas {
            account: AccountId,
            overrides: BTreeMap<String, u64>,
        }

        struct TemporaryCredential of account::TemporaryCredential {
            id: AccessKeyId,
            secret: String,
            token: String,
            scope: Scope,
            build: BuildId,
            expires: Timestamp,
        }
    }
}
