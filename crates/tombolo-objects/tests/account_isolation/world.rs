//! The world that is walked: four callers that have everything there is, and an owner whose
//! resources are looked for.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::peering::Step;
use tombolo_domain::vpc::Attachment;
use tombolo_store::typed::Committed;
use tombolo_store::{Revision, Store, keys};
use tombolo_testkit::account::Account;
use tombolo_testkit::document::text;
use tombolo_testkit::ec2::route;
use tombolo_testkit::gamelift::{anywhere, fleet_input};
use tombolo_testkit::server::{AWAY, BACKEND, HOME, STRANGER, STUDIO, Server};

use crate::exceptions::{REQUEST_OF_IT, REQUEST_TO_IT, WITH_THE_FLEET, WITH_THE_VPC};
use crate::wire::{Answer, Ask, Who, Wire};

/// Who has what is looked for.
pub(crate) const OWNER: Who = Who::user(STUDIO, HOME);
/// An account that has nothing to do with it.
pub(crate) const A_STRANGER: Who = Who::user(STRANGER, HOME);
/// The same account in another Region.
pub(crate) const A_STRANGER_AWAY: Who = Who::user(STRANGER, AWAY);
/// An account whose VPC is peered with the owner's, and with its fleet.
pub(crate) const A_PEER: Who = Who::user(BACKEND, HOME);
/// The owner in another Region.
pub(crate) const THE_OWNER_AWAY: Who = Who::user(STUDIO, AWAY);

/// The bucket that uploads of builds go into.
pub(crate) const OF_BUILDS: &str = "tombolo-builds";
/// Where the owner's objects are.
const OWNERS_BUCKET: &str = "studio-games";
const OWNERS_OBJECT: &str = "studio/islands";
const OWNERS_GROUP: &str = "studio-servers";
const OWNERS_POLICY: &str = "studio-policy";
/// The token that the owner made an interface and a route table with.
const OWNERS_TOKEN: &str = "studio-token";

/// After which the owner's fleet is connected with the peer's VPC.
const A_MOMENT: SignedDuration = SignedDuration::from_secs(1);

/// What an id, name or ARN is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Account,
    /// An association of a route table, or of a VPC's block.
    Association,
    /// Of a network ACL with a subnet.
    AclAssociation,
    /// Of an interface with what uses it.
    Attachment,
    Build,
    Bucket,
    ClientToken,
    Fleet,
    /// A fleet's or a build's, by which GameLift tags it.
    Arn,
    Instance,
    Interface,
    NetworkAcl,
    Object,
    /// The token of a page.
    Page,
    Peering,
    Policy,
    RouteTable,
    Rule,
    SecurityGroup,
    /// A security group's name.
    GroupName,
    Subnet,
    SubnetArn,
    /// An upload in parts.
    Upload,
    Vpc,
}

impl Kind {
    /// Whether EC2 tags it by its id.
    pub(crate) fn is_tagged(self) -> bool {
        matches!(
            self,
            Kind::Interface
                | Kind::Peering
                | Kind::RouteTable
                | Kind::Rule
                | Kind::SecurityGroup
                | Kind::Subnet
                | Kind::Vpc
        )
    }

    /// An id or name of this kind that nothing has, as long as `existing`.
    fn unknown(self, existing: &str) -> String {
        let zeros = |prefix: &str| {
            let rest = existing[prefix.len()..].chars();
            let zeros = rest.map(|c| if c.is_ascii_hexdigit() { '0' } else { c });
            format!("{prefix}{}", zeros.collect::<String>())
        };
        match self {
            Kind::Account => "123456789012".to_owned(),
            Kind::Upload => "00000000-0000-4000-8000-000000000000".to_owned(),
            Kind::Build | Kind::Fleet | Kind::Arn | Kind::Page => {
                let (kind, _) = existing.split_once('-').expect("a prefix");
                format!("{kind}-00000000-0000-4000-8000-000000000000")
            }
            Kind::Bucket | Kind::ClientToken | Kind::GroupName | Kind::Object | Kind::Policy => {
                existing
                    .replace("studio", "nobody")
                    .replace("caller", "nobody")
            }
            Kind::AclAssociation
            | Kind::Association
            | Kind::Attachment
            | Kind::Instance
            | Kind::Interface
            | Kind::NetworkAcl
            | Kind::Peering
            | Kind::RouteTable
            | Kind::Rule
            | Kind::SecurityGroup
            | Kind::Subnet
            | Kind::SubnetArn
            | Kind::Vpc => {
                let (prefix, _) = existing.rsplit_once('-').expect("a prefix");
                zeros(&format!("{prefix}-"))
            }
        }
    }
}

/// Something that a caller has no business with.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) kind: Kind,
    /// What it is, for exceptions and failures.
    pub(crate) what: &'static str,
    id: String,
    form: Form,
}

/// How a request writes an id.
#[derive(Debug, Clone)]
enum Form {
    Plain,
    /// Behind something, as in an ARN.
    After(String),
    /// The key of the record that the page before ended with, up to it.
    Page(String),
}

/// An id as a request has it, and what of it an answer may repeat.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    pub(crate) text: String,
    id: String,
}

impl Looked {
    /// `text` with a placeholder for what was looked for.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        // The keys of objects' records have it in this form.
        let key = hex::encode(&self.text);
        [&self.text, &self.id, &key]
            .into_iter()
            .fold(text.to_owned(), |text, it| text.replace(it, "LOOKED-FOR"))
    }
}

impl Foreign {
    fn new(kind: Kind, what: &'static str, id: impl Into<String>) -> Self {
        Foreign {
            kind,
            what,
            id: id.into(),
            form: Form::Plain,
        }
    }

    fn arn(kind: Kind, what: &'static str, arn: &str) -> Self {
        let (before, id) = arn.rsplit_once('/').expect("an ARN");
        Foreign {
            form: Form::After(format!("{before}/")),
            ..Foreign::new(kind, what, id)
        }
    }

    fn page(what: &'static str, before: String, id: &str) -> Self {
        Foreign {
            form: Form::Page(before),
            ..Foreign::new(Kind::Page, what, id)
        }
    }

    /// What an account has, by its id or ARN.
    pub(crate) fn of(kind: Kind, text: &str) -> Self {
        match text.starts_with("arn:") {
            true => Foreign::arn(kind, "", text),
            false => Foreign::new(kind, "", text),
        }
    }

    /// The object that the files of the owner's build are put into, as others can name it.
    pub(crate) fn of_builds(owner: &Things) -> Self {
        Foreign {
            form: Form::After(format!("{}/", owner.who.account)),
            ..Foreign::new(Kind::Build, "a build's object", &*owner.awaited_build)
        }
    }

    pub(crate) fn existing(&self) -> Looked {
        self.look(self.id.clone())
    }

    pub(crate) fn unknown(&self) -> Looked {
        self.look(self.kind.unknown(&self.id))
    }

    fn look(&self, id: String) -> Looked {
        let text = match &self.form {
            Form::Plain => id.clone(),
            Form::After(before) => format!("{before}{id}"),
            Form::Page(before) => BASE64_URL_SAFE_NO_PAD.encode(format!("{before}{id}")),
        };
        Looked { text, id }
    }
}

/// What an account has in a Region: one of everything, and what an operation that takes something
/// away can take.
#[derive(Debug, Clone)]
pub(crate) struct Things {
    pub(crate) who: Who,
    pub(crate) vpc: String,
    /// Peered with the first.
    pub(crate) other_vpc: String,
    /// Nothing is in it, and nothing leads to it.
    pub(crate) empty_vpc: String,
    /// Of the first VPC, and no subnet's.
    pub(crate) free_block: String,
    /// Where a route of its table leads already.
    pub(crate) routed_block: String,
    /// Of the first VPC's second block.
    pub(crate) block_association: String,
    pub(crate) subnet: String,
    pub(crate) empty_subnet: String,
    pub(crate) interface: String,
    /// Of an interface that a program has.
    pub(crate) attachment: String,
    pub(crate) route_table: String,
    pub(crate) unused_table: String,
    pub(crate) main_association: String,
    /// Of the table with the subnet.
    pub(crate) association: String,
    pub(crate) group: String,
    pub(crate) unused_group: String,
    /// Of the second VPC.
    pub(crate) other_group: String,
    pub(crate) group_name: String,
    pub(crate) ingress_rule: String,
    pub(crate) egress_rule: String,
    pub(crate) peering: String,
    /// Waits to be accepted by the same account.
    pub(crate) request: String,
    pub(crate) ended_peering: String,
    pub(crate) failed_peering: String,
    pub(crate) acl: String,
    pub(crate) build: String,
    pub(crate) awaited_build: String,
    pub(crate) failed_build: String,
    pub(crate) build_arn: String,
    pub(crate) fleet: String,
    pub(crate) fleet_arn: String,
    pub(crate) anywhere: String,
    pub(crate) terminated: String,
    pub(crate) instance: String,
    pub(crate) policy: String,
    /// Of the fleet with the first VPC.
    pub(crate) fleet_connection: String,
    pub(crate) client_token: String,
    pub(crate) bucket: String,
    pub(crate) empty_bucket: String,
    pub(crate) object: String,
    pub(crate) upload: String,
    /// Of the upload's only part.
    pub(crate) etag: String,
}

/// All of it.
pub(crate) struct World {
    pub(crate) wire: Wire,
    /// Everything, and the files of its objects.
    pub(crate) server: Arc<Server>,
    pub(crate) blobs: TempDir,
    /// The same before the owner had anything.
    pub(crate) without_owner: Arc<Server>,
    pub(crate) owner: Things,
    /// Connections that the owner shares with its peer.
    pub(crate) shared: Vec<Foreign>,
    callers: Vec<Things>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (wire, blobs) = (Wire::new(), tempfile::tempdir().unwrap());
        let server = Arc::new(Server::new());
        let mut callers = Vec::new();
        for (who, block) in [
            (A_STRANGER, 20),
            (A_STRANGER_AWAY, 50),
            (THE_OWNER_AWAY, 30),
            (A_PEER, 40),
        ] {
            callers.push(furnish(&wire, &server, blobs.path(), who, block).await);
        }
        let without_owner = Arc::new(server.copy(1).await);
        without_owner.advance(A_MOMENT);
        let owner = furnish(&wire, &server, blobs.path(), OWNER, 10).await;
        let shared = peer(&server, &owner, &callers[3]).await;
        World {
            wire,
            server,
            blobs,
            without_owner,
            owner,
            shared,
            callers,
        }
    }

    /// What a caller has; the owner where it is none of the callers.
    pub(crate) fn things(&self, who: &Who) -> &Things {
        let of =
            |things: &&Things| (things.who.account, things.who.region) == (who.account, who.region);
        self.callers.iter().find(of).unwrap_or(&self.owner)
    }
}

/// Copies of a server, of which one serves for as long as no call changes anything: most calls do not,
/// and a copy takes longer than a call.
pub(crate) struct Copies<'w> {
    original: &'w Server,
    seed: u64,
    /// Of a copy as it is made.
    revision: Revision,
    /// A copy in which nothing has been changed.
    unchanged: Option<Arc<Server>>,
}

impl<'w> Copies<'w> {
    /// Copies that give the ids that begin with `seed`.
    pub(crate) async fn of(original: &'w Server, seed: u64) -> Self {
        let first = Arc::new(original.copy(seed).await);
        Copies {
            original,
            seed,
            revision: first.store().revision().await.unwrap(),
            unchanged: Some(first),
        }
    }

    /// A copy in which nothing has been changed, though calls may have been refused there.
    pub(crate) async fn next(&mut self) -> Arc<Server> {
        match self.unchanged.take() {
            Some(server) => server,
            None => Arc::new(self.original.copy(self.seed).await),
        }
    }

    /// Whether nothing has been changed in a copy.
    pub(crate) async fn is_unchanged(&self, copy: &Server) -> bool {
        copy.store().revision().await.unwrap() == self.revision
    }

    /// Keeps a copy for the next call if nothing has been changed in it, and says whether it is so.
    pub(crate) async fn put_back(&mut self, copy: Arc<Server>) -> bool {
        let is_unchanged = self.is_unchanged(&copy).await;
        if is_unchanged {
            self.unchanged = Some(copy);
        }
        is_unchanged
    }
}

/// Joins the owner's fleet and VPC to the peer's VPC. Rules and routes on both sides name what the
/// other has.
async fn peer(server: &Server, owner: &Things, peer: &Things) -> Vec<Foreign> {
    let (owners, peers) = (server.ec2(STUDIO), server.ec2(BACKEND));
    // The fleet has a connection already, and this one is to be its newest.
    server.advance(A_MOMENT);
    peers.authorize(STUDIO, &peer.vpc).await;
    owners.connect(&owner.fleet, BACKEND, &peer.vpc).await;
    let of_fleet = server.connection(&owner.fleet).await.id.to_string();
    server.activate(&owner.fleet).await;
    let ends = ((STUDIO, &*owner.vpc), (BACKEND, &*peer.vpc));
    let connection = server.peer(ends.0, ends.1).await.id.to_string();
    owners
        .route(&owner.route_table, "10.40.0.0/16", &connection)
        .await;
    peers
        .route(&peer.route_table, "10.10.0.0/16", &connection)
        .await;
    for (one, group, other) in [
        (&owners, &owner.group, &peer.group),
        (&peers, &peer.group, &owner.group),
    ] {
        let pairs = json!([{"GroupId": other}]);
        let permission =
            json!({"IpProtocol": "udp", "FromPort": 7, "ToPort": 7, "UserIdGroupPairs": pairs});
        one.let_in(group, json!([permission])).await;
    }
    let from_owner = owners.ask(&owner.other_vpc, BACKEND, &peer.other_vpc).await;
    server.deliver(&from_owner).await;
    let from_peer = peers.ask(&peer.empty_vpc, STUDIO, &owner.other_vpc).await;
    server.deliver(&from_peer).await;
    vec![
        Foreign::new(Kind::Peering, WITH_THE_FLEET, of_fleet),
        Foreign::new(Kind::Peering, WITH_THE_VPC, connection),
        Foreign::new(Kind::Peering, REQUEST_TO_IT, from_owner),
        Foreign::new(Kind::Peering, REQUEST_OF_IT, from_peer),
    ]
}

fn acl_of(vpc: &str) -> String {
    vpc.replace("vpc-", "acl-")
}

async fn furnish(wire: &Wire, server: &Arc<Server>, blobs: &Path, who: Who, block: u8) -> Things {
    let is_owner = who == OWNER;
    let name = |owners: &str| match is_owner {
        true => owners.to_owned(),
        false => owners.replace("studio", "caller"),
    };
    let ec2 = server.ec2_in(who.account, who.region);
    let gamelift = ec2.gamelift();
    let vpc = ec2.vpc(&format!("10.{block}.0.0/16")).await;
    let other_vpc = ec2.vpc(&format!("10.{}.0.0/16", block + 1)).await;
    let empty_vpc = ec2.vpc(&format!("10.{}.0.0/16", block + 2)).await;
    let block_association = ec2
        .add_block(&vpc, &format!("10.{}.0.0/16", block + 3))
        .await;
    let subnet = ec2.subnet(&vpc, &format!("10.{block}.0.0/24")).await;
    let empty_subnet = ec2.subnet(&vpc, &format!("10.{block}.1.0/24")).await;
    let group_name = name(OWNERS_GROUP);
    let group = ec2.group(&vpc, &group_name).await;
    let unused_group = ec2.group(&vpc, &name("studio-unused")).await;
    let pairs = json!([{"GroupId": group}]);
    let rules =
        json!([{"IpProtocol": "tcp", "FromPort": 5, "ToPort": 6, "UserIdGroupPairs": pairs}]);
    let ingress_rule = text(&ec2.let_in(&group, rules).await[0]["SecurityGroupRuleId"]);
    let rules =
        json!([{"IpProtocol": "tcp", "FromPort": 5, "ToPort": 6, "UserIdGroupPairs": pairs}]);
    let rules = json!({"GroupId": group, "IpPermissions": rules});
    ec2.call("AuthorizeSecurityGroupEgress", rules).await;
    let rules = ec2.rules(&group).await;
    let egress = rules.iter().find(|rule| rule["IsEgress"] == true).unwrap();
    let client_token = name(OWNERS_TOKEN);
    let input = json!({"SubnetId": subnet, "Groups": [group], "ClientToken": client_token});
    let interface = ec2.call("CreateNetworkInterface", input).await;
    let mut tx = ec2.transaction();
    let program = Attachment::Program {
        pid: 1,
        start_time: 1,
        boot: None,
    };
    let used = ec2.attached_interface(&mut tx, &subnet, program).await;
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let attachment = used.id.as_str().replace("eni-", "eni-attach-");
    let route_table = ec2.route_table(&vpc).await;
    let unused_table = ec2.route_table(&vpc).await;
    let association = ec2.associate(&route_table, &subnet).await;
    let (_, main_association) = ec2.main_table(&vpc).await;
    let peering = connect(server, &ec2, &vpc, &other_vpc).await;
    let destination = format!("10.{}.0.0/16", block + 1);
    ec2.call("CreateRoute", route(&route_table, &destination, &peering))
        .await;
    let (ended_peering, failed_peering) = over(server, &ec2, &other_vpc, &empty_vpc, &vpc).await;
    let request = ec2.ask(&other_vpc, who.account, &empty_vpc).await;
    server.deliver(&request).await;
    let tags =
        json!({"Resources": [vpc, subnet, group], "Tags": [{"Key": "team", "Value": "arena"}]});
    ec2.call("CreateTags", tags).await;

    let build = ec2.ready_build().await;
    let awaited = gamelift.call("CreateBuild", json!({})).await;
    let awaited_build = text(&awaited["Build"]["BuildId"]);
    let failed_build = ec2.ready_build().await;
    server
        .fail_build(&failed_build, "the archive is empty")
        .await;
    let shown = gamelift
        .call("DescribeBuild", json!({"BuildId": build}))
        .await;
    let fleet = ec2.fleet_with(fleet_input(&build)).await;
    let instance = ec2.instance(&fleet, |_| {}).await;
    server.set_status(&fleet, FleetStatus::Active).await;
    let policy = name(OWNERS_POLICY);
    gamelift
        .call("PutScalingPolicy", policy_of(&fleet, &policy))
        .await;
    for vpc in [&vpc, &other_vpc] {
        ec2.authorize(who.account, vpc).await;
    }
    ec2.connect(&fleet, who.account, &vpc).await;
    let fleet_connection = server.connection(&fleet).await.id.to_string();
    server.activate(&fleet).await;
    let anywhere = ec2.fleet_with(anywhere()).await;
    let terminated = ec2.fleet_with(fleet_input(&build)).await;
    server.terminate(&terminated).await;
    let fleet_arn = text(&gamelift.attributes(&fleet).await["FleetArn"]);

    let (bucket, object) = (name(OWNERS_BUCKET), name(OWNERS_OBJECT));
    let empty_bucket = name("studio-empty");
    let ask = async |ask: Ask| -> Answer {
        let answer = wire.ask(server, blobs, &who, &ask).await;
        assert!(answer.succeeded(), "{}", answer.text);
        answer
    };
    for bucket in [&bucket, &empty_bucket] {
        ask(Ask::of("PUT", &format!("/{bucket}"), "")).await;
    }
    let path = format!("/{bucket}/{object}");
    ask(Ask::of("PUT", &path, "").body("islands".to_owned())).await;
    let begun = ask(Ask::of("POST", &path, "uploads=")).await;
    let upload = between(&begun.text, "<UploadId>", "</UploadId>");
    let query = format!("partNumber=1&uploadId={upload}");
    let part = ask(Ask::of("PUT", &path, &query).body("part".to_owned())).await;
    let etag = between(&part.text, "etag: ", "\n");

    Things {
        acl: acl_of(&vpc),
        free_block: format!("10.{block}.2.0/24"),
        routed_block: destination,
        who,
        vpc,
        other_group: ec2.default_group(&other_vpc).await,
        other_vpc,
        empty_vpc,
        block_association,
        subnet,
        empty_subnet,
        interface: text(&interface["NetworkInterface"]["NetworkInterfaceId"]),
        attachment,
        route_table,
        unused_table,
        main_association,
        association,
        group,
        unused_group,
        group_name,
        ingress_rule,
        egress_rule: text(&egress["SecurityGroupRuleId"]),
        peering,
        request,
        ended_peering,
        failed_peering,
        build,
        awaited_build,
        failed_build,
        build_arn: text(&shown["Build"]["BuildArn"]),
        fleet,
        fleet_arn,
        anywhere,
        terminated,
        instance,
        policy,
        fleet_connection,
        client_token,
        bucket,
        empty_bucket,
        object,
        upload,
        etag,
    }
}

pub(crate) fn policy_of(fleet: &str, name: &str) -> Value {
    json!({
        "FleetId": fleet,
        "Name": name,
        "PolicyType": "TargetBased",
        "MetricName": "PercentAvailableGameSessions",
        "TargetConfiguration": {"TargetValue": 50},
    })
}

fn between(text: &str, before: &str, behind: &str) -> String {
    let (_, rest) = text.split_once(before).expect(before);
    let (found, _) = rest.split_once(behind).expect(behind);
    found.to_owned()
}

/// Peers two VPCs of one account, and gives the connection's id.
async fn connect(server: &Server, ec2: &Account<'_>, from: &str, to: &str) -> String {
    let account = ec2.scope().account.to_string();
    let id = ec2.ask(from, &account, to).await;
    server.deliver(&id).await;
    ec2.accept(&id).await;
    let mut connection = server.connection_by_id(&id).await;
    connection.apply(Step::Provisioned, server.now()).unwrap();
    server.put_connection(&connection).await;
    id
}

/// A connection that has ended, and one that failed, since it names another owner than the VPC's.
async fn over(
    server: &Server,
    ec2: &Account<'_>,
    from: &str,
    to: &str,
    other: &str,
) -> (String, String) {
    let ended = connect(server, ec2, from, to).await;
    let connection = server.connection_by_id(&ended).await;
    server.unpeer(connection).await;
    let failed = ec2.ask(to, "999999999999", other).await;
    server.deliver(&failed).await;
    (ended, failed)
}

/// What the owner has, as others look for it.
pub(crate) async fn of_owner(world: &World) -> Vec<Foreign> {
    let owner = &world.owner;
    let Who {
        account, region, ..
    } = owner.who;
    let subnet_arn = format!("arn:aws:ec2:{region}:{account}:subnet/{}", owner.subnet);
    let new = Foreign::new;
    let mut all = vec![
        new(Kind::Account, "the owner", account),
        new(Kind::Vpc, "a VPC", &owner.vpc),
        new(Kind::Vpc, "a second VPC", &owner.other_vpc),
        new(Kind::Vpc, "an empty VPC", &owner.empty_vpc),
        new(Kind::Subnet, "a subnet", &owner.subnet),
        new(Kind::Subnet, "an empty subnet", &owner.empty_subnet),
        new(Kind::Interface, "an interface", &owner.interface),
        new(Kind::Attachment, "an attachment", &owner.attachment),
        new(
            Kind::AclAssociation,
            "a network ACL's association",
            &owner.subnet.replace("subnet-", "aclassoc-"),
        ),
        Foreign::arn(Kind::SubnetArn, "a subnet's ARN", &subnet_arn),
        new(Kind::RouteTable, "a route table", &owner.route_table),
        new(
            Kind::RouteTable,
            "an unused route table",
            &owner.unused_table,
        ),
        new(
            Kind::Association,
            "the main association",
            &owner.main_association,
        ),
        new(
            Kind::Association,
            "a subnet's association",
            &owner.association,
        ),
        new(
            Kind::Association,
            "a block's association",
            &owner.block_association,
        ),
        new(Kind::SecurityGroup, "a security group", &owner.group),
        new(
            Kind::SecurityGroup,
            "an unused security group",
            &owner.unused_group,
        ),
        new(
            Kind::SecurityGroup,
            "a second VPC's security group",
            &owner.other_group,
        ),
        new(
            Kind::GroupName,
            "a security group's name",
            &owner.group_name,
        ),
        new(Kind::Rule, "an inbound rule", &owner.ingress_rule),
        new(Kind::Rule, "an outbound rule", &owner.egress_rule),
        new(
            Kind::Peering,
            "a connection of the owner's alone",
            &owner.peering,
        ),
        new(
            Kind::Peering,
            "a request of the owner's alone",
            &owner.request,
        ),
        new(
            Kind::Peering,
            "a connection that has ended",
            &owner.ended_peering,
        ),
        new(
            Kind::Peering,
            "a connection that failed",
            &owner.failed_peering,
        ),
        new(
            Kind::Peering,
            "a fleet's connection with the owner's VPC",
            &owner.fleet_connection,
        ),
        new(Kind::NetworkAcl, "a network ACL", &owner.acl),
        new(Kind::Build, "a build", &owner.build),
        new(
            Kind::Build,
            "a build that awaits its files",
            &owner.awaited_build,
        ),
        new(Kind::Build, "a build that failed", &owner.failed_build),
        new(Kind::Fleet, "a fleet", &owner.fleet),
        new(Kind::Fleet, "a fleet without instances", &owner.anywhere),
        new(Kind::Fleet, "a fleet that is no more", &owner.terminated),
        new(Kind::Instance, "an instance", &owner.instance),
        new(Kind::Policy, "a scaling policy", &owner.policy),
        new(Kind::ClientToken, "a client token", &owner.client_token),
        new(Kind::Bucket, "a bucket", &owner.bucket),
        new(Kind::Object, "an object", &owner.object),
        new(Kind::Upload, "an upload", &owner.upload),
        Foreign::arn(Kind::Fleet, "a fleet's ARN", &owner.fleet_arn),
        Foreign::arn(Kind::Build, "a build's ARN", &owner.build_arn),
        Foreign::arn(Kind::Arn, "a fleet's ARN", &owner.fleet_arn),
        Foreign::arn(Kind::Arn, "a build's ARN", &owner.build_arn),
    ];
    let scope = format!("{region}/{account}");
    for (kind, id) in [("fleet", &owner.fleet), ("build", &owner.build)] {
        all.push(Foreign::page(
            "the page behind its record",
            format!("{kind}/{scope}/"),
            id,
        ));
    }
    all.extend(hidden(world).await);
    all
}

/// What an account has in S3, as the temporary credential that uploads one of its builds looks for
/// it.
pub(crate) fn in_s3(things: &Things) -> Vec<Foreign> {
    vec![
        Foreign::new(Kind::Bucket, "a bucket", &*things.bucket),
        Foreign::new(Kind::Object, "an object", &*things.object),
        Foreign::new(Kind::Upload, "an upload", &*things.upload),
    ]
}

/// What the owner's fleet hides.
pub(crate) async fn hidden(world: &World) -> Vec<Foreign> {
    let account = world.server.ec2(world.owner.who.account);
    let vpc = account.hidden_vpc(&world.owner.fleet).await;
    let mut tx = world.server.transaction();
    let subnets = tx
        .peek(&keys::subnets_of(&vpc.scope, &vpc.id))
        .await
        .unwrap();
    let tables = tx
        .peek(&keys::route_tables_of(&vpc.scope, &vpc.id))
        .await
        .unwrap();
    let groups = tx
        .peek(&keys::security_groups_of(&vpc.scope, &vpc.id))
        .await
        .unwrap();
    let interfaces = tx
        .peek(&keys::interfaces_of(&vpc.scope, &vpc.id))
        .await
        .unwrap();
    let main = tables[0].main.clone().unwrap();
    let primary = vpc.id.as_str().replace("vpc-", "vpc-cidr-assoc-");
    let new = Foreign::new;
    vec![
        new(Kind::Vpc, "a fleet's VPC", vpc.id.as_str()),
        new(Kind::Subnet, "a fleet's subnet", subnets[0].id.as_str()),
        new(
            Kind::Interface,
            "an instance's interface",
            interfaces[0].id.as_str(),
        ),
        new(
            Kind::RouteTable,
            "a fleet's route table",
            tables[0].id.as_str(),
        ),
        new(
            Kind::Association,
            "a fleet's main association",
            main.as_str(),
        ),
        new(Kind::Association, "a fleet's block", &primary),
        new(
            Kind::SecurityGroup,
            "a fleet's security group",
            groups[0].id.as_str(),
        ),
        new(
            Kind::Rule,
            "a rule of a fleet's security group",
            groups[0].rules[0].id.as_str(),
        ),
        new(
            Kind::NetworkAcl,
            "a fleet's network ACL",
            &acl_of(vpc.id.as_str()),
        ),
    ]
}
