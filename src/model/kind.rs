//! The kinds of objects that Ringway speaks of, each by its name.

use std::fmt;

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// What an object is: `kind` of the Kubernetes API, one octet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(
                #[doc = concat!("`", stringify!($kind), "`.")]
                $kind,
            )+
        }

        impl Kind {
            /// All of them, in their order.
            pub const ALL: [Self; [$(Self::$kind),+].len()] = [$(Self::$kind),+];

            /// As `kind` has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }
        }
    };
}

// By name: so are objects in lists, and kinds in metrics.
kinds! {
    BackendTLSPolicy,
    ConfigMap,
    CustomResourceDefinition,
    EndpointSlice,
    GRPCRoute,
    Gateway,
    GatewayClass,
    HTTPRoute,
    Ingress,
    IngressClass,
    ListenerSet,
    Namespace,
    ReferenceGrant,
    Secret,
    Service,
    TCPRoute,
    TLSRoute,
    UDPRoute,
    ValidatingWebhookConfiguration,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_names_and_small() {
        assert!(Kind::ALL.is_sorted_by_key(|kind| kind.name()));
        assert_eq!(size_of::<Kind>(), 1);
        assert_eq!(Kind::EndpointSlice.to_string(), "EndpointSlice");
    }
}
