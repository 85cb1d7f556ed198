//! Certificate and key of the webhook in files that somebody else writes and renews, as the chart
//! of ingress-nginx mounts them; who makes them tells the API server their CA, too.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::state::{AdmissionState, Part};
use crate::limits::{ADMISSION_FILE_BYTES_MAX, ADMISSION_FILES_CHECK};
use crate::model::{Problem, Severity, reason};
use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::server::{ServerTls, ServerTlsError};

/// Where they are.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// `--admission-certificate`: PEM, leaf first.
    pub chain: PathBuf,
    /// `--admission-key`: PEM.
    pub key: PathBuf,
}

/// Why the webhook cannot be served with them. The operator is at fault.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("{} cannot be read: {why}", path.display())]
    Read { path: PathBuf, why: io::Error },
    /// See [`CertificateError`].
    #[error("{}: {why}", path.display())]
    Certificate { path: PathBuf, why: CertificateError },
    /// See [`ServerTlsError`].
    #[error(transparent)]
    Tls(#[from] ServerTlsError),
}

/// What the files hold.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Serves what the files hold, and what they hold later. What cannot be used is a problem of
/// `state`, and what was served before stays.
///
/// Shape: for ever; within a Tokio runtime with time.
pub async fn keep(
    files: CertificateFiles,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    state: Arc<AdmissionState>,
) {
    let mut served = None;
    loop {
        let problem = match files.read() {
            Ok(pair) if served.as_ref() == Some(&pair) => None,
            Ok(pair) => match files.config(&pair) {
                Ok(config) => {
                    tls.send_replace(Some(config));
                    served = Some(pair);
                    None
                }
                Err(error) => Some(problem(&error)),
            },
            Err(error) => Some(problem(&error)),
        };
        state.tell(Part::Secret, problem);
        sleep(ADMISSION_FILES_CHECK).await;
    }
}

impl CertificateFiles {
    fn read(&self) -> Result<Pair, FilesError> {
        Ok(Pair { chain: read(&self.chain)?, key: read(&self.key)? })
    }

    fn config(&self, pair: &Pair) -> Result<Arc<ServerConfig>, FilesError> {
        let certificate = Certificate::from_pem(&pair.chain, &pair.key);
        let certificate =
            certificate.map_err(|why| FilesError::Certificate { path: self.chain.clone(), why })?;
        Ok(ServerTls::http1(&certificate)?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let mut octets = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(ADMISSION_FILE_BYTES_MAX).read_to_end(&mut octets));
    read.map_err(|why| FilesError::Read { path: path.to_owned(), why })?;
    Ok(octets)
}

fn problem(error: &FilesError) -> Problem {
    Problem {
        object: None,
        position: None,
        field: String::new(),
        severity: Severity::Warning,
        reason: reason!("AdmissionCertificate"),
        message: format!("the admission webhook cannot use its certificate: {error}."),
        advice: "Correct the files; they are read again every few seconds.".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn files_are_a_certificate_or_say_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            CertificateFiles { chain: folder.path().join("cert"), key: folder.path().join("key") };
        let said = || match files.read().and_then(|pair| files.config(&pair)) {
            Ok(_) => "good".to_owned(),
            Err(error) => {
                let problem = problem(&error);
                assert_eq!(problem.reason, "AdmissionCertificate");
                problem.message
            }
        };
        assert!(said().contains("cert cannot be read: No such file"), "{}", said());
        let made = generate_simple_self_signed(["webhook.example".to_owned()]).unwrap();
        fs::write(&files.chain, made.cert.pem()).unwrap();
        assert!(said().contains("key cannot be read: No such file"), "{}", said());
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        assert_eq!(said(), "good");
        // What stands behind the bound is not read.
        let far = " ".repeat(usize::try_from(ADMISSION_FILE_BYTES_MAX).unwrap());
        fs::write(&files.key, far + &made.signing_key.serialize_pem()).unwrap();
        assert!(said().starts_with("the admission webhook cannot use its certificate: /"));
        let other = generate_simple_self_signed(["webhook.example".to_owned()]).unwrap();
        fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
        assert!(said().starts_with("the admission webhook cannot use its certificate: /"));
        assert_ne!(files.read().unwrap(), Pair { chain: Vec::new(), key: Vec::new() });
    }
}
