//! A certification authority of a test: leaves for servers and clients, and who trusts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

/// An authority and a folder for the files that programs want.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
    folder: TempDir,
}

/// A ClientHello for a name, in one record.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let config = Authority::new().trusting(&["http/1.1"]);
    let mut session = ClientConnection::new(config, name).expect("a session");
    let mut octets = Vec::new();
    session.write_tls(&mut octets).expect("a ClientHello");
    octets
}

/// Certificates of X.509 version 1, as `openssl x509 -req` makes them without extensions.
pub(crate) struct OldAuthority {
    folder: TempDir,
    /// Its own certificate, of version 1, too.
    pub(crate) pem: String,
}

impl OldAuthority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut authority = Self { folder, pem: String::new() };
        authority.pem = authority.make("ca", "/CN=Old Authority", "-signkey ca.key").chain;
        authority
    }

    /// For whatever purpose.
    pub(crate) fn issue(&self, subject: &str) -> Leaf {
        self.make("leaf", subject, "-CA ca.crt -CAkey ca.key -set_serial 7")
    }

    fn make(&self, name: &str, subject: &str, how: &str) -> Leaf {
        let key = format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {name}.key");
        let request = format!("req -new -utf8 -key {name}.key -out csr -subj");
        let sign = format!("x509 -req -in csr -out {name}.crt -days 2 {how}");
        for (line, last) in [(key, None), (request, Some(subject)), (sign, None)] {
            let mut command = std::process::Command::new("openssl");
            command.current_dir(&self.folder).args(line.split_whitespace()).args(last);
            let done = command.output().expect("openssl");
            assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        }
        let read = |end: &str| {
            fs::read_to_string(self.folder.path().join(format!("{name}.{end}"))).expect("file")
        };
        Leaf { chain: read("crt"), key: read("key") }
    }
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) chain: String,
    pub(crate) key: String,
}

fn params(name: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(sans).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = params("Test Authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("certificate").pem();
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("ca.pem"), &pem).expect("file");
        Self { issuer: Issuer::new(params, key), pem, folder }
    }

    /// For a server; the first name is the common name too.
    pub(crate) fn issue(&self, names: &[&str]) -> Leaf {
        self.sign(params(names[0], names), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client.
    pub(crate) fn issue_client(&self, name: &str) -> Leaf {
        self.sign(params(name, &[]), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("key");
        let leaf = params.signed_by(&key, &self.issuer).expect("certificate");
        Leaf { chain: leaf.pem(), key: key.serialize_pem() }
    }

    /// File of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where programs may write.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes chain and key of a leaf and returns their files.
    pub(crate) fn files(&self, name: &str, leaf: &Leaf) -> (PathBuf, PathBuf) {
        let chain = self.folder.path().join(format!("{name}.crt"));
        let key = self.folder.path().join(format!("{name}.key"));
        fs::write(&chain, &leaf.chain).expect("file");
        fs::write(&key, &leaf.key).expect("file");
        (chain, key)
    }

    /// A client that trusts this authority and offers these protocols.
    pub(crate) fn trusting(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        Arc::new(self.config(alpn, rustls::ALL_VERSIONS, None))
    }

    /// The same in one version, with a certificate of its own if given.
    pub(crate) fn config(
        &self,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Leaf>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("pem")).expect("root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).expect("pem");
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("pem");
                builder.with_client_auth_cert(vec![chain], key).expect("identity")
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}
