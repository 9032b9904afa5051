//! `tombolo account`.

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{CreateAccount, ListAccounts, ListQuotas, QuotaDescription, SetQuota};

use crate::cli::{AccountCommand, Format, QuotaCommand};
use crate::output;

pub(super) async fn run(command: AccountCommand) -> Result<()> {
    match command {
        AccountCommand::Create {
            name,
            server,
            format,
        } => {
            let account = AdminClient::new(&server.dir)
                .send(&CreateAccount { name })
                .await?;
            if format.json {
                output::json(&account)
            } else {
                output::line(account.id.to_string())
            }
        }
        AccountCommand::List { server, format } => {
            let accounts = AdminClient::new(&server.dir).send(&ListAccounts {}).await?;
            if format.json {
                return output::json(&accounts);
            }
            let rows = accounts.into_iter().map(|account| {
                [
                    account.id.to_string(),
                    account.name.to_string(),
                    account.created.to_string(),
                ]
            });
            output::table(["ID", "NAME", "CREATED"], rows)
        }
        AccountCommand::Quota(command) => quota(command).await,
    }
}

async fn quota(command: QuotaCommand) -> Result<()> {
    match command {
        QuotaCommand::List {
            account,
            server,
            format,
        } => {
            let account = account.account;
            let quotas = AdminClient::new(&server.dir)
                .send(&ListQuotas { account })
                .await?;
            show(&quotas, format)
        }
        QuotaCommand::Set {
            quota,
            value,
            account,
            server,
            format,
        } => {
            let set = SetQuota {
                account: account.account,
                quota: quota.name().to_owned(),
                value: Some(value),
            };
            show(&[AdminClient::new(&server.dir).send(&set).await?], format)
        }
        QuotaCommand::Reset {
            quota,
            account,
            server,
            format,
        } => {
            let set = SetQuota {
                account: account.account,
                quota: quota.name().to_owned(),
                value: None,
            };
            show(&[AdminClient::new(&server.dir).send(&set).await?], format)
        }
    }
}

fn show(quotas: &[QuotaDescription], format: Format) -> Result<()> {
    if format.json {
        return output::json(&quotas);
    }
    let rows = quotas.iter().map(|quota| {
        let own = match quota.is_own {
            true => "its own",
            false => "",
        };
        [
            quota.quota.clone(),
            quota.value.to_string(),
            quota.default.to_string(),
            own.to_owned(),
        ]
    });
    output::table(["QUOTA", "VALUE", "DEFAULT", ""], rows)
}
