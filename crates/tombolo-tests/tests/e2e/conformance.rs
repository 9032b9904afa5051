//! What is served is what botocore's own model says, constraint for constraint.

use tombolo_tests::dev::Dev;
use tombolo_tests::{binary, tools};

#[test]
fn every_constraint_of_the_model_is_enforced_and_the_rest_says_that_it_is_not_served() {
    let server = Dev::start_simulated();
    let mut check = tools::python(&server, "python/conformance.py");
    let models = binary::workspace().join("crates/tombolo-api/models");
    tools::succeeds(check.env("TOMBOLO_MODELS", models));
}
