//! What scripts of other origins may ask for, as browsers are told.
//!
//! Source: the Fetch standard, CORS protocol; ingress-nginx, and `HTTPCORSFilter` of the Gateway
//! API, whose fields and origins these are.

use super::answer_fields::{ALLOW_ORIGIN, CorsAnswer};
use super::fields::{FieldEditError, FieldEdits};
use super::origin::OriginPattern;

/// The CORS policy of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cors {
    /// Every answer has these fields, all `set`, whether or not a script asked.
    Any(FieldEdits),
    /// Requests of these origins are told it, others nothing.
    Listed {
        /// Who may ask.
        origins: Box<[OriginPattern]>,
        /// All `set`; never `Access-Control-Allow-Origin`, which names the origin.
        fields: FieldEdits,
    },
    /// Browsers that ask are told it, and nobody what a backend says of it.
    Route(Box<RouteCors>),
}

/// What CORS looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CorsRequest<'a> {
    /// Value of `Origin`; `None`: there is none, or there are several.
    pub origin: Option<&'a [u8]>,
    /// Value of `Access-Control-Request-Method`, where the method is OPTIONS.
    pub method: Option<&'a [u8]>,
    /// Value of `Access-Control-Request-Headers`.
    pub headers: Option<&'a [u8]>,
}

/// CORS as the Gateway API has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteCors {
    origins: Origins,
    credentials: Credentials,
    /// On the answer to a preflight.
    preflight: FieldEdits,
    /// On that to the request itself.
    request: FieldEdits,
    /// On answers to others.
    withheld: FieldEdits,
    /// Fields of a preflight that are repeated in the answer.
    repeats_method: bool,
    repeats_headers: bool,
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origins {
    /// Everybody.
    All,
    /// These.
    Listed(Box<[OriginPattern]>),
}

/// Whether scripts may send cookies and passwords along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// They may.
    Allowed,
    /// They may not.
    Omitted,
}

/// What [`RouteCors`] is made of; `*` alone in a list is everything.
#[derive(Debug, Clone)]
pub struct CorsTerms<'a> {
    /// Who may ask.
    pub origins: Origins,
    /// Whether as somebody.
    pub credentials: Credentials,
    /// By which methods.
    pub methods: &'a [String],
    /// With which fields.
    pub headers: &'a [String],
    /// Fields of responses that they may read.
    pub exposed: &'a [String],
    /// Seconds that browsers remember it.
    pub max_age: u32,
}

const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_HEADERS: &str = "Access-Control-Allow-Headers";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";
const NAMES: [&str; 6] =
    [ALLOW_ORIGIN, ALLOW_METHODS, ALLOW_HEADERS, ALLOW_CREDENTIALS, EXPOSE_HEADERS, MAX_AGE];

impl Cors {
    /// What a request is told, where answers depend on it.
    #[must_use]
    pub fn answer<'a>(&'a self, request: &CorsRequest<'a>) -> CorsAnswer<'a> {
        match self {
            Self::Any(_) => CorsAnswer::Nothing,
            Self::Listed { origins, fields } => match request.origin {
                Some(origin) if origins.iter().any(|pattern| pattern.matches(origin)) => {
                    CorsAnswer::Allowed { origin, fields }
                }
                _ => CorsAnswer::Refused { fields: FieldEdits::NONE },
            },
            Self::Route(route) => route.answer(request),
        }
    }

    /// Whether a request with the method OPTIONS that is told `answer` goes to no backend.
    #[must_use]
    pub fn is_preflight(&self, request: &CorsRequest<'_>, answer: CorsAnswer<'_>) -> bool {
        match self {
            Self::Any(_) => true,
            Self::Listed { .. } => matches!(answer, CorsAnswer::Allowed { .. }),
            Self::Route(_) => request.origin.is_some() && request.method.is_some(),
        }
    }
}

impl RouteCors {
    /// What `terms` come to.
    ///
    /// # Errors
    /// A name is none. The object's author is at fault.
    pub fn new(terms: &CorsTerms<'_>) -> Result<Self, FieldEditError> {
        let is_any = |list: &[String]| matches!(list, [star] if star == "*");
        let with_credentials = terms.credentials == Credentials::Allowed;
        let repeats = |list: &[String]| with_credentials && is_any(list);
        let joined =
            |list: &[String]| (!list.is_empty() && !repeats(list)).then(|| list.join(", "));
        let (methods, headers) = (joined(terms.methods), joined(terms.headers));
        let (exposed, max_age) = (joined(terms.exposed), terms.max_age.to_string());
        let of_both = [
            with_credentials.then_some((ALLOW_CREDENTIALS, "true")),
            exposed.as_deref().map(|names| (EXPOSE_HEADERS, names)),
        ];
        let of_preflight = [
            methods.as_deref().map(|names| (ALLOW_METHODS, names)),
            headers.as_deref().map(|names| (ALLOW_HEADERS, names)),
            Some((MAX_AGE, &*max_age)),
        ];
        let edits = |set: &[Option<(&str, &str)>]| {
            let set = || set.iter().copied().flatten();
            let others = NAMES.into_iter().filter(|name| !set().any(|(own, _)| own == *name));
            FieldEdits::new(set(), [], others)
        };
        Ok(Self {
            origins: terms.origins.clone(),
            credentials: terms.credentials,
            preflight: edits(&[&of_both[..], &of_preflight].concat())?,
            request: edits(&of_both)?,
            withheld: edits(&[])?,
            repeats_method: repeats(terms.methods),
            repeats_headers: repeats(terms.headers),
        })
    }

    fn answer<'a>(&'a self, request: &CorsRequest<'a>) -> CorsAnswer<'a> {
        let fields = if request.method.is_some() { &self.preflight } else { &self.request };
        match (&self.origins, self.credentials, request.origin) {
            (Origins::All, Credentials::Omitted, Some(_)) => {
                CorsAnswer::Allowed { origin: b"*", fields }
            }
            (Origins::All, Credentials::Allowed, Some(origin)) => {
                CorsAnswer::Allowed { origin, fields }
            }
            (Origins::Listed(origins), _, Some(origin))
                if origins.iter().any(|pattern| pattern.matches(origin)) =>
            {
                CorsAnswer::Allowed { origin, fields }
            }
            _ => CorsAnswer::Refused { fields: &self.withheld },
        }
    }

    /// Further lines of the answer to a preflight that is allowed.
    pub fn repeated<'a>(
        &self,
        request: &CorsRequest<'a>,
    ) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        let method = request.method.filter(|_| self.repeats_method);
        let headers = request.headers.filter(|_| self.repeats_headers);
        let lines = [(ALLOW_METHODS, method), (ALLOW_HEADERS, headers)];
        lines.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(patterns: &[&str]) -> Cors {
        let patterns = patterns.iter().map(|text| OriginPattern::parse(text).expect("an origin"));
        Cors::Listed { origins: patterns.collect(), fields: FieldEdits::default() }
    }

    fn of_origin(origin: Option<&[u8]>) -> CorsRequest<'_> {
        CorsRequest { origin, ..CorsRequest::default() }
    }

    #[test]
    fn a_request_has_one_origin() {
        let cors = listed(&["https://a"]);
        let one = of_origin(Some(b"https://a"));
        assert!(matches!(cors.answer(&one), CorsAnswer::Allowed { .. }));
        let refused = CorsAnswer::Refused { fields: FieldEdits::NONE };
        assert_eq!(cors.answer(&of_origin(None)), refused);
        assert_eq!(listed(&[]).answer(&one), refused);
        assert_eq!(Cors::Any(FieldEdits::default()).answer(&one), CorsAnswer::Nothing);
    }

    /// What a request is told: origin, fields, what is repeated; `-`: nothing.
    #[track_caller]
    fn check(cors: &RouteCors, request: &CorsRequest<'_>, expected: &str) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let cors = Cors::Route(Box::new(cors.clone()));
        let (answer, fields) = match cors.answer(request) {
            CorsAnswer::Allowed { origin, fields } => (text(origin), fields),
            CorsAnswer::Refused { fields } => ("-".to_owned(), fields),
            CorsAnswer::Nothing => panic!("an answer"),
        };
        for name in NAMES {
            assert!(fields.is_dropped(name.as_bytes()), "{name} of a backend");
        }
        let Cors::Route(route) = &cors else { panic!("that of a route") };
        let short = |name: &str| name.to_lowercase().replace("access-control-", "");
        let said = fields.appended().map(|(name, value)| format!("{}={value}", short(name)));
        let repeated =
            route.repeated(request).map(|(name, value)| format!("{}={}", short(name), text(value)));
        let all: Vec<String> = [answer].into_iter().chain(said).chain(repeated).collect();
        assert_eq!(all.join(" "), expected, "{request:?}");
    }

    #[test]
    fn routes_tell_preflights_and_requests_what_each_needs() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (star, methods, headers) = (list(&["*"]), list(&["GET", "PUT"]), list(&["X-A"]));
        let origins = [OriginPattern::of_route("https://*.a.example").expect("an origin")].into();
        let terms = CorsTerms {
            origins: Origins::Listed(origins),
            credentials: Credentials::Omitted,
            methods: &methods,
            headers: &headers,
            exposed: &headers,
            max_age: 5,
        };
        let asked = CorsRequest {
            origin: Some(b"https://x.y.a.example"),
            method: Some(b"PUT"),
            headers: Some(b"x-b"),
        };
        let simple = CorsRequest { method: None, headers: None, ..asked };
        let foreign = CorsRequest { origin: Some(b"https://b.example"), ..asked };
        let cors = |terms: &CorsTerms<'_>| RouteCors::new(terms).expect("usable");
        let of_list = cors(&terms);
        check(
            &of_list,
            &asked,
            "https://x.y.a.example expose-headers=X-A allow-methods=GET, PUT allow-headers=X-A \
             max-age=5",
        );
        check(&of_list, &simple, "https://x.y.a.example expose-headers=X-A");
        check(&of_list, &foreign, "-");
        check(&of_list, &of_origin(None), "-");
        let any = CorsTerms {
            origins: Origins::All,
            methods: &star,
            headers: &star,
            exposed: &star,
            ..terms
        };
        check(
            &cors(&any),
            &foreign,
            "* expose-headers=* allow-methods=* allow-headers=* max-age=5",
        );
        let known = cors(&CorsTerms { credentials: Credentials::Allowed, ..any });
        check(
            &known,
            &foreign,
            "https://b.example allow-credentials=true max-age=5 allow-methods=PUT \
             allow-headers=x-b",
        );
        let bare = CorsRequest { headers: None, ..foreign };
        check(
            &known,
            &bare,
            "https://b.example allow-credentials=true max-age=5 allow-methods=PUT",
        );
        check(
            &known,
            &CorsRequest { method: None, ..bare },
            "https://b.example allow-credentials=true",
        );
    }

    #[test]
    fn only_browsers_that_ask_first_are_kept_from_the_backend_of_a_route() {
        let terms = CorsTerms {
            origins: Origins::All,
            credentials: Credentials::Omitted,
            methods: &[],
            headers: &[],
            exposed: &[],
            max_age: 5,
        };
        let route = Cors::Route(Box::new(RouteCors::new(&terms).expect("usable")));
        let refused = CorsAnswer::Refused { fields: FieldEdits::NONE };
        for (origin, method, expected) in [
            (Some(&b"https://a"[..]), Some(&b"PUT"[..]), true),
            (Some(b"https://a"), None, false),
            (None, Some(b"PUT"), false),
        ] {
            let request = CorsRequest { origin, method, headers: None };
            assert_eq!(route.is_preflight(&request, route.answer(&request)), expected);
            assert!(Cors::Any(FieldEdits::default()).is_preflight(&request, CorsAnswer::Nothing));
            assert!(!listed(&["https://b"]).is_preflight(&request, refused));
        }
        let bad = CorsTerms { headers: &["x\r\ny: z".to_owned()], ..terms };
        assert!(RouteCors::new(&bad).is_err());
    }
}
