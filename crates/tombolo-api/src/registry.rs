//! All operations: the services' tables joined, each row beside what the service's model says of
//! it.

use std::collections::BTreeMap;

use crate::ec2::{self, Ec2Error};
use crate::error::{ApiError, Refusal};
use crate::gamelift::{self, GameLiftError};
use crate::model::{ModelError, Models, OperationModel, ServiceName};
use crate::operation::Operation;
use crate::sts::{self, StsError};

/// The table of a service.
pub fn operations(service: ServiceName) -> &'static [Operation] {
    match service {
        ServiceName::GameLift => gamelift::OPERATIONS,
        ServiceName::Ec2 => ec2::OPERATIONS,
        ServiceName::Sts => sts::OPERATIONS,
    }
}

/// The row of an operation, if it is served.
pub fn operation(service: ServiceName, name: &str) -> Option<&'static Operation> {
    let mut rows = operations(service).iter();
    rows.find(|operation| operation.name == name)
}

/// What is wrong with a request before its operation is known, as the service's clients read it.
pub fn refuse(service: ServiceName, error: ApiError) -> Refusal {
    match service {
        ServiceName::GameLift => ApiError::<GameLiftError>::from(error).into(),
        ServiceName::Ec2 => ApiError::<Ec2Error>::from(error).into(),
        ServiceName::Sts => ApiError::<StsError>::from(error).into(),
    }
}

/// The tables and the models do not belong together: a mistake of whoever built this.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A row has no operation in its service's model.
    #[error("the model of {0:?} is missing; run `cargo xtask model`")]
    NotInModel(&'static Operation),
    /// A model has an operation that no table has.
    #[error("the model of {0} has operation {1}, which no table has; run `cargo xtask model`")]
    NotInTable(ServiceName, &'static str),
}

/// An operation with its model.
#[derive(Debug)]
pub struct Served {
    /// Its row.
    pub operation: &'static Operation,
    /// Its input, output and errors.
    pub model: OperationModel,
}

/// The operation that a request names. The name is looked up once; from there on the row travels.
#[derive(Debug, Clone)]
pub enum RequestedOperation<'r> {
    /// One that is served.
    Served(&'r Served),
    /// One that is not served, by the name in the request.
    Unknown(String),
}

impl RequestedOperation<'_> {
    /// The name in the request.
    pub fn as_str(&self) -> &str {
        match self {
            RequestedOperation::Served(served) => served.operation.name,
            RequestedOperation::Unknown(name) => name,
        }
    }
}

/// Every operation that is served, found by service and name.
#[derive(Debug)]
pub struct Registry {
    models: Models,
    served: BTreeMap<ServiceName, BTreeMap<&'static str, Served>>,
}

impl Registry {
    /// Joins the tables and the models that are compiled in; a few milliseconds.
    ///
    /// # Errors
    /// They do not belong together, or this build cannot handle a model.
    pub fn load() -> Result<Self, RegistryError> {
        let models = Models::load()?;
        let mut served = BTreeMap::new();
        for service in ServiceName::ALL {
            let model = models.service(service);
            let mut of_service = BTreeMap::new();
            for operation in operations(service) {
                let model = model.operation(operation.name).cloned();
                let model = model.ok_or(RegistryError::NotInModel(operation))?;
                of_service.insert(operation.name, Served { operation, model });
            }
            let mut modelled = model.operations();
            if let Some(rest) = modelled.find(|one| !of_service.contains_key(one.name)) {
                return Err(RegistryError::NotInTable(service, rest.name));
            }
            served.insert(service, of_service);
        }
        Ok(Registry { models, served })
    }

    /// The services' models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The operation of this name.
    pub fn find(&self, service: ServiceName, name: &str) -> RequestedOperation<'_> {
        let of_service = self.served.get(&service);
        match of_service.and_then(|served| served.get(name)) {
            Some(served) => RequestedOperation::Served(served),
            None => RequestedOperation::Unknown(name.to_owned()),
        }
    }
}
