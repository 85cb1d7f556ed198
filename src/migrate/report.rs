//! What a migration comes to, as plain data. Its JSON is interface: fields are only added.

use serde::Serialize;

/// What becomes of an object. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does the same.
    Works,
    /// It works, and something that ordinary requests meet differs.
    Differs,
    /// It works once something is written another way.
    NeedsChange,
    /// There is no way to have here what it asks for.
    CannotWork,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::CannotWork, Self::NeedsChange, Self::Differs, Self::Works];

    /// As headings have it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Works => "works as it is",
            Self::Differs => "works with a named difference",
            Self::NeedsChange => "needs a change",
            Self::CannotWork => "cannot work",
        }
    }
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Whose place Ringway takes; `None`: no workload was found that runs ingress-nginx.
    pub controller: Option<String>,
    /// Its class.
    pub ingress_class: String,
    /// `spec.controller` of its IngressClasses.
    pub controller_class: String,
    /// How many Ingresses come to what, and in percent.
    pub totals: Vec<Total>,
    /// What was judged, the worst first.
    pub objects: Vec<Judged>,
    /// Ingresses of other classes, which were not judged.
    pub other_classes: usize,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// What an access log came to; `None`: none was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Replayed>,
}

/// Ingresses that come to the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// What they come to.
    pub verdict: Verdict,
    /// How many.
    pub ingresses: usize,
    /// Of all that were judged.
    pub percent: f64,
}

/// One object.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`; empty: it is in none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// File and line.
    pub place: Option<String>,
    /// The worst of its findings.
    pub verdict: Verdict,
    /// What there is to say of it, the worst first.
    pub findings: Vec<Finding>,
    /// What is to be written another way: a merge patch of the object, in YAML.
    pub change: Option<String>,
}

/// One thing about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What the object would come to if this were all.
    pub verdict: Verdict,
    /// Field of the object, or what it is about.
    pub subject: String,
    /// What there is to know, in sentences.
    pub text: String,
    /// Of a difference: what ingress-nginx does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub there: Option<String>,
    /// And what Ringway does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<String>,
    /// How much of it people are shown.
    #[serde(skip)]
    pub shown: Shown,
}

/// How much of a finding people are shown; programs get all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A line of its own.
    Whole,
    /// Its subject, among others of its kind.
    Briefly,
}

/// What a log came to. Its JSON is interface: fields are only added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Lines of it.
    pub lines: u64,
    /// Requests that both were asked about.
    pub compared: u64,
    /// Lines of another form, which stand for nothing.
    pub unreadable: u64,
    /// Requests of which nobody can say to which host they were: the log does not say it, and no
    /// host has a location that leads where the request went.
    pub without_host: u64,
    /// Requests that went elsewhere than these objects lead: they were others then.
    pub elsewhere: u64,
    /// Requests whose location takes an expression that the model cannot try.
    pub unknown: u64,
    /// Each once for a host and a shape of paths, the most frequent first.
    pub differences: Vec<Differing>,
    /// Requests with further ones, which are not listed.
    pub not_listed: u64,
}

/// Requests that go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The host.
    pub host: String,
    /// The path, with `{n}` and `{id}` for what differs from request to request.
    pub path: String,
    /// How many.
    pub requests: u64,
    /// What ingress-nginx does.
    pub there: String,
    /// What Ringway does.
    pub here: String,
}

impl Finding {
    /// One without two sides.
    #[must_use]
    pub fn new(verdict: Verdict, subject: impl Into<String>, text: impl Into<String>) -> Self {
        let (subject, text) = (subject.into(), text.into());
        Self { verdict, subject, text, there: None, here: None, shown: Shown::Whole }
    }
}

impl Judged {
    /// An object of which nothing is said yet.
    #[must_use]
    pub fn new(
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            place: None,
            verdict: Verdict::Works,
            findings: Vec::new(),
            change: None,
        }
    }

    /// With what there is to say of it.
    #[must_use]
    pub fn with(mut self, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        self.verdict = findings.first().map_or(Verdict::Works, |finding| finding.verdict);
        self.findings = findings;
        self
    }

    /// `Kind namespace/name`.
    #[must_use]
    pub fn title(&self) -> String {
        match &*self.namespace {
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }
}

impl Report {
    /// The report as JSON.
    ///
    /// # Errors
    /// None that its types can have.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// How many Ingresses come to what. Percentages are of all that were judged, and 0 of none.
    #[must_use]
    pub fn totals_of(objects: &[Judged]) -> Vec<Total> {
        let ingresses = || objects.iter().filter(|object| object.kind == "Ingress");
        let all = ingresses().count();
        let total = |verdict| {
            let number = ingresses().filter(|object| object.verdict == verdict).count();
            // Tenths, in whole numbers: no sum is 100.1 because of how a fraction is written.
            let tenths = number.saturating_mul(1000).checked_div(all).unwrap_or_default();
            let percent = f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0;
            Total { verdict, ingresses: number, percent }
        };
        Verdict::ALL.into_iter().map(total).collect()
    }
}
