//! Builds.

pub(crate) mod v1 {
    use tombolo_domain::id::BuildId;
    use tombolo_domain::object::BucketName;
    use tombolo_domain::{Timestamp, fleet};

    use crate::record::scope::v1::Scope;

    record! {
        struct Build of fleet::Build {
            scope: Scope,
            id: BuildId,
            name: Option<String>,
            version: Option<String>,
            status: BuildStatus,
            size_on_disk: Option<u64>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            source: Option<BuildSource>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            failure: Option<String>,
            operating_system: OperatingSystem,
            server_sdk_version: Option<String>,
            created: Timestamp,
        }

        struct BuildSource of fleet::BuildSource {
            bucket: BucketName,
            key: String,
        }

        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        enum BuildStatus of fleet::BuildStatus {
            Initialized,
            Ready,
            Failed,
        }

        enum OperatingSystem of fleet::OperatingSystem {
            #[serde(rename = "WINDOWS_2012")]
            Windows2012,
            #[serde(rename = "AMAZON_LINUX")]
            AmazonLinux,
            #[serde(rename = "AMAZON_LINUX_2")]
            AmazonLinux2,
            #[serde(rename = "WINDOWS_2016")]
            Windows2016,
            #[serde(rename = "AMAZON_LINUX_2023")]
            AmazonLinux2023,
            #[serde(rename = "WINDOWS_2022")]
            Windows2022,
        }
    }
}
