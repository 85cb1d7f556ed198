//! The description of the API against its answers: as much of JSON Schema as the description uses.
//! What it does not know of is an error, so that the description cannot outgrow it.

use serde_json::Value;

use crate::harness::Proxy;

/// `openapi.json` as the process tells it.
pub(super) struct Description(Value);

impl Description {
    #[track_caller]
    pub(super) fn of(proxy: &Proxy) -> Self {
        Self(proxy.admin_get("/api/v1/openapi.json").json())
    }

    /// Paths that it describes.
    pub(super) fn paths(&self) -> Vec<&str> {
        let paths = self.0["paths"].as_object().expect("paths");
        paths.keys().map(String::as_str).collect()
    }

    /// Every difference between an answer of `path` and what is said of it.
    #[track_caller]
    pub(super) fn check(&self, path: &str, answer: &Value) {
        let content = &self.0["paths"][path]["get"]["responses"]["200"]["content"];
        let schema = &content["application/json"]["schema"];
        assert!(schema.is_object(), "{path} is not described");
        let mut wrong = Vec::new();
        self.compare(schema, answer, path, &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// An event of `/api/v1/events`.
    #[track_caller]
    pub(super) fn check_event(&self, event: &Value) {
        let mut wrong = Vec::new();
        self.compare(&self.0["components"]["schemas"]["Overview"], event, "event", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let schema = self.0.pointer(reference.trim_start_matches('#')).expect("a schema");
            return self.compare(schema, value, at, wrong);
        }
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            kinds => kinds.as_array().expect("a type").iter().filter_map(Value::as_str).collect(),
        };
        let is_of = |kind: &&str| match *kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            other => panic!("{at}: the type {other}"),
        };
        if !kinds.iter().any(is_of) {
            wrong.push(format!("{at}: {value} is none of {kinds:?}"));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            wrong.push(format!("{at}: {value} is none of {words:?}"));
        }
        for (index, element) in value.as_array().into_iter().flatten().enumerate() {
            self.compare(&schema["items"], element, &format!("{at}[{index}]"), wrong);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            if value.get(name).is_none() {
                wrong.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, field) in value.as_object().into_iter().flatten() {
            let own = &schema["properties"][name];
            let schema = if own.is_null() { &schema["additionalProperties"] } else { own };
            match schema {
                Value::Object(_) => self.compare(schema, field, &format!("{at}.{name}"), wrong),
                // A schema without properties says nothing of them.
                Value::Null => {}
                _ => wrong.push(format!("{at}.{name} is not described")),
            }
        }
    }
}
