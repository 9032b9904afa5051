//! `tombolo access-key`.

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{CreateAccessKey, DeleteAccessKey, ListAccessKeys};

use crate::cli::AccessKeyCommand;
use crate::output;

pub(super) async fn run(command: AccessKeyCommand) -> Result<()> {
    match command {
        AccessKeyCommand::Create {
            account,
            user,
            server,
            format,
        } => {
            let request = CreateAccessKey {
                account: account.account,
                user,
            };
            let key = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                return output::json(&key);
            }
            output::line(format!("aws_access_key_id = {}", key.access_key_id))?;
            output::line(format!("aws_secret_access_key = {}", key.secret_access_key))?;
            eprintln!("The secret is not shown again.");
            Ok(())
        }
        AccessKeyCommand::List {
            account,
            server,
            format,
        } => {
            let request = ListAccessKeys {
                account: account.account,
            };
            let keys = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                return output::json(&keys);
            }
            let rows = keys.into_iter().map(|key| {
                [
                    key.access_key_id.to_string(),
                    key.user.to_string(),
                    key.created.to_string(),
                ]
            });
            output::table(["ACCESS KEY", "USER", "CREATED"], rows)
        }
        AccessKeyCommand::Delete { id, server } => {
            AdminClient::new(&server.dir)
                .send(&DeleteAccessKey { access_key_id: id })
                .await
        }
    }
}
