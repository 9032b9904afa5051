//! What a principal may be used for, and how AWS names it.

use tombolo_domain::Scope;
use tombolo_domain::arn::Resource;
use tombolo_domain::id::BuildId;
use tombolo_domain::principal::{Action, Identity, Principal};

const BUILD: &str = "build-2222bbbb-33cc-44dd-95ee-6666ffff77aa";

fn scope(region: &str) -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: region.parse().unwrap(),
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is signed here")]
fn signed(identity: Identity) -> Principal {
    let access_key = "AKIAAAAAAAAAAAAAAAAA".parse().unwrap();
    Principal::authenticated(scope("us-west-2"), identity, access_key)
}

fn user() -> Principal {
    signed(Identity::User {
        name: "alice".parse().unwrap(),
        id: "AIDACKCEVSQ6C2EXAMPLE".to_owned(),
    })
}

fn upload(region: &str) -> Principal {
    signed(Identity::UploadSession {
        region: region.parse().unwrap(),
        build: BUILD.parse().unwrap(),
    })
}

#[expect(clippy::disallowed_methods, reason = "nobody asks for this")]
fn admin() -> Principal {
    Principal::admin(scope("us-west-2"))
}

#[test]
fn each_is_named_as_aws_names_it() {
    for (principal, arn, user_id) in [
        (
            user(),
            "arn:aws:iam::111122223333:user/alice".to_owned(),
            "AIDACKCEVSQ6C2EXAMPLE".to_owned(),
        ),
        (
            upload("us-west-2"),
            format!("arn:aws:sts::111122223333:federated-user/{BUILD}"),
            format!("111122223333:{BUILD}"),
        ),
        (
            admin(),
            "arn:aws:iam::111122223333:root".to_owned(),
            "111122223333".to_owned(),
        ),
    ] {
        assert_eq!((principal.arn(), principal.user_id()), (arn, user_id));
    }
}

#[test]
fn a_user_and_the_operator_may_do_everything_in_the_account() {
    let (scope, fleet) = (
        scope("us-west-2"),
        "fleet-2222bbbb-33cc-44dd-95ee-6666ffff77aa"
            .parse()
            .unwrap(),
    );
    for principal in [user(), admin()] {
        let fleet = Resource::fleet(&scope, &fleet);
        assert!(principal.may(Action::new("gamelift", "DeleteFleet"), &fleet));
        assert!(principal.may(Action::new("s3", "ListAllMyBuckets"), &Resource::Any));
    }
}

#[test]
fn an_upload_session_may_upload_its_build_and_do_nothing_else() {
    let principal = upload("us-west-2");
    let (scope, build) = (scope("us-west-2"), BUILD.parse::<BuildId>().unwrap());
    let key = format!("111122223333/{BUILD}");
    let own = Resource::Object {
        bucket: "tombolo-builds",
        key: &key,
    };
    for action in [
        "PutObject",
        "AbortMultipartUpload",
        "ListMultipartUploadParts",
    ] {
        let action = Action::new("s3", action);
        assert!(principal.may(action, &own), "{action}");
        for other in [
            Resource::Any,
            Resource::Bucket("tombolo-builds"),
            Resource::Object {
                bucket: "tombolo-builds",
                key: "111122223333/build-00000000-0000-4000-8000-000000000000",
            },
            Resource::Object {
                bucket: "games",
                key: &key,
            },
            Resource::build(&scope, &build),
        ] {
            assert!(!principal.may(action, &other), "{action} on {other}");
        }
        assert!(
            !upload("eu-west-1").may(action, &own),
            "{action} in another Region"
        );
    }
    for action in [
        Action::new("s3", "GetObject"),
        Action::new("s3", "DeleteObject"),
        Action::new("gamelift", "PutObject"),
    ] {
        assert!(!principal.may(action, &own), "{action}");
    }
}

#[test]
fn a_resource_is_written_as_its_arn() {
    let scope = scope("us-west-2");
    let build = BUILD.parse().unwrap();
    for (resource, arn) in [
        (Resource::Any, "*"),
        (
            Resource::build(&scope, &build),
            "arn:aws:gamelift:us-west-2:111122223333:build/build-2222bbbb-33cc-44dd-95ee-6666ffff77aa",
        ),
        (Resource::Bucket("games"), "arn:aws:s3:::games"),
        (
            Resource::Object {
                bucket: "games",
                key: "a/b",
            },
            "arn:aws:s3:::games/a/b",
        ),
    ] {
        assert_eq!(resource.to_string(), arn);
    }
}
