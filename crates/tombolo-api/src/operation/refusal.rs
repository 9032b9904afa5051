//! What is wrong with a request before or after its handler runs, in its service's words.

use crate::ec2::Ec2Error;
use crate::error::{ApiError, Refusal};
use crate::gamelift::GameLiftError;
use crate::model::ServiceName;
use crate::sts::StsError;

/// An error that any service has, as this one's clients read it.
pub fn refuse(service: ServiceName, error: ApiError) -> Refusal {
    match service {
        ServiceName::GameLift => ApiError::<GameLiftError>::from(error).into(),
        ServiceName::Ec2 => ApiError::<Ec2Error>::from(error).into(),
        ServiceName::Sts => ApiError::<StsError>::from(error).into(),
    }
}
