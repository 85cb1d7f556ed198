//! Pages of problems: files and documents.

use super::page::Example::{Elsewhere, Manifest, Spec};
use super::page::{ERROR, ERROR_OR_NOTE, ERROR_OR_WARNING, Group, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Files and documents", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1001,
        word: "UnreadableFile",
        severities: ERROR,
        title: "A file cannot be read",
        meaning: "The system refuses it, it is no regular file, it is too large, or it is no UTF-8 \
            text. What was read of it before stays in force.",
        remedy: "See that the process may read it, and save it as UTF-8; put the objects of a \
            large file into several.",
        example: Elsewhere("A file in UTF-16, or a link that leads nowhere."),
    },
    Page {
        code: 1002,
        word: "UnreadableDirectory",
        severities: ERROR,
        title: "A folder cannot be read",
        meaning: "The system refuses it. What was read of it before stays in force.",
        remedy: "See that the process may read and enter it.",
        example: Elsewhere("A folder without the right to read it."),
    },
    Page {
        code: 1003,
        word: "LinkLoop",
        severities: WARNING,
        title: "A link leads to a folder that it stands in",
        meaning: "Following it would never end, so it is not followed.",
        remedy: "Remove the link.",
        example: Elsewhere("A link to `.` within a directory of manifests."),
    },
    Page {
        code: 1004,
        word: "TooDeep",
        severities: ERROR,
        title: "Folders lie too deep",
        meaning: "A directory of manifests is read to a bounded depth. What lies deeper has no \
            effect.",
        remedy: "Name the directory that holds the manifests, or move them up.",
        example: Elsewhere(
            "A checkout with its dependencies, given as the directory of manifests.",
        ),
    },
    Page {
        code: 1005,
        word: "TooManyFolders",
        severities: ERROR,
        title: "There are too many folders",
        meaning: "A bounded number of folders is read. The others have no effect.",
        remedy: "Name the directory that holds the manifests.",
        example: Elsewhere("The root of a file system, given as the directory of manifests."),
    },
    Page {
        code: 1006,
        word: "TooManyFiles",
        severities: ERROR,
        title: "There are too many files",
        meaning: "A bounded number of files is read. The others have no effect.",
        remedy: "Put several objects into one file.",
        example: Elsewhere("A directory with a file for each of a hundred thousand objects."),
    },
    Page {
        code: 1007,
        word: "NotWatched",
        severities: WARNING,
        title: "Changes of a directory cannot be seen as they happen",
        meaning: "The system has no watches left, or the file system tells nothing. The directory \
            is read every few seconds instead.",
        remedy: "Raise fs.inotify.max_user_watches or max_user_instances; on a network file system \
            there is nothing to do.",
        example: Elsewhere("`serve --manifests` on a machine without free watches."),
    },
    Page {
        code: 1008,
        word: "Skipped",
        severities: ERROR_OR_NOTE,
        title: "A file is no manifest",
        meaning: "It holds values or descriptions of a Helm chart, inputs of kustomize, a template \
            that nobody rendered, or no object at all. Nothing of it is read. It is an error where \
            objects of the file were in force before.",
        remedy: "Render templates first (`helm template`, `kustomize build`).",
        example: Manifest(
            r"replicas: 2
image: shop
",
        ),
    },
    Page {
        code: 1009,
        word: "InvalidYaml",
        severities: ERROR,
        title: "A document is no YAML",
        meaning: "The text cannot be parsed. Only this document is left out; the others of the \
            file are read.",
        remedy: "Correct it at the line that is named; mostly it is the indentation, or a text \
            that needs quotes.",
        example: Manifest(
            r"apiVersion: v1
kind: Service
metadata: {name: web
",
        ),
    },
    Page {
        code: 1010,
        word: "NotAnObject",
        severities: ERROR,
        title: "A document is no object",
        meaning: "Each document has to be one object with apiVersion and kind. It is left out.",
        remedy: "Add both fields.",
        example: Manifest(
            r"apiVersion: v1
kind: Service
metadata: {name: web}
---
- one
- two
",
        ),
    },
    Page {
        code: 1011,
        word: "UnknownKind",
        severities: ERROR,
        title: "There is no such kind",
        meaning: "The kind, or its version, is nearly one that is read here; an API server would \
            refuse the object.",
        remedy: "Correct kind or apiVersion.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: Ingres
metadata: {name: shop}
",
        ),
    },
    Page {
        code: 1012,
        word: "OldVersion",
        severities: ERROR,
        title: "A version of a kind is gone from Kubernetes",
        meaning: "API servers do not take it any more, and it is not read.",
        remedy: "Write the present version and its fields.",
        example: Manifest(
            r"apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: shop}
",
        ),
    },
    Page {
        code: 1013,
        word: "OldFields",
        severities: ERROR,
        title: "A field is one of an older version",
        meaning: "The object has the present version and fields that only an older one had.",
        remedy: "Write the fields of the present version.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  backend: {serviceName: web, servicePort: 80}
",
        ),
    },
    Page {
        code: 1014,
        word: "UnknownField",
        severities: WARNING,
        title: "A field does not exist",
        meaning: "It has no effect. An API server drops it without a word, or refuses the object, \
            by how it is asked.",
        remedy: "Look for a slip in its name or its indentation.",
        example: Spec(
            r"ingressClassName: ringway
defaultBackends: {}
defaultBackend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1015,
        word: "InvalidField",
        severities: ERROR,
        title: "A value is of the wrong type",
        meaning: "A text stands where a number is wanted, a mapping where a list is, or the like. \
            The object is left out.",
        remedy: "Write what the message asks for.",
        example: Spec(
            r"ingressClassName: ringway
rules: none
",
        ),
    },
    Page {
        code: 1016,
        word: "InvalidBase64",
        severities: ERROR,
        title: "A value of a Secret is not base64",
        meaning: "Values below data are base64. The Secret is left out.",
        remedy: "Encode it (`base64 -w0 FILE`), or write it as it is below stringData.",
        example: Manifest(
            r#"apiVersion: v1
kind: Secret
metadata: {name: cert}
data: {tls.crt: "-----BEGIN"}
"#,
        ),
    },
    Page {
        code: 1017,
        word: "MissingName",
        severities: ERROR,
        title: "An object has no name",
        meaning: "An object is known by kind, namespace and name. A generateName is for API \
            servers alone.",
        remedy: "Write metadata.name.",
        example: Manifest(
            r"apiVersion: v1
kind: Service
metadata: {generateName: web-}
",
        ),
    },
    Page {
        code: 1018,
        word: "InvalidName",
        severities: ERROR,
        title: "A name is not possible",
        meaning: "Names are lower-case letters, digits, `-` and `.`; those of namespaces and \
            Services have no `.`.",
        remedy: "Correct it; a name of digits alone needs quotes.",
        example: Manifest(
            r"apiVersion: v1
kind: Service
metadata: {name: My_Shop}
",
        ),
    },
    Page {
        code: 1019,
        word: "Placeholder",
        severities: ERROR,
        title: "A placeholder was not filled in",
        meaning: "A template left something open in the spec of an Ingress. The object is left \
            out.",
        remedy: "Fill it in.",
        example: Spec(
            r#"ingressClassName: ringway
defaultBackend: {service: {name: "${SERVICE}", port: {number: 80}}}
"#,
        ),
    },
    Page {
        code: 1020,
        word: "Encrypted",
        severities: ERROR,
        title: "A Secret is encrypted",
        meaning: "Its values were encrypted by SOPS, Ansible Vault or kubeseal, and only their \
            tools read them.",
        remedy: "Decrypt it first, or write the object that the tool reads (kind: SealedSecret).",
        example: Manifest(
            r#"apiVersion: v1
kind: Secret
metadata: {name: cert}
stringData: {tls.key: "$ANSIBLE_VAULT;1.1;AES256"}
"#,
        ),
    },
    Page {
        code: 1021,
        word: "DuplicateObject",
        severities: ERROR,
        title: "An object stands twice",
        meaning: "There is another object of the same kind, namespace and name. The first one, by \
            the names of files and within a file, counts.",
        remedy: "Remove or rename one of the two.",
        example: Manifest(
            r"apiVersion: v1
kind: Service
metadata: {name: front}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {ports: [{port: 81}]}
",
        ),
    },
    Page {
        code: 1022,
        word: "MoreProblems",
        severities: ERROR_OR_WARNING,
        title: "There are more problems than are listed",
        meaning: "Of one object, or one file, a bounded number is listed.",
        remedy: "Correct the listed ones first.",
        example: Elsewhere("An Ingress with a mistake in each of a thousand paths."),
    },
];
