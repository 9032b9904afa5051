//! The models that are compiled in.

use super::load::{self, ModelError};
use super::service::{Service, ServiceName};

/// All models.
#[derive(Debug)]
pub struct Models {
    gamelift: Service,
    ec2: Service,
    sts: Service,
}

impl Models {
    /// Reads the models that are compiled in; a few milliseconds.
    ///
    /// # Errors
    /// A derived model has a shape that this build cannot handle.
    pub fn load() -> Result<Self, ModelError> {
        Ok(Models {
            gamelift: load::service(
                ServiceName::GameLift,
                include_str!("../../models/gamelift.json"),
            )?,
            ec2: load::service(ServiceName::Ec2, include_str!("../../models/ec2.json"))?,
            sts: load::service(ServiceName::Sts, include_str!("../../models/sts.json"))?,
        })
    }

    /// The model of one service.
    pub fn service(&self, name: ServiceName) -> &Service {
        match name {
            ServiceName::GameLift => &self.gamelift,
            ServiceName::Ec2 => &self.ec2,
            ServiceName::Sts => &self.sts,
        }
    }
}
