//! Chains against `openssl verify`, which says what is to be believed.

use std::fs;
use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::tls::chain::{Authorities, Demand, Purpose};
use crate::tls::chain_error::ChainError;
use crate::tls::provider;

/// Certificates made by `openssl`.
struct Lab {
    folder: TempDir,
    serial: u32,
}

const CONFIG: &str = "[req]\ndistinguished_name=dn\n[dn]\n";
const CA: &str = "basicConstraints=critical,CA:TRUE";

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config"), CONFIG).unwrap();
        Self { folder, serial: 7 }
    }

    fn run(&self, line: &str) {
        let mut command = Command::new("openssl");
        let done = command.args(line.split_whitespace()).current_dir(&self.folder).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn key(&self, name: &str, kind: &str) {
        self.run(&format!("genpkey -algorithm {kind} -out {name}.key"));
    }

    /// A certificate of `name`, whose key is there already or is made, by `issuer` (itself: signed
    /// by itself). No extensions at all: version 1.
    fn issue(&mut self, name: &str, issuer: &str, extensions: &str, more: &str) {
        if !self.folder.path().join(format!("{name}.key")).exists() {
            self.key(name, "EC -pkeyopt ec_paramgen_curve:P-256");
        }
        self.run(&format!("req -new -config config -key {name}.key -subj /CN={name} -out csr"));
        self.serial += 1;
        let mut line = format!("x509 -req -in csr -out {name}.crt");
        if !more.contains("-set_serial") {
            line += &format!(" -set_serial {}", self.serial);
        }
        line += &match name == issuer {
            true => format!(" -signkey {name}.key"),
            false => format!(" -CA {issuer}.crt -CAkey {issuer}.key"),
        };
        if !extensions.is_empty() {
            fs::write(self.folder.path().join("ext"), extensions).unwrap();
            line += " -extfile ext";
        }
        self.run(&format!("{line} {more}"));
    }

    fn read(&self, names: &[&str]) -> String {
        let file = |name: &&str| self.folder.path().join(format!("{name}.crt"));
        names.iter().map(|name| fs::read_to_string(file(name)).unwrap()).collect()
    }

    /// What `openssl` says: `None`, or the texts of its errors.
    fn openssl(&self, case: &Case<'_>) -> Option<Vec<String>> {
        let path = |name| self.folder.path().join(name);
        fs::write(path("trusted"), self.read(case.trusted)).unwrap();
        fs::write(path("given"), self.read(case.given)).unwrap();
        let purpose = match case.purpose {
            Purpose::Client => "sslclient",
            Purpose::Server => "sslserver",
        };
        let mut line = format!(
            "verify -no-CApath -no-CAstore -CAfile trusted -purpose {purpose} -auth_level 2 \
             -verify_depth {} -attime {}",
            case.depth, case.now
        );
        if !case.given.is_empty() {
            line += " -untrusted given";
        }
        let mut command = Command::new("openssl");
        let command = command.args(line.split_whitespace()).current_dir(&self.folder);
        let done = command.arg(format!("{}.crt", case.leaf)).output().unwrap();
        if done.status.success() {
            return None;
        }
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        let errors = text.lines().filter_map(|line| line.split_once("lookup: "));
        Some(errors.map(|(_, error)| error.to_owned()).collect())
    }

    fn ours(&self, case: &Case<'_>) -> Result<(), ChainError> {
        let authorities = Authorities::from_pem(self.read(case.trusted).as_bytes()).unwrap();
        let chain = self.read(&[&[case.leaf], case.given].concat());
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let chain: Vec<_> = chain.map(Result::unwrap).collect();
        let algorithms = provider().signature_verification_algorithms;
        let Case { purpose, depth, now, .. } = *case;
        let demand = Demand { purpose, depth, now, lists: None, algorithms };
        authorities.verify(&chain, &demand)
    }

    #[track_caller]
    fn check(&self, case: &Case<'_>, expected: Result<(), ChainError>) {
        let openssl = self.openssl(case);
        assert_eq!(self.ours(case), expected, "{case:?}; openssl says {openssl:?}");
        assert_eq!(openssl.is_none(), expected.is_ok(), "{case:?}: {openssl:?}");
        // Two matters that OpenSSL tells in more ways.
        if let Err(error) = expected
            && !matches!(error, ChainError::Algorithm | ChainError::PathLength)
        {
            // The program stops where nginx goes on to its next finding.
            let error = match error {
                ChainError::LeafUnverified => ChainError::IssuerUnknown,
                error => error,
            };
            let words = error.words().to_owned();
            assert!(openssl.iter().flatten().any(|said| *said == words), "{case:?}: {openssl:?}");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    leaf: &'a str,
    given: &'a [&'a str],
    trusted: &'a [&'a str],
    purpose: Purpose,
    depth: usize,
    now: i64,
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + 60
}

fn case<'a>(leaf: &'a str, given: &'a [&'a str], trusted: &'a [&'a str]) -> Case<'a> {
    Case { leaf, given, trusted, purpose: Purpose::Client, depth: 1, now: now() }
}

const DAYS: &str = "-days 10";

#[test]
fn version_1_and_signed_by_itself() {
    let mut lab = Lab::new();
    lab.issue("old-root", "old-root", "", DAYS);
    lab.issue("old-leaf", "old-root", "", DAYS);
    lab.issue("root", "root", CA, DAYS);
    lab.issue("leaf-of-root", "root", "", DAYS);
    lab.issue("under-old", "old-root", CA, DAYS);
    lab.issue("below", "under-old", "", DAYS);
    lab.issue("old-between", "root", "", DAYS);
    lab.issue("below-old", "old-between", "", DAYS);
    lab.issue("alone", "alone", "basicConstraints=CA:FALSE", DAYS);
    lab.issue("alone-as-ca", "alone-as-ca", CA, DAYS);
    lab.issue("signer-only", "signer-only", &format!("{CA}\nkeyUsage=keyCertSign"), DAYS);
    lab.issue("no-constraints", "no-constraints", "subjectKeyIdentifier=hash", DAYS);
    lab.issue("by-no-constraints", "no-constraints", "", DAYS);
    for (leaf, given, trusted, expected) in [
        ("old-leaf", &[][..], &["old-root"][..], Ok(())),
        ("leaf-of-root", &[], &["root"], Ok(())),
        ("leaf-of-root", &[], &["old-root", "root"], Ok(())),
        // The root may come along.
        ("leaf-of-root", &["root"], &["root"], Ok(())),
        ("below", &["under-old"], &["old-root"], Ok(())),
        ("below-old", &["old-between"], &["root"], Err(ChainError::InvalidAuthority)),
        ("old-root", &[], &["old-root"], Ok(())),
        ("alone", &[], &["alone"], Ok(())),
        ("alone-as-ca", &[], &["alone-as-ca"], Ok(())),
        ("signer-only", &[], &["signer-only"], Err(ChainError::Purpose)),
        ("by-no-constraints", &[], &["no-constraints"], Err(ChainError::InvalidAuthority)),
        ("alone", &[], &["root"], Err(ChainError::SelfSigned)),
        ("old-leaf", &["old-root"], &["root"], Err(ChainError::SelfSignedInChain)),
        ("old-leaf", &[], &["root"], Err(ChainError::LeafUnverified)),
        ("below", &["under-old"], &["root"], Err(ChainError::IssuerUnknown)),
        ("below", &[], &["under-old"], Err(ChainError::IssuerMissing)),
    ] {
        for purpose in [Purpose::Client, Purpose::Server] {
            lab.check(&Case { purpose, ..case(leaf, given, trusted) }, expected);
        }
    }
}

#[test]
fn depth_and_path_length() {
    let mut lab = Lab::new();
    lab.issue("root", "root", CA, DAYS);
    lab.issue("one", "root", CA, DAYS);
    lab.issue("two", "one", CA, DAYS);
    lab.issue("leaf", "two", "", DAYS);
    lab.issue("short", "root", "basicConstraints=critical,CA:TRUE,pathlen:0", DAYS);
    lab.issue("beyond", "short", CA, DAYS);
    lab.issue("leaf-of-one", "one", "", DAYS);
    lab.issue("leaf-of-short", "short", "", DAYS);
    lab.issue("leaf-of-beyond", "beyond", "", DAYS);
    let deep = case("leaf", &["two", "one"], &["root"]);
    lab.check(&deep, Err(ChainError::TooLong));
    lab.check(&Case { depth: 2, ..deep }, Ok(()));
    // In any order, and with what does not belong to it.
    let mixed = case("leaf", &["short", "one", "two"], &["root"]);
    lab.check(&Case { depth: 2, ..mixed }, Ok(()));
    lab.check(&case("leaf-of-one", &["one"], &["root"]), Ok(()));
    lab.check(
        &Case { depth: 0, ..case("leaf-of-one", &["one"], &["root"]) },
        Err(ChainError::TooLong),
    );
    // Intermediate authorities count wherever they come from.
    lab.check(&case("leaf", &[], &["root", "one", "two"]), Err(ChainError::TooLong));
    lab.check(&case("leaf-of-short", &["short"], &["root"]), Ok(()));
    let beyond = case("leaf-of-beyond", &["beyond", "short"], &["root"]);
    lab.check(&Case { depth: 3, ..beyond }, Err(ChainError::PathLength));
}

#[test]
fn times_usages_and_extensions() {
    let mut lab = Lab::new();
    lab.issue("root", "root", CA, "-days 20");
    for (name, extensions) in [
        ("plain", ""),
        ("client", "extendedKeyUsage=clientAuth"),
        ("server", "extendedKeyUsage=serverAuth"),
        ("any", "extendedKeyUsage=anyExtendedKeyUsage"),
        ("encipher", "keyUsage=critical,keyEncipherment"),
        ("sign", "keyUsage=critical,digitalSignature"),
        ("authority", CA),
        ("unknown", "1.2.3.4.5=critical,DER:0500"),
        ("harmless", "1.2.3.4.5=DER:0500"),
        ("policies", "certificatePolicies=critical,1.2.3.4"),
    ] {
        lab.issue(name, "root", extensions, DAYS);
    }
    lab.issue("client-ca", "root", &format!("{CA}\nextendedKeyUsage=clientAuth"), DAYS);
    lab.issue("of-client-ca", "client-ca", "", DAYS);
    let both = [Purpose::Client, Purpose::Server];
    for (leaf, given, [client, server]) in [
        ("plain", &[][..], [true; 2]),
        ("client", &[], [true, false]),
        ("server", &[], [false, true]),
        ("any", &[], [false; 2]),
        ("encipher", &[], [false, true]),
        ("sign", &[], [true; 2]),
        ("authority", &[], [true; 2]),
        ("harmless", &[], [true; 2]),
        ("policies", &[], [true; 2]),
        ("of-client-ca", &["client-ca"], [true, false]),
    ] {
        for (purpose, is_fine) in both.into_iter().zip([client, server]) {
            let expected = if is_fine { Ok(()) } else { Err(ChainError::Purpose) };
            lab.check(&Case { purpose, ..case(leaf, given, &["root"]) }, expected);
        }
    }
    lab.check(&case("unknown", &[], &["root"]), Err(ChainError::CriticalExtension));
    let day = 24 * 60 * 60;
    let plain = case("plain", &[], &["root"]);
    lab.check(&Case { now: now() + 11 * day, ..plain }, Err(ChainError::Expired));
    lab.check(&Case { now: now() + 21 * day, ..plain }, Err(ChainError::Expired));
    lab.check(&Case { now: now() - day, ..plain }, Err(ChainError::NotYetValid));
}

#[test]
fn keys_and_signatures() {
    let mut lab = Lab::new();
    lab.key("small", "RSA -pkeyopt rsa_keygen_bits:1024");
    lab.key("small-root", "RSA -pkeyopt rsa_keygen_bits:1024");
    lab.key("rsa-root", "RSA -pkeyopt rsa_keygen_bits:2048");
    lab.key("p521", "EC -pkeyopt ec_paramgen_curve:P-521");
    lab.key("ed", "ed25519");
    lab.issue("rsa-root", "rsa-root", CA, "-days 10 -sha1");
    lab.issue("small-root", "small-root", CA, DAYS);
    lab.issue("small", "rsa-root", "", DAYS);
    lab.issue("sha1", "rsa-root", "", "-days 10 -sha1");
    lab.issue("of-small", "small-root", "", DAYS);
    lab.issue("p521", "p521", CA, "-days 10 -sha512");
    lab.issue("of-p521", "p521", "", "-days 10 -sha256");
    lab.issue("ed", "ed", CA, DAYS);
    lab.issue("of-ed", "ed", "", DAYS);
    lab.issue("negative", "rsa-root", "", "-days 10 -set_serial -5");
    lab.issue("long", "rsa-root", "", "-set_serial 0x112233445566778899001122334455667788990011");
    for (leaf, trusted, expected) in [
        ("of-p521", "p521", Ok(())),
        ("of-ed", "ed", Ok(())),
        ("negative", "rsa-root", Ok(())),
        ("long", "rsa-root", Ok(())),
        ("small", "rsa-root", Err(ChainError::LeafKeyTooWeak)),
        ("sha1", "rsa-root", Err(ChainError::Algorithm)),
        ("of-small", "small-root", Err(ChainError::AuthorityKeyTooWeak)),
    ] {
        lab.check(&case(leaf, &[], &[trusted]), expected);
    }
    // Another authority of the same name; then both, as when one is renewed.
    let mut other = Lab::new();
    other.key("ed", "ed25519");
    other.issue("ed", "ed", CA, DAYS);
    fs::copy(other.folder.path().join("ed.crt"), lab.folder.path().join("renewed.crt")).unwrap();
    lab.check(&case("of-ed", &[], &["renewed"]), Err(ChainError::Signature));
    assert_eq!(lab.ours(&case("of-ed", &[], &["renewed", "ed"])), Ok(()));
}

#[test]
fn names_that_an_authority_may_vouch_for() {
    let mut lab = Lab::new();
    let permitted =
        "nameConstraints=critical,permitted;DNS:in.test,permitted;IP:10.0.0.0/255.0.0.0";
    let excluded = "nameConstraints=critical,excluded;DNS:out.test";
    lab.issue("root", "root", &format!("{CA}\n{permitted}"), DAYS);
    lab.issue("other", "other", &format!("{CA}\n{excluded}"), DAYS);
    for (name, names, by_permitted, by_excluded) in [
        ("a", "DNS:in.test", true, true),
        ("b", "DNS:a.in.test", true, true),
        ("c", "DNS:notin.test", false, true),
        ("d", "DNS:in.test,DNS:out.test", false, false),
        ("e", "IP:10.1.2.3", true, true),
        ("f", "IP:11.1.2.3", false, true),
    ] {
        for (issuer, is_fine) in [("root", by_permitted), ("other", by_excluded)] {
            lab.issue(name, issuer, &format!("subjectAltName={names}"), DAYS);
            let expected = if is_fine { Ok(()) } else { Err(ChainError::NameConstraints) };
            let case = case(name, &[], std::slice::from_ref(&issuer));
            assert_eq!(lab.ours(&case), expected, "{names} by {issuer}");
            assert_eq!(lab.openssl(&case).is_none(), is_fine, "{names} by {issuer}");
        }
    }
}
