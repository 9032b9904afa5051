//! Quotas of accounts, and what there is more of than they say.

use anyhow::Result;
use tombolo_domain::quota::{AccountQuotas, Quota};
use tombolo_domain::time::Clock;
use tombolo_network::MAX_GROUPS;
use tombolo_store::keys;
use tombolo_store::typed::{self, Excess};

use crate::hint::hinted;
use crate::message::{ExcessDescription, ListExcesses, ListQuotas, QuotaDescription, SetQuota};
use crate::service::{AdminService, find_account};

impl AdminService {
    /// Every quota of an account.
    pub async fn list_quotas(&self, request: ListQuotas) -> Result<Vec<QuotaDescription>> {
        let mut tx = self.read();
        let account = find_account(&mut tx, &request.account).await?.id;
        let own = tx.get(&keys::account_quotas(account)).await?;
        let own = own.unwrap_or_else(|| AccountQuotas::new(account));
        Ok(Quota::ALL
            .iter()
            .map(|quota| self.describe(*quota, &own))
            .collect())
    }

    /// Gives an account a quota of its own, or takes that away. What there is stays, whatever the
    /// quota.
    pub async fn set_quota(&self, request: SetQuota) -> Result<QuotaDescription> {
        let unknown = |error| {
            hinted(
                format!("{error}"),
                "`tombolo account quota list` shows them",
            )
        };
        let quota: Quota = request.quota.parse().map_err(unknown)?;
        let value = match request.value {
            Some(value) => {
                let value = usize::try_from(value).unwrap_or(usize::MAX);
                quota.check(value, MAX_GROUPS)?;
                Some(value)
            }
            None => None,
        };
        self.transact(async |tx| {
            let account = find_account(tx, &request.account).await?.id;
            let own = tx.get(&keys::account_quotas(account)).await?;
            let mut own = own.unwrap_or_else(|| AccountQuotas::new(account));
            own.set(quota, value);
            match own.overrides.is_empty() {
                true => tx.remove(&own),
                false => tx.put(&own)?,
            }
            Ok(self.describe(quota, &own))
        })
        .await
    }

    /// What accounts have more of than they may.
    pub async fn list_excesses(&self, _: ListExcesses) -> Result<Vec<ExcessDescription>> {
        let (quotas, now) = (&self.settings.quotas, self.clock.now());
        let found = typed::excesses(&self.store, quotas, now).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    fn describe(&self, quota: Quota, own: &AccountQuotas) -> QuotaDescription {
        let of_all = self.settings.quotas.get(quota);
        let own = own.get(quota);
        QuotaDescription {
            quota: quota.name().to_owned(),
            value: own.unwrap_or(of_all) as u64,
            default: of_all as u64,
            is_own: own.is_some(),
        }
    }
}

impl From<Excess> for ExcessDescription {
    fn from(Excess { over, count }: Excess) -> Self {
        ExcessDescription {
            account: over.group.account,
            region: over.group.region,
            parent: over.group.parent,
            kind: over.kind.name().to_owned(),
            quota: over.quota.map(|quota| quota.name().to_owned()),
            most: over.most as u64,
            count: count as u64,
        }
    }
}
