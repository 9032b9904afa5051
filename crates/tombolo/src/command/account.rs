//! `tombolo account`.

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{CreateAccount, ListAccounts};

use crate::cli::AccountCommand;
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
    }
}
