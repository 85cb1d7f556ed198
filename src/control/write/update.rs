//! Addresses of an Ingress for who may update its status and not patch it, as roles made for
//! ingress-nginx have it: the whole object is written, and `metadata.managedFields` says who owns
//! the list.

use k8s_openapi::api::networking::v1::{
    Ingress, IngressLoadBalancerIngress, IngressLoadBalancerStatus,
};
use kube::api::{Api, PostParams};

use super::addresses::Addresses;
use crate::control::calls::{CallError, call};
use crate::control::observed::Address;
use crate::limits::API_CALL_TIMEOUT;
use crate::model::ObjectRef;

/// The entries of `status.loadBalancer.ingress`.
pub(super) fn entries(addresses: &Addresses) -> Vec<IngressLoadBalancerIngress> {
    let entry = |address: &Address| {
        let (ip, hostname) = match address {
            Address::Ip(ip) => (Some(ip.to_string()), None),
            Address::Name(name) => (None, Some(name.to_string())),
            Address::Foreign => return None,
        };
        Some(IngressLoadBalancerIngress { ip, hostname, ports: None })
    };
    addresses.iter().filter_map(entry).collect()
}

/// Puts the addresses, or takes back what `manager` put there; what has changed since it was read
/// is a conflict.
pub(super) async fn addresses(
    client: kube::Client,
    object: &ObjectRef,
    manager: &str,
    addresses: &Addresses,
) -> Result<(), CallError> {
    let ObjectRef { namespace, name, .. } = object;
    let ingresses: Api<Ingress> = Api::namespaced(client, namespace);
    let update = async {
        let mut ingress = ingresses.get(name).await?;
        if put(&mut ingress, manager, addresses) {
            let field_manager = Some(manager.to_owned());
            let how = PostParams { field_manager, ..PostParams::default() };
            ingresses.replace_status(name, &how, &ingress).await?;
        }
        Ok(())
    };
    call(API_CALL_TIMEOUT, update).await
}

/// Puts the list into the object as it is. False: nothing is to be written, for what stands there
/// is to go and is somebody else's.
fn put(ingress: &mut Ingress, manager: &str, addresses: &Addresses) -> bool {
    let is_ours = ingress.metadata.managed_fields.iter().flatten().any(|owner| {
        let fields = owner.fields_v1.as_ref();
        owner.manager.as_deref() == Some(manager)
            && owner.subresource.as_deref() == Some("status")
            && fields.and_then(|f| f.0.pointer("/f:status/f:loadBalancer/f:ingress")).is_some()
    });
    let list = Some(entries(addresses)).filter(|list| !list.is_empty());
    let is_written = list.is_some() || is_ours;
    if is_written {
        let balancer = IngressLoadBalancerStatus { ingress: list };
        ingress.status.get_or_insert_default().load_balancer = Some(balancer);
    }
    is_written
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_ours_is_taken_back() {
        let shown = |ingress: &Ingress| serde_json::to_value(&ingress.status).unwrap();
        for (manager, subresource, is_taken) in [
            ("ringway", "status", true),
            ("ringway", "", false),
            ("nginx-ingress-controller", "status", false),
        ] {
            let fields = json!({ "f:status": { "f:loadBalancer": { "f:ingress": {} } } });
            let status = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
            let mut ingress: Ingress = serde_json::from_value(json!({
                "metadata": { "managedFields": [
                    { "manager": manager, "subresource": subresource, "fieldsV1": fields },
                ] },
                "status": status,
            }))
            .unwrap();
            let none: Addresses = Arc::new([]);
            assert_eq!(put(&mut ingress, "ringway", &none), is_taken, "{manager} {subresource}");
            let left = if is_taken { json!({ "loadBalancer": {} }) } else { status };
            assert_eq!(shown(&ingress), left);
            let ours: Addresses = Arc::new([
                Address::Ip("192.0.2.2".parse().unwrap()),
                Address::Foreign,
                Address::Name("lb.example".into()),
            ]);
            assert!(put(&mut ingress, "ringway", &ours));
            let list = json!([{ "ip": "192.0.2.2" }, { "hostname": "lb.example" }]);
            assert_eq!(shown(&ingress), json!({ "loadBalancer": { "ingress": list } }));
        }
    }
}
