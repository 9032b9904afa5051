//! What is answered while the read model does not see the store's changes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::json;

use crate::document::text;
use crate::server::{BACKEND, Server};
use crate::store::{Meddle, Meddled};

/// A store whose watches tell nothing while they are told to.
struct Silent(Arc<AtomicBool>);

#[async_trait]
impl Meddle for Silent {
    async fn before_changes(&self) {
        if self.0.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_refused_for_now_and_what_is_named_by_its_id_is_answered() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Silent(is_silent.clone());
    let server = Server::over(|store| Meddled::new(store, silent));
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.call("DescribeVpcs", json!({})).await;

    is_silent.store(true, Ordering::Relaxed);
    let enabled = json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}});
    backend.call("ModifyVpcAttribute", enabled).await;
    let sentence = "The service cannot see its latest changes at the moment; try again.";
    let lists = backend.refused("DescribeVpcs", json!({}), "ServiceUnavailable", sentence);
    lists.await;
    let asked = json!({"VpcId": vpc, "Attribute": "enableDnsHostnames"});
    let told = backend.call("DescribeVpcAttribute", asked).await;
    assert_eq!(told["EnableDnsHostnames"]["Value"], true);

    is_silent.store(false, Ordering::Relaxed);
    let told = backend.call("DescribeVpcs", json!({})).await;
    assert_eq!(text(&told["Vpcs"][0]["VpcId"]), vpc);
}
