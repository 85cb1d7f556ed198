//! What objects of all kinds have in common: `metadata`, `spec`, and a `status` that is not kept.

/// Makes the type of a kind: its name, that of its `spec`, its plural, its version and its scope.
macro_rules! resource {
    ($(#[$doc:meta])* $name:ident, $spec:ident, $plural:literal, $version:literal, $scope:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Absent in lists.
            #[serde(default)]
            api_version: Option<String>,
            #[serde(default)]
            kind: Option<String>,
            /// `metadata`.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// `spec`.
            pub spec: $spec,
            /// Written by controllers.
            #[serde(default)]
            status: Option<serde_json::Value>,
        }

        impl $name {
            /// Nothing but what is of use here.
            #[must_use]
            pub fn new(
                metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
                spec: $spec,
            ) -> Self {
                Self { metadata, spec, ..Self::default() }
            }

            /// Takes `status` away.
            pub fn take_status(&mut self) -> Option<serde_json::Value> {
                self.status.take()
            }
        }

        impl k8s_openapi::Resource for $name {
            const API_VERSION: &'static str = concat!("gateway.networking.k8s.io/", $version);
            const GROUP: &'static str = "gateway.networking.k8s.io";
            const KIND: &'static str = stringify!($name);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = $scope;
        }

        impl k8s_openapi::Metadata for $name {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }
    };
}
pub(super) use resource;
