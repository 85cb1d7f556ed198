//! Text to objects, and the line of every problem.

use proptest::prelude::*;

use super::*;
use crate::control::source::Object;

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
        &["f.yaml:5: error: Service default/a: spec.ports[0].port: the text \"x\" stands where \
           a whole number is wanted. Correct it."],
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
                 [7]\n        \
                backend: {}\n";
    check(
        text,
        &[],
        &["f.yaml:11: error: Ingress default/a: spec.rules[0].http.paths[0].path: a list stands \
           where a text is wanted. Correct it."],
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
    for (metadata, expected) in [
        (
            "metadata: {name: \"${NAME}\"}\n",
            "f.yaml:3: error: Service: metadata.name: the placeholder ${NAME} was not filled in. \
             Fill it in first (helm template, kustomize build, envsubst).",
        ),
        (
            "metadata: {name: 7}\n",
            "f.yaml:3: error: Service: metadata.name: the name is no text. Put it in quotes.",
        ),
        (
            "metadata: {generateName: a-}\n",
            "f.yaml:3: error: Service: metadata.generateName: the object has a generateName, which \
             only an API server can use. Write metadata.name.",
        ),
    ] {
        check(&format!("{head}{metadata}"), &[], &[expected]);
    }
}

#[test]
fn a_document_that_does_not_say_what_it_is_is_an_error_beside_objects() {
    let not_an_object = "error: a document must be one object with apiVersion and kind.";
    for (text, advice) in [
        ("metadata: {name: a}\n", "Add both fields."),
        ("kind: Service\n", "Add apiVersion."),
        ("apiVersion: v1\nmetadata: {name: a}\n", "Add kind."),
        ("apiversion: v1\nkind: Service\n", "Write apiVersion in place of apiversion."),
        ("apiVersion: v1\nKind: Service\n", "Write kind in place of Kind."),
        ("apiVersion: 1\nkind: Service\n", "Write a text as its apiVersion."),
        (
            "- {apiVersion: v1, kind: Service}\n",
            "Write kind: List and apiVersion: v1, and the objects below items.",
        ),
    ] {
        check(text, &[], &[&format!("f.yaml:1: {not_an_object} {advice}")]);
    }
    for (kind, items) in [("List", "x"), ("List", "{a: 1}"), ("ServiceList", "x")] {
        let told = "items: no list stands there. Begin each object with \"- \", below items.";
        check(
            &format!("apiVersion: v1\nkind: {kind}\nitems: {items}\n"),
            &[],
            &[&format!("f.yaml:3: error: {kind}: {told}")],
        );
    }
    check("apiVersion: v1\nkind: List\nitems:\n", &[], &[]);
    check("apiVersion: example.com/v1\nkind: AllowList\nitems: x\n", &[], &[]);
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
    check(
        &format!("{service}---\na: 1\n"),
        &["Service default/a"],
        &[&format!("f.yaml:5: {not_an_object} Add both fields.")],
    );
}

#[test]
fn files_for_other_programs_are_skipped_with_a_note() {
    let other = "skipped: no manifest, as it has neither apiVersion nor kind";
    for (text, expected) in [
        ("# a\na: 1\n", format!("f.yaml:2: note: {other}.")),
        ("{\"name\": \"a\", \"scripts\": {}}", format!("f.yaml:1: note: {other}.")),
        (
            "a: !reference [x]\n",
            format!("f.yaml:1: note: {other} (line 1: the tag \"!reference\" is not supported)."),
        ),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
            "f.yaml:1: note: skipped: input of kustomize, no manifest. Check what it makes \
             (kustomize build DIR | ringway check -)."
                .into(),
        ),
        (
            "kind: Ingress\n---\nkind: Service\nname: {{ .x }}\n",
            "f.yaml:4: note: skipped: a template, which has to be rendered first (line 4: a field \
             name must be text). Check what it makes (helm template CHART | ringway check -)."
                .into(),
        ),
    ] {
        check(text, &[], &[&expected]);
        assert!(read_text(text).has_unreadable, "what was read of it before stays");
    }
    for text in ["", "\n", "# only a comment\n", "---\n---\n# a\n", "null\n", "~\n---\n"] {
        check(text, &[], &[]);
    }
}

#[test]
fn text_of_all_platforms_is_read() {
    for text in [
        "\u{feff}apiVersion: v1\r\nkind: Service\r\nmetadata: {name: a}\r\n",
        "--- # first\r\napiVersion: v1\nkind: Service\nmetadata:\t{name: a}\n...\n---\n",
        "%YAML 1.2\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
        "\u{feff}{\t\"apiVersion\":\"v1\",\r\n\t\"kind\":\"Service\",\n\"metadata\":\
         {\"name\":\"a\"}}",
    ] {
        check(text, &["Service default/a"], &[]);
    }
    let long = "x".repeat(1 << 20);
    let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {long}}}\n");
    let told = read_text(&text).problems.iter().map(|p| p.to_string().len()).max();
    assert!(told.is_some_and(|length| length < 300), "{told:?}");
}

fn backend(text: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\nspec:\n  \
             rules:\n  - http:\n      paths:\n      - backend: {text}\n"
    )
}

fn annotation(text: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  \
             annotations: {text}\n"
    )
}

fn service(text: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {text}\n")
}

/// What is told of the only problem.
#[track_caller]
fn told(text: &str, expected: &str) {
    let manifest = read_text(text);
    let found: Vec<_> =
        manifest.problems.iter().map(|p| format!("{} {}", p.message, p.advice)).collect();
    assert_eq!(found, [expected], "{text}");
}

#[test]
fn types_of_backends_are_told_in_words_of_yaml() {
    for (text, expected) in [
        (
            backend("{service: {name: s, port: 80}}"),
            "the number 80 stands where a mapping (fields with values) is wanted. Write port: \
             {number: 80}.",
        ),
        (
            backend("{service: {name: s, port: http}}"),
            "the text \"http\" stands where a mapping (fields with values) is wanted. Write port: \
             {name: http}.",
        ),
        (
            backend("{service: {name: s, port: {number: \"80\"}}}"),
            "the text \"80\" stands where a whole number is wanted. Write it without quotes: 80.",
        ),
        (
            backend("{service: {name: s, port: {number: http}}}"),
            "the text \"http\" stands where a whole number is wanted. Write name: http instead, or \
             the number of the port.",
        ),
        (
            backend("{service: {name: s, port: {number: 80.5}}}"),
            "the number 80.5 stands where a whole number is wanted. Write a number without a \
             fraction, below 2147483648.",
        ),
        (
            backend("{service: {name: s, port: {number: 99999999999}}}"),
            "the number 99999999999 stands where a whole number is wanted. Write a number without \
             a fraction, below 2147483648.",
        ),
        (
            backend("{service: s}"),
            "the text \"s\" stands where a mapping (fields with values) is wanted. Write service: \
             {name: s, port: {number: 80}}.",
        ),
        (
            backend("[s]"),
            "a list stands where a mapping (fields with values) is wanted. Remove the \"- \" \
             of its elements.",
        ),
    ] {
        told(&text, expected);
    }
}

#[test]
fn what_lacks_its_quotes_is_the_text_that_is_written() {
    for (written, text) in [
        ("8080", "8080"),
        ("True", "True"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1e3", "1e3"),
        ("+1.50", "+1.50"),
        ("1_000", "1_000"),
        ("yes", "yes"),
    ] {
        let manifest = read_text(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a.b: {written}\n  \
             c: {written}\n"
        ));
        let data: Vec<_> = match &manifest.objects[..] {
            [SourceObject { object: Object::ConfigMap(map), .. }] => {
                map.data.iter().flatten().map(|(key, value)| (&**key, &**value)).collect()
            }
            other => panic!("{written}: {other:?}"),
        };
        assert_eq!(data, [("a.b", text), ("c", text)], "{written}");
        let lines = manifest.problems.iter().filter_map(|p| p.position.as_ref()).map(|p| p.line);
        let lines: Vec<_> = lines.collect();
        let is_text = matches!(written, "1_000" | "yes");
        assert_eq!(lines, if is_text { vec![] } else { vec![5, 6] }, "{written}");
        assert!(manifest.broken.is_empty());
    }
}

#[test]
fn types_are_told_in_words_of_yaml() {
    for (text, expected) in [
        (
            annotation("{x: 60}"),
            "the number 60 stands where a text is wanted; it is read as \"60\", and an API server \
             refuses it. Put it in quotes: \"60\".",
        ),
        (
            annotation("{x: false}"),
            "false stands where a text is wanted; it is read as \"false\", and an API server \
             refuses it. Put it in quotes: \"false\".",
        ),
        (annotation("{x: [a]}"), "a list stands where a text is wanted. Correct it."),
        (
            service("{ports: {port: 80}}"),
            "a mapping stands where a list is wanted. Begin each element with \"- \", below the \
             name of the field.",
        ),
        (
            service("{ports: [{port: \"${PORT}\"}]}"),
            "the placeholder ${PORT} was not filled in. Fill it in first (helm template, kustomize \
             build, envsubst).",
        ),
        (
            service("{publishNotReadyAddresses: \"true\"}"),
            "the text \"true\" stands where true or false is wanted. Write it without quotes: \
             true.",
        ),
    ] {
        told(&text, expected);
    }
}

#[test]
fn no_type_of_ours_is_told_whatever_the_value() {
    // No name of ours, whatever the value.
    for value in ["7", "x", "true", "null", "[1]", "{a: 1}", "1.5", "\"7\""] {
        for text in [
            backend(value),
            backend(&format!("{{service: {value}}}")),
            backend(&format!("{{service: {{port: {value}}}}}")),
            backend(&format!("{{service: {{port: {{name: {value}, number: {value}}}}}}}")),
            annotation(value),
            annotation(&format!("{{x: {value}}}")),
            service(value),
            service(&format!("{{ports: {value}}}")),
            service(&format!("{{ports: [{{targetPort: {value}}}], selector: {value}}}")),
        ] {
            for problem in &read_text(&text).problems {
                let told = problem.to_string();
                let is_ours = ["invalid type", "i32", "struct", "IntOrString", "expected", "Spec "];
                assert!(!is_ours.iter().any(|word| told.contains(word)), "{told}");
            }
        }
    }
}

#[test]
fn values_of_secrets_stay_out_of_messages() {
    let secret =
        |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{data}\n");
    let base64 = "Encode it (base64 -w0 FILE), or write it as it is below stringData.";
    for (data, expected) in [
        ("data: {k: \"hun ter2!\"}", format!("data.k: the value is not base64. {base64}")),
        (
            "data: {k: \"${CRT}\"}",
            "data.k: the placeholder ${CRT} was not filled in. Fill it in first (helm template, \
             kustomize build, envsubst)."
                .into(),
        ),
        ("data: {k: \"hunter2${x}\"}", format!("data.k: the value is not base64. {base64}")),
        (
            "data: {k: 12345}",
            "data.k: a value without quotes stands where a text in base64 is wanted. Put it in \
             quotes."
                .into(),
        ),
        (
            "stringData: {k: 12345}",
            "stringData.k: a value without quotes stands where a text is wanted; it is read as \
             text, and an API server refuses it. Put it in quotes."
                .into(),
        ),
        (
            "data: {k: \"ENC[AES256_GCM,data:x,type:str]\"}\nsops: {mac: m}",
            "data.k: its values are encrypted by SOPS. Decrypt it first (sops --decrypt FILE | \
             ringway check -)."
                .into(),
        ),
    ] {
        let line = 4;
        let expected = format!("f.yaml:{line}: error: Secret default/a: {expected}");
        let is_read = data.starts_with("stringData");
        let objects: &[&str] = if is_read { &["Secret default/a"] } else { &[] };
        check(&secret(data), objects, &[&expected]);
    }
    let encrypted = read_text(&secret("stringData: {k: \"ENC[AES256_GCM,data:x]\"}"));
    assert_eq!(encrypted.promised.len(), 1, "nobody has to miss it besides");
}

#[test]
fn what_a_template_left_open_is_one_error() {
    let ingress = |host: &str, path: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\nspec:\n  \
             tls:\n  - secretName: s\n    hosts:\n    - \"{host}\"\n  rules:\n  - \
             host: \"{host}\"\n    \
             http: {{paths: [{{path: \"{path}\", pathType: Prefix, backend: {{service: {{name: s, \
             port: {{number: 80}}}}}}}}]}}\n"
        )
    };
    let told = |field: &str, line: u32, placeholder: &str, others: &str| {
        format!(
            "f.yaml:{line}: error: Ingress default/a: {field}: the placeholder {placeholder} was \
             not filled in.{others} Fill it in first (helm template, kustomize build, envsubst)."
        )
    };
    let host = "spec.rules[0].host";
    for placeholder in ["${X}", "<x>", "{{ .Values.host }}", "$(X)"] {
        let expected = told(host, 10, placeholder, " Another field holds one, too.");
        check(&ingress(&format!("app.{placeholder}"), "/"), &[], &[&expected]);
    }
    let expected = told("spec.rules[0].http.paths[0].path", 11, "${P}", "");
    check(&ingress("a.example", "/${P}"), &[], &[&expected]);
    check(&ingress("a.example", "/x(/|$)(.*)"), &["Ingress default/a"], &[]);
}

#[test]
fn old_fields_are_one_error_that_names_the_cause() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  \
                backend: {serviceName: s, servicePort: 80}\n  rules:\n  - http:\n      \
                paths:\n      \
                - path: /\n        backend: {serviceName: s, servicePort: 80}\n";
    let manifest = read_text(text);
    assert_eq!(manifest.problems.len(), 1, "{:?}", manifest.problems);
    let told = manifest.problems[0].to_string();
    assert!(told.starts_with("f.yaml:5: error: Ingress default/a: spec.backend: "), "{told}");
    assert!(
        told.contains("networking.k8s.io/v1beta1") && told.contains("{number: PORT}"),
        "{told}"
    );
    assert_eq!(manifest.broken.len(), 1);
}

#[test]
fn other_kinds_are_passed_over_and_old_versions_are_not() {
    check("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", &[], &[]);
    check(
        "kind: Ingress\napiVersion: extensions/v1beta1\nmetadata: {name: a}\n",
        &[],
        &["f.yaml:2: error: Ingress default/a: apiVersion: Ingress of extensions/v1beta1 is gone \
           from Kubernetes and not read. Write apiVersion: networking.k8s.io/v1: each path needs a \
           pathType, and backend: {service: {name: NAME, port: {number: PORT}}} takes the place of \
           serviceName and servicePort."],
    );
    check(
        "kind: ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: a}\n",
        &[],
        &["f.yaml:1: error: Ingress default/a: kind: there is no kind ingress of \
           networking.k8s.io/v1. Write kind: Ingress and apiVersion: networking.k8s.io/v1, if that \
           is meant."],
    );
}

#[test]
fn problems_of_one_file_are_bounded() {
    let manifest = read_text(&"---\nkind: [\n".repeat(PROBLEMS_PER_FILE_MAX + 7));
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

#[test]
fn a_kind_of_an_extension_is_stored() {
    let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: UDPRoute\n\
                metadata: {name: edge, generation: 7}\nspec: {rules: [], colour: red}\n\
                status: {parents: []}\n";
    let Manifest { objects, problems, .. } = read(&"f.yaml".into(), text);
    assert_eq!(objects[0].reference.to_string(), "UDPRoute default/edge");
    assert_eq!(objects[0].object.metadata().generation, Some(7));
    let told: Vec<_> = problems.iter().map(|p| (p.severity, p.reason.word(), &*p.field)).collect();
    assert_eq!(told, [(Severity::Warning, "UnknownField", "spec.colour")]);
    // An API server would not take it.
    let Manifest { objects, broken, .. } =
        read(&"f.yaml".into(), &text.replace("rules: []", "rules: x"));
    assert_eq!((objects.len(), broken.len()), (0, 1));
}
