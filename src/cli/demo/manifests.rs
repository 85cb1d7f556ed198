//! The sample manifests: ordinary Kubernetes YAML, as one would apply it to a cluster.
//!
//! Files are written once and then belong to the user. Only `endpoints.yaml` is written anew on
//! each start, because it names the ports of this run.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file that the user is asked to edit.
pub(super) const INGRESS_FILE: &str = "ingress.yaml";
const SERVICES_FILE: &str = "services.yaml";
const ENDPOINTS_FILE: &str = "endpoints.yaml";

/// What [`write()`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Files that were there before and stayed as they were.
    pub(super) kept: Vec<PathBuf>,
}

/// Writes what is missing to `folder`.
///
/// Shape: `backends` are `SERVICE-NUMBER` and its address.
///
/// # Errors
/// The folder cannot be made or written.
pub(super) fn write(folder: &Path, backends: &[(&str, SocketAddr)]) -> io::Result<Written> {
    fs::create_dir_all(folder)?;
    let mut written = Written::default();
    for (name, text) in [(SERVICES_FILE, SERVICES), (INGRESS_FILE, INGRESS)] {
        let path = folder.join(name);
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => written.kept.push(path),
            Err(error) => return Err(error),
        }
    }
    fs::write(folder.join(ENDPOINTS_FILE), endpoints(backends))?;
    Ok(written)
}

fn endpoints(backends: &[(&str, SocketAddr)]) -> String {
    let mut text = String::from(
        "# Written anew at each start of the demo. In a cluster Kubernetes keeps these objects.\n",
    );
    for (name, address) in backends {
        let service = name.rsplit_once('-').map_or(*name, |(service, _)| service);
        text.push_str(&format!(
            "---\n\
             apiVersion: discovery.k8s.io/v1\n\
             kind: EndpointSlice\n\
             metadata:\n  \
               name: {name}\n  \
               namespace: demo\n  \
               labels:\n    \
                 kubernetes.io/service-name: {service}\n\
             addressType: IPv4\n\
             ports:\n  \
               - name: http\n    \
                 port: {}\n\
             endpoints:\n  \
               - addresses: [\"{}\"]\n    \
                 conditions: {{ready: true}}\n",
            address.port(),
            address.ip()
        ));
    }
    text
}

const SERVICES: &str = "\
# Two Services. Their endpoints are in endpoints.yaml.
apiVersion: v1
kind: Service
metadata:
  name: hello
  namespace: demo
spec:
  ports:
    - name: http
      port: 80
---
apiVersion: v1
kind: Service
metadata:
  name: echo
  namespace: demo
spec:
  ports:
    - name: http
      port: 80
";

const INGRESS: &str = "\
# Edit and save: the change is live at once, and no connection is cut.
# A mistake in one object harms only that object; the proxy prints file, line and what to do.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: hello
  namespace: demo
spec:
  ingressClassName: ringway
  rules:
    - host: hello.localhost
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: hello
                port:
                  name: http
          - path: /echo
            pathType: Prefix
            backend:
              service:
                name: echo
                port:
                  name: http
---
# No host: serves every host that no other rule names.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: any-host
  namespace: demo
spec:
  ingressClassName: ringway
  rules:
    - http:
        paths:
          - path: /
            pathType: Exact
            backend:
              service:
                name: hello
                port:
                  number: 80
          - path: /hello
            pathType: Exact
            backend:
              service:
                name: hello
                port:
                  number: 80
          - path: /echo
            pathType: Prefix
            backend:
              service:
                name: echo
                port:
                  number: 80
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edited_files_are_kept_and_endpoints_follow_the_ports() {
        let folder = tempfile::tempdir().expect("folder");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("file");
        let write_at = |port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            write(folder.path(), &[("hello-1", address)]).expect("write")
        };
        assert_eq!(write_at(1), Written::default());
        assert_eq!(read(INGRESS_FILE), INGRESS);
        fs::write(folder.path().join(INGRESS_FILE), "# mine").expect("edit");
        let kept = write_at(2).kept;
        assert_eq!(kept, [SERVICES_FILE, INGRESS_FILE].map(|name| folder.path().join(name)));
        assert_eq!(read(INGRESS_FILE), "# mine");
        assert!(read(ENDPOINTS_FILE).contains("port: 2\n"));
        assert!(read(ENDPOINTS_FILE).contains("kubernetes.io/service-name: hello\n"));
    }

    #[test]
    fn every_backend_name_of_the_ingresses_is_a_service() {
        for name in ["hello", "echo"] {
            assert!(INGRESS.contains(&format!("name: {name}\n                port")));
            assert!(SERVICES.contains(&format!("name: {name}\n  namespace: demo")));
        }
    }
}
