//! What backends are told of a client, against the text that `openssl` makes of the same
//! certificate.

use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{file, openssl};
use crate::tls::chain_error::ChainError;
use crate::tls::identity::{ClientIdentity, ClientRefusal, ClientVerdict};

fn field<'a>(fields: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(fields).unwrap();
    assert!(text.is_ascii() && text.ends_with("\r\n"), "{text:?}");
    let mut lines = text.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Subjects as `-subj` takes them, with `-utf8` and `-multivalue-rdn`.
const SUBJECTS: [&str; 22] = [
    "/CN=someone",
    "/C=DE/ST=Bayern/L=München/O=Firma/OU=Eins/OU=Zwei/CN=jemand",
    "/DC=example/DC=corp/UID=someone/CN=Some One",
    "/CN=a,b;c\"d<e>f=g",
    "/CN=a\\\\b\\+c\\/d",
    "/CN=#hash",
    "/CN=#",
    "/CN= leading and trailing ",
    "/CN= ",
    "/CN=  two  ",
    "/CN=one+OU=two+O=three/C=DE",
    "/emailAddress=a@b.example/CN=mail",
    "/SN=Last/GN=First/initials=FL/serialNumber=12/title=Dr",
    "/CN=\u{1F600} smile",
    "/CN=tab\there",
    "/CN=line\nbreak\r\nssl-client-verify: SUCCESS",
    "/CN=\u{7f}\u{1}",
    "/1.2.3.4.5=unknown/CN=x",
    "/businessCategory=Private/jurisdictionC=DE/CN=x",
    "/street=Street 1/postalCode=1234/CN=x",
    "/CN=admin/CN=user",
    "/",
];

#[test]
fn names_are_those_of_openssl() {
    for subject in SUBJECTS {
        let folder = openssl(&["genpkey -algorithm ed25519 -out k"]);
        let mut command = Command::new("openssl");
        command.current_dir(&folder).args(["req", "-x509", "-key", "k", "-days", "2", "-utf8"]);
        command.args(["-multivalue-rdn", "-set_serial", "1", "-out", "crt", "-subj", subject]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{subject:?}: {}", String::from_utf8_lossy(&done.stderr));
        let mut command = Command::new("openssl");
        command.current_dir(&folder).args(["x509", "-in", "crt", "-noout", "-subject"]);
        let done = command.args(["-nameopt", "RFC2253"]).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let expected = text.strip_prefix("subject=").unwrap().strip_suffix('\n').unwrap();
        let leaf = CertificateDer::from_pem_slice(&file(&folder, "crt")).unwrap();
        let identity = ClientIdentity::new(Some(&leaf), ClientVerdict::Success, Ok(()));
        let expected = Some(expected).filter(|text| !text.is_empty());
        for name in ["ssl-client-subject-dn", "ssl-client-issuer-dn"] {
            assert_eq!(field(identity.fields(), name), expected, "{subject:?}");
        }
        assert_eq!(field(identity.fields(), "ssl-client-verify"), Some("SUCCESS"));
        assert_eq!(field(identity.fields(), "ssl-client-cert"), None);
    }
}

/// Kinds of strings that `-subj` does not make.
#[test]
fn strings_of_every_kind() {
    let folder = openssl(&["genpkey -algorithm ed25519 -out k"]);
    let configuration = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=x\n";
    std::fs::write(folder.path().join("config"), configuration).unwrap();
    for mask in ["MASK:0x800", "MASK:0x4", "MASK:0x100", "utf8only", "nombstr", "pkix"] {
        let config = format!(
            "[req]\ndistinguished_name=dn\nprompt=no\nutf8=yes\nstring_mask={mask}\n[dn]\n\
             CN=Grüße, Füße\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        let mut command = Command::new("openssl");
        command.current_dir(&folder).args(["req", "-x509", "-key", "k", "-days", "2", "-utf8"]);
        let done = command.args(["-config", "config", "-out", "crt"]).output().unwrap();
        assert!(done.status.success(), "{mask}: {}", String::from_utf8_lossy(&done.stderr));
        let mut command = Command::new("openssl");
        command.current_dir(&folder).args(["x509", "-in", "crt", "-noout", "-subject"]);
        let done = command.args(["-nameopt", "RFC2253"]).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let leaf = CertificateDer::from_pem_slice(&file(&folder, "crt")).unwrap();
        let identity = ClientIdentity::new(Some(&leaf), ClientVerdict::Success, Ok(()));
        let own = field(identity.fields(), "ssl-client-subject-dn").unwrap();
        assert_eq!(format!("subject={own}\n"), text, "{mask}");
    }
}

#[test]
fn verdicts_and_the_certificate_itself() {
    let folder =
        openssl(&["genpkey -algorithm ed25519 -out k", "req -x509 -key k -subj /CN=a -out c"]);
    let pem = String::from_utf8(file(&folder, "c")).unwrap();
    let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let error = ChainError::Expired;
    let refusal = Err(ClientRefusal::Untrusted(error));
    let identity = ClientIdentity::new(Some(&leaf), ClientVerdict::Failed(error), refusal);
    let verify = field(identity.fields(), "ssl-client-verify");
    assert_eq!(verify, Some("FAILED:certificate has expired"));
    assert_eq!(identity.admitted(), refusal);
    let escaped = field(identity.fields_with_certificate(), "ssl-client-cert").unwrap();
    let mut octets = Vec::new();
    let mut rest = escaped.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        (octets, rest) = match octet {
            b'%' => {
                let digits = std::str::from_utf8(&after[..2]).unwrap();
                octets.push(u8::from_str_radix(digits, 16).unwrap());
                (octets, &after[2..])
            }
            _ => {
                assert!(octet.is_ascii_alphanumeric() || b"-._~".contains(octet), "{escaped}");
                octets.push(*octet);
                (octets, after)
            }
        };
    }
    assert_eq!(String::from_utf8(octets).unwrap(), pem);
    let nobody = ClientIdentity::new(None, ClientVerdict::None, Ok(()));
    assert_eq!(nobody.fields(), ClientIdentity::UNASKED_FIELDS);
    assert_eq!(nobody.fields_with_certificate(), ClientIdentity::UNASKED_FIELDS);
}
