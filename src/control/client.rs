//! Where the API server is and who we are to it, found as kubectl finds it.

use std::path::Path;

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// A way to the API server; nothing was sent yet.
#[derive(Clone)]
pub struct Cluster {
    /// Belongs to the Tokio runtime in which it was made.
    pub client: Client,
    /// Of the account, or of the context of the kubeconfig.
    pub namespace: String,
    /// For the operator.
    pub server: String,
}

/// Why no API server can be asked at all. The operator is at fault: waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No account of a pod, and no usable kubeconfig.
    // No source: its text says its own causes.
    #[error(
        "there is no API server to watch, for this is no pod and has no usable kubeconfig: {0}. \
         Give --kubeconfig FILE, or --manifests DIR to run without a cluster"
    )]
    Kubeconfig(Box<KubeconfigError>),
    /// The files of the pod's account are not as they should be.
    #[error("the account of this pod cannot be used; is automountServiceAccountToken off?")]
    Account(#[source] Box<InClusterError>),
    /// Unusable certificates or keys.
    #[error("no client for {server} can be made of these credentials")]
    Client {
        /// The API server.
        server: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// Set in every pod by the kubelet.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// Reads what says where the API server is: `kubeconfig`, else the account of the pod, else
/// KUBECONFIG or ~/.kube/config. `context`: one of a kubeconfig, which is then read in a pod, too;
/// `None`: its current one.
///
/// # Errors
/// [`ConnectError::Kubeconfig`], [`ConnectError::Account`].
pub async fn locate(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<Config, ConnectError> {
    if kubeconfig.is_none() && context.is_none() && std::env::var_os(IN_CLUSTER).is_some() {
        return Config::incluster().map_err(|error| ConnectError::Account(Box::new(error)));
    }
    let failed = |error| ConnectError::Kubeconfig(Box::new(error));
    let read = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(failed)?;
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(read, &options).await.map_err(failed)
}

/// A client for `config`.
///
/// Shape: within the Tokio runtime that will use it.
///
/// # Errors
/// [`ConnectError::Client`].
pub fn client(config: Config) -> Result<Cluster, ConnectError> {
    let (namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
    match Client::try_from(config) {
        Ok(client) => Ok(Cluster { client, namespace, server }),
        Err(source) => Err(ConnectError::Client { server, source: Box::new(source) }),
    }
}

/// [`locate`] and [`client`].
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Cluster, ConnectError> {
    client(locate(kubeconfig, None).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(certificate: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("file");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             contexts: [{{name: a, context: {{cluster: c, user: u, namespace: n}}}}]\n\
             clusters: [{{name: c, cluster: {{server: \"https://127.0.0.1:1\"}}}}]\n\
             users: [{{name: u, user: {{client-certificate-data: {certificate}, \
             client-key-data: {certificate}}}}}]\n"
        );
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[tokio::test]
    async fn kubeconfigs_are_found_and_judged() {
        let error = connect(Some(Path::new("/nowhere"))).await.err().expect("no file");
        assert!(matches!(error, ConnectError::Kubeconfig(_)), "{error}");
        // The whole chain says the cause once.
        let is_chained = std::error::Error::source(&error).is_some();
        assert!(error.to_string().contains("No such file") && !is_chained, "{error}");
        // "AA==" is base64 of a byte that is no PEM.
        let file = kubeconfig("AA==");
        let error = connect(Some(file.path())).await.err().expect("no certificate");
        assert!(matches!(error, ConnectError::Client { .. }), "{error}");
        for (context, is_there) in [("a", true), ("b", false)] {
            let found = locate(Some(file.path()), Some(context)).await;
            assert_eq!(found.is_ok(), is_there, "{context}");
        }
    }
}
