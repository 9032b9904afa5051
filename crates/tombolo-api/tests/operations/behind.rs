//! What is answered while the read model does not see the store's changes.

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::watch;

use crate::document::text;
use crate::server::{BACKEND, Server};
use crate::store::{Meddle, Meddled};

/// A store whose watches tell nothing while they are told to.
struct Silent(watch::Receiver<bool>);

#[async_trait]
impl Meddle for Silent {
    async fn before_changes(&self) {
        let mut is_silent = self.0.clone();
        is_silent.wait_for(|is_silent| !is_silent).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_refused_for_now_and_what_is_named_by_its_id_is_answered() {
    let is_silent = watch::Sender::new(false);
    let silent = Silent(is_silent.subscribe());
    let server = Server::over(|store| Meddled::new(store, silent));
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.call("DescribeVpcs", json!({})).await;

    is_silent.send_replace(true);
    let enabled = json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}});
    backend.call("ModifyVpcAttribute", enabled).await;
    let sentence = "The service cannot see its latest changes at the moment; try again.";
    let lists = backend.refused("DescribeVpcs", json!({}), "ServiceUnavailable", sentence);
    lists.await;
    let asked = json!({"VpcId": vpc, "Attribute": "enableDnsHostnames"});
    let told = backend.call("DescribeVpcAttribute", asked).await;
    assert_eq!(told["EnableDnsHostnames"]["Value"], true);

    is_silent.send_replace(false);
    let told = backend.call("DescribeVpcs", json!({})).await;
    assert_eq!(text(&told["Vpcs"][0]["VpcId"]), vpc);
}
