//! Text to objects, and the line of every problem.

use proptest::prelude::*;

use super::*;

fn read_text(text: &str) -> Manifest {
    read(&"f.yaml".into(), text)
}

#[track_caller]
fn check(text: &str, objects: &[&str], problems: &[&str]) {
    let manifest = read_text(text);
    let found: Vec<_> = manifest.objects.iter().map(|o| o.reference.to_string()).collect();
    assert_eq!(found, objects, "{text}");
    let found: Vec<_> = manifest.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, problems, "{text}");
}

#[test]
fn documents_and_lists_are_read_in_order() {
    check(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n\
         apiVersion: v1\nkind: List\nitems:\n\
         - {apiVersion: v1, kind: Secret, metadata: {name: b, namespace: x}}\n\
         - {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n---\n\
         apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems:\n- metadata: {name: d}\n---\n\
         apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: e}\n",
        &[
            "Service default/a",
            "Secret x/b",
            "ConfigMap default/c",
            "Ingress default/d",
            "IngressClass e",
        ],
        &[],
    );
}

#[test]
fn json_is_read_too() {
    check(
        "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Service\",\n  \"metadata\": {\"name\": \
         \"a\"},\n  \
         \"spec\": {\"ports\": [{\"port\": \"x\"}]}\n}\n",
        &[],
        &["f.yaml:5: error: Service default/a: spec.ports[0].port: invalid type: string \"x\", \
           expected i32. Correct it; until then the object stays as it was."],
    );
}

#[test]
fn one_broken_document_leaves_the_others() {
    let manifest = read_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nkind: [\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {name: b}\n",
    );
    assert_eq!(manifest.objects.len(), 2);
    assert!(manifest.has_unreadable);
    let line = manifest.problems[0].position.as_ref().map(|p| p.line);
    assert_eq!(line, Some(5));
}

#[test]
fn a_wrong_field_is_named_with_its_line_and_breaks_its_object_alone() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: \
     a\nspec:\n  rules:\n  \
                - host: x\n    http:\n      paths:\n      - pathType: Prefix\n        path: \
                 7\n        \
                backend: {}\n";
    check(
        text,
        &[],
        &["f.yaml:11: error: Ingress default/a: spec.rules[0].http.paths[0].path: invalid type: \
           integer `7`, expected a string. Correct it; until then the object stays as it was."],
    );
    let manifest = read_text(text);
    assert!(!manifest.has_unreadable);
    assert_eq!(manifest.broken.len(), 1);
}

#[test]
fn unknown_fields_are_warned_of() {
    check(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n    \
         targetport: 8080\n",
        &["Service default/a"],
        &["f.yaml:7: warning: Service default/a: spec.ports[0].targetport: this field does \
             not exist \
           and has no effect. Look for a slip in its name or its indentation."],
    );
}

#[test]
fn identity_is_checked_first() {
    let advice = "Names are lower-case letters, digits, '-' and '.', such as my-app.";
    let head = "apiVersion: v1\nkind: Service\n";
    for (metadata, expected) in [
        ("metadata: {}\n", "f.yaml:3: error: Service: metadata.name: the object has no name. "),
        (
            "metadata:\n  name: A_b\n",
            "f.yaml:4: error: Service: metadata.name: \"A_b\" is not a possible name. ",
        ),
        (
            "metadata:\n  name: a\n  namespace: a.b\n",
            "f.yaml:5: error: Service: metadata.namespace: \"a.b\" is not a possible namespace. ",
        ),
    ] {
        check(&format!("{head}{metadata}"), &[], &[&format!("{expected}{advice}")]);
    }
    check(
        "a: 1\n",
        &[],
        &["f.yaml:1: error: a document must be one object with apiVersion and kind. Add \
             both fields."],
    );
}

#[test]
fn other_kinds_are_passed_over_and_old_versions_are_not() {
    check("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", &[], &[]);
    check(
        "kind: Ingress\napiVersion: extensions/v1beta1\nmetadata: {name: a}\n",
        &[],
        &["f.yaml:2: warning: Ingress of extensions/v1beta1 is not read. \
           Write apiVersion: networking.k8s.io/v1 and its fields."],
    );
}

#[test]
fn problems_of_one_file_are_bounded() {
    let manifest = read_text(&"---\na\n".repeat(PROBLEMS_PER_FILE_MAX + 7));
    assert_eq!(manifest.problems.len(), PROBLEMS_PER_FILE_MAX + 1);
    assert!(manifest.problems.last().is_some_and(|p| p.message.starts_with("7 more")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        read_text(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn text_made_of_yaml_marks_never_panics(
        parts in proptest::collection::vec(proptest::sample::select(MARKS), 0..64)
    ) {
        read_text(&parts.concat());
    }
}

/// What the grammar is made of.
const MARKS: &[&str] = &[
    "---",
    "\n",
    "\r\n",
    "\t",
    "  ",
    "- ",
    "? ",
    ": ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a ",
    "!t ",
    "!!str ",
    "|",
    ">",
    "|2-",
    "'",
    "\"",
    "\\x",
    "#",
    "%YAML 1.2",
    "...",
    "<<",
    "kind",
    "a",
    "7",
    "apiVersion: v1\n",
    "kind: List\n",
    "items:\n",
    "metadata:\n",
    "name: ",
    "\u{feff}",
    "\0",
    "ü",
];

/// As `kubectl apply` takes it: Go skips line breaks in base64, and YAML has them in blocks.
#[test]
fn base64_may_be_broken_into_lines() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    for data in [
        "data:\n  k: |\n    aGVs\n    bG8g\n    eW91\n",
        "data:\n  k: |-\n    aGVs\n    bG8geW91\n",
        "data:\n  k: \"aGVsbG8g\\r\\neW91\\n\"\n",
        "data:\n  k: aGVsbG8geW91\n",
        "stringData: {k: hello you}\n",
    ] {
        let manifest = read(&"f".into(), &format!("{head}{data}"));
        assert!(manifest.problems.is_empty(), "{data}: {:?}", manifest.problems);
        let Object::Secret(secret) = &manifest.objects[0].object else { panic!("{data}") };
        let text = secret.string_data.iter().flatten().map(|(_, text)| text.as_bytes());
        let octets = secret.data.iter().flatten().map(|(_, octets)| octets.0.as_slice());
        assert_eq!(text.chain(octets).collect::<Vec<_>>(), [b"hello you"], "{data}");
    }
    // A folded block has blanks, which Go refuses, too.
    let manifest = read(&"f".into(), &format!("{head}data:\n  k: >-\n    aGVs\n    bG8g\n"));
    assert_eq!(manifest.broken.len(), 1);
}
