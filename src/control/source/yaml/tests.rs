//! Scalars, bounds and positions of YAML and JSON.

use serde_json::json;

use super::*;

fn only(text: &str) -> Result<Document, YamlError> {
    let chunk = Chunk { text, first_line: 1 };
    parse(chunk).map(|mut documents| documents.pop().expect("one document"))
}

#[track_caller]
fn value(text: &str, expected: &Value) {
    assert_eq!(&only(text).expect("valid").value, expected, "{text:?}");
}

#[track_caller]
fn error(text: &str, line: u32, kind: &YamlErrorKind) {
    let found = only(text).map(|d| d.value).expect_err("an error");
    assert_eq!((found.line, &found.kind), (line, kind), "{text:?}");
}

#[test]
fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_text() {
    value(
        "[~, null, true, False, yes, 80, -1, +7, 0x1f, 0o17, 1.5, 1e3, .5, inf, 1_000, 08]",
        &json!([
            null, null, true, false, "yes", 80, -1, 7, 31, 15, 1.5, 1000.0, 0.5, "inf", "1_000", 8
        ]),
    );
    value("['80', \"true\", !!str 80, !!int '80']", &json!(["80", "true", "80", 80]));
    value("18446744073709551615", &json!(18_446_744_073_709_551_615_u64));
    value("a: |\n  80\n", &json!({"a": "80\n"}));
    value("80: x", &json!({"80": "x"}));
}

#[test]
fn json_is_read_by_the_same_path() {
    value(
        "{\n\t\"a\": [1, 2.5, \"\\u0041\\/\"],\n\t\"b\":{\"c\":null}\n}\n",
        &json!({
            "a": [1, 2.5, "A/"], "b": {"c": null}
        }),
    );
}

#[test]
fn json_characters_beyond_16_bits_are_read_and_escaped_backslashes_left_alone() {
    value(
        r#"{"a": "\ud83d\ude00x", "b": "\\ud83d\\ude00"}"#,
        &json!({
            "a": "\u{1f600}x", "b": "\\ud83d\\ude00"
        }),
    );
    // In YAML text a backslash may be just that.
    value(r"a: '\ud83d\ude00'", &json!({"a": "\\ud83d\\ude00"}));
    assert!(only(r#"{"a": "\ud83d"}"#).is_err());
}

#[test]
fn errors_name_their_line() {
    error("a: 1\nb: 2\na: 3\n", 3, &YamlErrorKind::DuplicateKey("a".into()));
    error("[a]: 1\n", 1, &YamlErrorKind::ComplexKey);
    error("a: !secret x\n", 1, &YamlErrorKind::Tag("!secret".into()));
    error("a: &a [*a]\n", 1, &YamlErrorKind::Alias);
    error(&"[".repeat(100), 1, &YamlErrorKind::TooDeep);
    let syntax = only("a: 1\nb: [1,\n").expect_err("unclosed");
    assert!(matches!(syntax.kind, YamlErrorKind::Syntax(_)), "{syntax:?}");
    assert_eq!(syntax.line, 2);
    for (character, name) in [('\0', "U+0000"), ('\u{1b}', "U+001B"), ('\u{7f}', "U+007F")] {
        let what = format!("the control character {name}");
        error(&format!("a: 1\nb: x{character}y\nc: 2\n"), 2, &YamlErrorKind::Syntax(what));
    }
}

#[test]
fn aliases_are_expanded_within_bounds() {
    value("a: &a {x: 1}\nb: *a\n", &json!({"a": {"x": 1}, "b": {"x": 1}}));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let item = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{item}]\n"));
    }
    error(&bomb, 6, &YamlErrorKind::TooLarge);
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(100));
    error(&wide, 2, &YamlErrorKind::TooLarge);
}

/// Each value is what kubectl's reader (sigs.k8s.io/yaml 1.6) makes of the text.
#[test]
fn merge_keys_mean_what_kubectl_makes_of_them() {
    const ANCHORS: &str = "x: &x {a: 1, b: 2}\nz: &z {a: 5, c: 6}\n";
    for (fields, expected) in [
        ("{<<: *x, a: 9}", json!({"a": 9, "b": 2})),
        ("{a: 9, <<: *x}", json!({"a": 1, "b": 2})),
        ("{<<: [*x, *z], d: 9}", json!({"a": 1, "b": 2, "c": 6, "d": 9})),
        ("{<<: [*z, *x, {e: 1}]}", json!({"a": 5, "b": 2, "c": 6, "e": 1})),
        ("{<<: *x, <<: *z, d: 9}", json!({"a": 5, "b": 2, "c": 6, "d": 9})),
        ("{<<: {a: 1}, d: 9}", json!({"a": 1, "d": 9})),
        ("{<<: [{a: 1}, {a: 2, b: 3}]}", json!({"a": 1, "b": 3})),
        ("{<<: [], d: 9}", json!({"d": 9})),
        ("{<<: {<<: *x, b: 3}, c: 4}", json!({"a": 1, "b": 3, "c": 4})),
        ("{<<: {a: {p: 1, q: 2}}, a: {p: 3}}", json!({"a": {"p": 3}})),
        ("{\"<<\": {a: 1}}", json!({"<<": {"a": 1}})),
        ("{!!merge \"<<\": *x}", json!({"a": 1, "b": 2})),
        ("{!!str <<: {a: 1}}", json!({"<<": {"a": 1}})),
        ("[<<, 1]", json!(["<<", 1])),
    ] {
        let document = only(&format!("{ANCHORS}v: {fields}\n")).expect("valid");
        assert_eq!(document.value.get("v"), Some(&expected), "{fields}");
    }
    for fields in ["{<<: , d: 9}", "{<<: 5}", "{<<: [1]}", "{<<: *l}", "{<<: [*l]}", "{<<: ~}"] {
        error(&format!("l: &l [{{a: 1}}]\nv: {fields}\n"), 2, &YamlErrorKind::MergeValue);
    }
    error("v: &v {<<: *v}\n", 1, &YamlErrorKind::Alias);
    error("v: {<<: {a: 1}, a: 2, a: 3}\n", 1, &YamlErrorKind::DuplicateKey("a".into()));
}

#[test]
fn merged_fields_have_the_line_they_are_written_at() {
    let text = "x: &x\n  a: [1, 2]\n  b: 1\ny:\n  <<: *x\n  b: 2\n";
    let positions = only(text).expect("valid").positions;
    for (field, line) in [("y.a", 2), ("y.a[1]", 2), ("y.b", 6), ("x.b", 3), ("y", 4)] {
        assert_eq!(positions.line_of(field), line, "{field}");
    }
}

/// Ten times as many fields with each level, all under names of their own.
#[test]
fn merged_fields_count_like_any_others() {
    let mut bomb = String::from("a0: &a0 {x: [x, x, x, x, x, x, x, x, x, x]}\n");
    for level in 1..12 {
        let below = level - 1;
        let fields: String = (0..10).map(|n| format!("k{n}: *a{below}, ")).collect();
        bomb.push_str(&format!("a{level}: &a{level} {{<<: *a{below}, {fields}}}\n"));
    }
    assert!(matches!(only(&bomb), Err(YamlError { kind: YamlErrorKind::TooLarge, .. })));
    let wide = format!("a: &a {{b: {}}}\nc:\n{}", "x".repeat(1 << 20), "  <<: *a\n".repeat(100));
    assert!(matches!(only(&wide), Err(YamlError { kind: YamlErrorKind::TooLarge, .. })));
}

#[test]
fn positions_find_the_field_or_the_nearest_node_above_it() {
    let text = "metadata:\n  annotations:\n    a.b/c: x\n    a: y\nspec:\n  rules:\n  - host: a\n  \
                - host: b\n    http: {}\n";
    let positions = only(text).expect("valid").positions;
    for (field, line) in [
        ("", 1),
        ("metadata.annotations.a.b/c", 3),
        ("metadata.annotations.a", 4),
        ("spec.rules[0].host", 7),
        ("spec.rules[1]", 8),
        ("spec.rules[1].http.paths[3].path", 9),
        ("spec.rules[7].host", 6),
        ("status", 1),
    ] {
        assert_eq!(positions.line_of(field), line, "{field}");
    }
}

#[test]
fn manifests_are_cut_at_their_document_lines() {
    let text = "# head\n---\na: 1\n--- # second\nb: |\n  ---x\n---\n\n---\nc: 1";
    let chunks: Vec<_> = split(text).iter().map(|c| (c.first_line, c.text.len())).collect();
    assert_eq!(chunks, [(2, 9), (4, 25), (9, 8)]);
    assert_eq!(split("\u{feff}%YAML 1.2\n---\r\na: 1\r\n").len(), 1);
    assert!(split("").is_empty());
    let json = "{\"a\":\n1}\n\n{\"b\": {}} {\"c\": [\n{}\n]}\n";
    let chunks: Vec<_> = split(json).iter().map(|c| (c.first_line, c.text)).collect();
    assert_eq!(chunks, [(1, "{\"a\":\n1}"), (4, "{\"b\": {}}"), (4, "{\"c\": [\n{}\n]}")]);
    assert_eq!(split("{a: 1}\n---\n{b: 1}\n").len(), 2);
}
