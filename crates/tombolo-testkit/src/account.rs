//! One account's calls of one service, held against the service's model.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tombolo_api::error::Refusal as Refused;
use tombolo_api::lookup::ScopedTransaction;
use tombolo_api::model::{Kind, Models, Service, ServiceName, ShapeId, validate};
use tombolo_api::operation::Dispatch;
use tombolo_api::registry;
use tombolo_domain::Scope;
use tombolo_domain::id::Region;
use tombolo_domain::principal::{Identity, Principal};
use tombolo_store::keys::{KeyParts, VpcNumberKey};

use crate::server::Server;

static MODELS: LazyLock<Models> = LazyLock::new(|| Models::load().unwrap());

/// A service of the server, as one account uses it in one Region.
pub struct Account<'s> {
    /// The server.
    pub server: &'s Server,
    service: ServiceName,
    principal: Principal,
}

/// A refused request, as the client sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code of the error.
    pub code: &'static str,
    /// Its text.
    pub message: String,
}

/// Requires that a refusal has this code and text.
#[track_caller]
pub fn assert_refused(refusal: &Refusal, code: &str, message: &str) {
    assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
}

impl<'s> Account<'s> {
    /// A service of `server`, as `account` uses it in `region`.
    pub fn new(server: &'s Server, service: ServiceName, account: &str, region: &str) -> Self {
        let scope = Scope {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        };
        let user = Identity::User {
            name: "tester".parse().unwrap(),
            id: "AIDAAAAAAAAAAAAAAAAA".to_owned(),
        };
        let access_key = "AKIAAAAAAAAAAAAAAAAA".parse().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "these tests begin behind the signature"
        )]
        let principal = Principal::authenticated(scope, user, access_key);
        Account {
            server,
            service,
            principal,
        }
    }

    /// EC2, as the same account uses it in the same Region.
    pub fn ec2(&self) -> Self {
        self.at(ServiceName::Ec2)
    }

    /// GameLift, as the same account uses it in the same Region.
    pub fn gamelift(&self) -> Self {
        self.at(ServiceName::GameLift)
    }

    fn at(&self, service: ServiceName) -> Self {
        Account {
            server: self.server,
            service,
            principal: self.principal.clone(),
        }
    }
}

impl Account<'_> {
    /// The account and the Region.
    pub fn scope(&self) -> Scope {
        self.principal.scope().clone()
    }

    /// What a handler of this account's would have of the store.
    pub fn transaction(&self) -> ScopedTransaction<'_> {
        ScopedTransaction::new(self.server.served(), &self.principal, self.server.now())
    }

    /// The Region.
    pub fn region(&self) -> &Region {
        self.principal.region()
    }

    /// The service's model.
    pub fn model(&self) -> &'static Service {
        MODELS.service(self.service)
    }

    /// Calls an operation, which must succeed.
    pub async fn call(&self, operation: &str, input: Value) -> Value {
        match self.dispatch(operation, input).await {
            Ok(output) => output,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    /// Calls an operation, which must refuse and change nothing, but that the server may have reserved
    /// numbers in the data path meanwhile, which are nobody's.
    pub async fn refusal(&self, operation: &str, input: Value) -> Refusal {
        let (revision, mut before) = self.server.dump().await;
        let error = match self.dispatch(operation, input).await {
            Ok(output) => panic!("{operation} was not refused: {output}"),
            Err(error) => error,
        };
        let (revision_after, mut after) = self.server.dump().await;
        let reserved = VpcNumberKey::PATTERN.as_bytes();
        let has_reserved = before.remove(reserved) != after.remove(reserved);
        assert!(
            before == after && (has_reserved || revision == revision_after),
            "{operation} was refused and changed the store all the same: {error}"
        );
        Refusal {
            code: error.wire().code,
            message: error.client_message("request-id"),
        }
    }

    /// Calls an operation, which must refuse with this code and text, and change nothing.
    pub async fn refused(&self, operation: &str, input: Value, code: &str, message: &str) {
        let refusal = self.refusal(operation, input).await;
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            (code, message),
            "{operation}"
        );
    }

    /// Calls an operation; the code that it was refused with, if it was.
    pub async fn attempt(&self, operation: &str, input: Value) -> Option<&'static str> {
        let refused = self.dispatch(operation, input).await.err()?;
        Some(refused.wire().code)
    }

    async fn dispatch(&self, operation: &str, input: Value) -> Result<Value, Refused> {
        let model = self.model();
        let row = registry::operation(self.service, operation).expect("a served operation");
        let operation = model.operation(operation).expect("one of the model");
        if let Some(shape) = operation.input {
            require_members(model, shape, &input);
            validate(model, shape, &input)
                .map_err(|error| registry::refuse(self.service, error))?;
        }
        let operations = self.server.operations();
        let called = operations.call(row, &self.principal, input);
        let output = called.await.inspect_err(|error| {
            let code = error.wire().code;
            // EC2's model declares no errors at all.
            assert!(
                self.service == ServiceName::Ec2 || operation.errors.contains(&code),
                "{} does not declare {code}: {error}",
                operation.name
            );
        })?;
        match operation.output {
            Some(shape) => {
                let mut reply = output.clone();
                // GameLift's model wants at least one here. Clients read the list without asking
                // whether it is there, so an account without fleets gets an empty one.
                if reply["FleetIds"] == json!([]) {
                    reply["FleetIds"] = Value::Null;
                }
                require_members(model, shape, &reply);
                validate(model, shape, &reply).expect("a reply that fits the model");
            }
            None => assert_eq!(output, json!({}), "{} has no output", operation.name),
        }
        Ok(output)
    }
}

/// Requires that the model has every member of `value`, whatever its value.
fn require_members(service: &Service, shape: ShapeId, value: &Value) {
    let shape = service.shape(shape);
    match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(members)) => {
            for (name, value) in members {
                let member = structure.members.iter().find(|member| member.name == name);
                let member = member.unwrap_or_else(|| panic!("{} has no {name}", shape.name));
                require_members(service, member.shape, value);
            }
        }
        (Kind::List(list), Value::Array(values)) => {
            for value in values {
                require_members(service, list.member, value);
            }
        }
        _ => {}
    }
}
