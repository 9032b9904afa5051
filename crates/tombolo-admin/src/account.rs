//! Accounts, users and access keys.

use anyhow::{Result, bail};
use tombolo_domain::account::{AccessKey, Account, SecretKey, User};
use tombolo_domain::id::{AccessKeyId, AccountId};
use tombolo_domain::time::Clock;
use tombolo_store::keys;

use crate::hint::hinted;
use crate::message::{
    AccessKeyDescription, AccountDescription, CreateAccessKey, CreateAccount, DeleteAccessKey,
    ListAccessKeys, ListAccounts, NewAccessKey,
};
use crate::service::{AdminService, find_account};

impl AdminService {
    /// Makes an account with a name that no other has.
    pub async fn create_account(&self, request: CreateAccount) -> Result<AccountDescription> {
        let account = self
            .transact(async |tx| {
                let by_name = keys::account_name(&request.name);
                if let Some(id) = tx.get(&by_name).await? {
                    return Err(hinted(
                        format!("there is an account {} already, {id}", request.name),
                        "choose another name",
                    ));
                }
                let account = Account {
                    id: AccountId::generate(&*self.ids),
                    name: request.name.clone(),
                    created: self.clock.now(),
                };
                if tx.get(&keys::account(account.id)).await?.is_some() {
                    bail!(
                        "the id {} came out twice by chance; try it again",
                        account.id
                    );
                }
                tx.put(&account)?;
                tx.put_at(&by_name, &account.id)?;
                Ok(account)
            })
            .await?;
        Ok(describe(account))
    }

    /// All accounts.
    pub async fn list_accounts(&self, _: ListAccounts) -> Result<Vec<AccountDescription>> {
        let accounts = self.read().peek(&keys::accounts()).await?;
        Ok(accounts.into_iter().map(describe).collect())
    }

    /// Makes an access key, and its user if the account has none of that name.
    pub async fn create_access_key(&self, request: CreateAccessKey) -> Result<NewAccessKey> {
        let key = self
            .transact(async |tx| {
                let account = find_account(tx, &request.account).await?.id;
                let now = self.clock.now();
                if tx.get(&keys::user(account, &request.user)).await?.is_none() {
                    tx.put(&User::new(account, request.user.clone(), now, &*self.ids))?;
                }
                let key = AccessKey {
                    id: AccessKeyId::generate(&*self.ids),
                    account,
                    user: request.user.clone(),
                    secret: SecretKey::generate(&*self.ids),
                    created: now,
                };
                tx.put(&key)?;
                Ok(key)
            })
            .await?;
        Ok(reveal(key))
    }

    /// The oldest access key of a user, with its secret: `tombolo dev` writes the same profiles at
    /// every start. Only for this process, no request gives it.
    pub async fn reveal_access_key(&self, account: AccountId) -> Result<Option<NewAccessKey>> {
        let keys = self.access_keys_of(account).await?;
        Ok(keys.into_iter().min_by_key(|key| key.created).map(reveal))
    }

    /// An account's access keys, without their secrets.
    pub async fn list_access_keys(
        &self,
        request: ListAccessKeys,
    ) -> Result<Vec<AccessKeyDescription>> {
        let account = find_account(&mut self.read(), &request.account).await?.id;
        let keys = self.access_keys_of(account).await?.into_iter();
        Ok(keys
            .map(|key| AccessKeyDescription {
                access_key_id: key.id,
                user: key.user,
                created: key.created,
            })
            .collect())
    }

    /// Deletes an access key. Credentials are looked up at every request, so the next one signed
    /// with it is refused.
    pub async fn delete_access_key(&self, request: DeleteAccessKey) -> Result<()> {
        let id = request.access_key_id;
        self.transact(async |tx| {
            let key = keys::access_key(&id);
            if tx.get(&key).await?.is_none() {
                return Err(hinted(
                    format!("there is no access key {id}"),
                    "`tombolo access-key list --account NAME` shows those of an account",
                ));
            }
            tx.delete(&key);
            Ok(())
        })
        .await
    }

    async fn access_keys_of(&self, account: AccountId) -> Result<Vec<AccessKey>> {
        let mut keys = self.read().peek(&keys::access_keys()).await?;
        keys.retain(|key| key.account == account);
        Ok(keys)
    }
}

fn describe(account: Account) -> AccountDescription {
    let Account { id, name, created } = account;
    AccountDescription { id, name, created }
}

fn reveal(key: AccessKey) -> NewAccessKey {
    NewAccessKey {
        account: key.account,
        user: key.user,
        access_key_id: key.id,
        secret_access_key: key.secret.reveal().to_owned(),
        created: key.created,
    }
}
