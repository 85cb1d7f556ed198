//! One proxy with everything that its tables of requests go to.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::harness::pki::Authority;
use crate::harness::row::{Row, Way, check};
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Proxy, manifest};

/// What is to be served: backends, certificates, Ingresses, other objects.
pub(crate) struct Area {
    builder: Builder,
    backends: BTreeMap<&'static str, Backend>,
    authority: Authority,
    /// What the proxy believes of the system.
    is_trusted: bool,
}

/// The same, served.
pub(crate) struct Served {
    pub(crate) proxy: Proxy,
    backends: BTreeMap<&'static str, Backend>,
    authority: Authority,
}

impl Area {
    /// Nothing yet.
    pub(crate) fn new(driver: Driver) -> Self {
        let (builder, authority) = (Builder::new(driver), Authority::new());
        Self { builder, backends: BTreeMap::new(), authority, is_trusted: false }
    }

    /// Echo backends, each behind port 80 of a Service of its name.
    pub(crate) fn echoes(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |area, name| area.backend(name, Backend::echo(name)))
    }

    /// A backend behind port 80 of a Service of this name.
    pub(crate) fn backend(mut self, name: &'static str, backend: Backend) -> Self {
        self = self.object(manifest::backend(name, &[backend.address()]));
        self.backends.insert(name, backend);
        self
    }

    /// A Secret with a certificate for these hosts.
    pub(crate) fn certificate(self, secret: &str, hosts: &[&str]) -> Self {
        let leaf = self.authority.issue(hosts);
        self.object(manifest::tls_secret(secret, &leaf.chain, &leaf.key))
    }

    /// An Ingress.
    pub(crate) fn ingress(self, ingress: &Ingress) -> Self {
        self.object(ingress.yaml())
    }

    /// Any other object: YAML with a `---` at its end.
    pub(crate) fn object(self, yaml: impl AsRef<str>) -> Self {
        Self { builder: self.builder.manifests(yaml), ..self }
    }

    /// A flag of the binary.
    pub(crate) fn flag(self, name: &str, value: impl std::fmt::Display) -> Self {
        Self { builder: self.builder.flag(name, value), ..self }
    }

    /// Who signs the certificates is an authority of the system.
    pub(crate) fn trusted(self) -> Self {
        Self { is_trusted: true, ..self }
    }

    #[track_caller]
    pub(crate) fn start(self) -> Served {
        let Self { builder, backends, authority, is_trusted } = self;
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
        if is_trusted {
            command.env("SSL_CERT_FILE", authority.file());
        }
        Served { proxy: builder.start_by(command), backends, authority }
    }
}

impl Served {
    /// Sends each row's request, those of a scheme and host on one connection as long as it lives.
    ///
    /// # Panics
    /// With all rows whose answer is another.
    #[track_caller]
    pub(crate) fn check(&self, rows: &[Row]) {
        check(rows, |way| self.connect(way));
    }

    /// Waits until the proxy has told each of these words to the owners of its objects.
    #[track_caller]
    pub(crate) fn told(&self, words: &[&str]) {
        words.iter().for_each(|words| self.proxy.wait_for_output(words));
    }

    /// The backend behind the Service of this name.
    #[track_caller]
    pub(crate) fn backend(&self, name: &str) -> &Backend {
        &self.backends[name]
    }

    /// Who signs certificates.
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What trusts the certificates and speaks these protocols.
    pub(crate) fn trusting(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        self.authority.trusting(alpn)
    }

    /// A client that trusts the certificates, for a host.
    #[track_caller]
    pub(crate) fn tls_client(&self, host: &str) -> Client {
        self.connect(Way { is_tls: true, name: host, client: "" })
    }

    #[track_caller]
    fn connect(&self, Way { is_tls, name, client }: Way<'_>) -> Client {
        let address = if is_tls { self.proxy.https } else { self.proxy.http };
        let mut connection = Client::connect(address);
        if !client.is_empty() {
            let family = if client.contains(':') { "TCP6" } else { "TCP4" };
            connection.send(format!("PROXY {family} {client} {client} 4000 80\r\n"));
        }
        if !is_tls {
            return connection;
        }
        let secured = connection.handshake(&self.authority.trusting(&[]), name);
        secured.unwrap_or_else(|error| panic!("no handshake for {name}: {error}"))
    }
}
