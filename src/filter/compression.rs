//! Which content coding the body of a response gets: by what it is and by what its client takes.
//!
//! Source: RFC 9110 sections 8.4 and 12.5.3; nginx, `ngx_http_gzip_module`, with `gzip_proxied any`
//! and `gzip_vary on`.

use std::cmp::Reverse;

/// A content coding that we can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentCoding {
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// As fields have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Those of equal weight in the order in which we like them.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];
}

/// Media types, parameters aside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaTypes {
    /// All, those that nobody named included.
    Any,
    /// These, in lower case, sorted, and text/html.
    Listed(Box<[Box<str>]>),
}

impl MediaTypes {
    /// Those that `names` are, `*` being all.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_str());
        let mut names: Vec<_> = names.collect();
        if names.iter().any(|name| &**name == "*") {
            return Self::Any;
        }
        names.push("text/html".into());
        names.sort_unstable();
        names.dedup();
        Self::Listed(names.into())
    }

    /// Whether a Content-Type is one of them; `None`: there is none.
    #[must_use]
    pub fn has(&self, content_type: Option<&[u8]>) -> bool {
        let (Self::Listed(names), Some(value)) = (self, content_type) else {
            return *self == Self::Any && content_type.is_some();
        };
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let name = value.get(..end).unwrap_or_default().trim_ascii();
        names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// How one coding is applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodingPolicy {
    /// Whether at all.
    pub is_on: bool,
    /// How hard it tries; what that means is the coding's.
    pub level: u8,
    /// Shortest body, if its length is known.
    pub bytes_min: u64,
    /// Of which types.
    pub types: MediaTypes,
}

/// How bodies are coded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Compression {
    /// By brotli.
    pub brotli: CodingPolicy,
    /// By zstd.
    pub zstd: CodingPolicy,
    /// By gzip.
    pub gzip: CodingPolicy,
}

/// What the choice depends on of a response.
#[derive(Debug, Clone, Copy)]
pub struct Compressible<'a> {
    /// Status.
    pub status: u16,
    /// Octets of its body, if that is known.
    pub length: Option<u64>,
    /// Its Content-Type.
    pub content_type: Option<&'a [u8]>,
    /// Whether anything else forbids it: it is coded already, or is not to be transformed.
    pub is_fixed: bool,
}

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It goes as it is to everybody.
    Fixed,
    /// It goes as it is to this client; others would get it coded.
    Identity,
    /// It is coded, so hard.
    Coded(ContentCoding, u8),
}

impl Compression {
    /// Types that ingress-nginx compresses; text/html is always one.
    ///
    /// Source: ingress-nginx, ConfigMap, `gzip-types`.
    pub const TYPES: &str = "application/atom+xml application/javascript \
        application/x-javascript application/json application/rss+xml \
        application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json \
        application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon \
        text/css text/javascript text/plain text/x-component";

    /// Whether there is any.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.brotli.is_on || self.zstd.is_on || self.gzip.is_on
    }

    /// How `coding` is applied.
    #[must_use]
    pub const fn policy(&self, coding: ContentCoding) -> &CodingPolicy {
        match coding {
            ContentCoding::Brotli => &self.brotli,
            ContentCoding::Zstd => &self.zstd,
            ContentCoding::Gzip => &self.gzip,
        }
    }

    /// What the body of `response` gets. `accepted`: the values of Accept-Encoding;
    /// `is_gzip_refused`: whether this client cannot be believed that it takes gzip.
    pub fn choose<'a>(
        &self,
        response: &Compressible<'_>,
        accepted: impl Iterator<Item = &'a [u8]>,
        is_gzip_refused: impl FnOnce() -> bool,
    ) -> Choice {
        if response.is_fixed || !matches!(response.status, 200 | 403 | 404) {
            return Choice::Fixed;
        }
        let applies = |coding: &ContentCoding| self.policy(*coding).applies_to(response);
        if !ContentCoding::ALL.iter().any(applies) {
            return Choice::Fixed;
        }
        let weights = Weights::read(accepted);
        let possible = ContentCoding::ALL.into_iter().filter(applies);
        let weighted = possible.map(|coding| (coding, weights.of(coding)));
        // Of equal ones the first.
        let best = weighted.min_by_key(|(_, weight)| Reverse(*weight));
        match best {
            Some((coding, weight)) if weight > 0 && Some(weight) >= weights.identity => {
                if coding == ContentCoding::Gzip && is_gzip_refused() {
                    return Choice::Identity;
                }
                Choice::Coded(coding, self.policy(coding).level)
            }
            _ => Choice::Identity,
        }
    }
}

impl Compression {
    /// Whether one of the codings may be for whoever accepts these.
    pub fn may_code<'a>(&self, accepted: impl Iterator<Item = &'a [u8]>) -> bool {
        let weights = Weights::read(accepted);
        let is_on = |coding: &ContentCoding| self.policy(*coding).is_on;
        ContentCoding::ALL.into_iter().filter(is_on).any(|coding| weights.of(coding) > 0)
    }
}

impl CodingPolicy {
    fn applies_to(&self, response: &Compressible<'_>) -> bool {
        self.is_on
            && response.length.is_none_or(|length| length >= self.bytes_min)
            && self.types.has(response.content_type)
    }
}

impl Default for Compression {
    /// Nothing is compressed. The rest is that of ingress-nginx.
    fn default() -> Self {
        let policy = |level, bytes_min| CodingPolicy {
            is_on: false,
            level,
            bytes_min,
            types: MediaTypes::new(Self::TYPES.split_ascii_whitespace()),
        };
        Self { brotli: policy(4, 20), zstd: policy(3, 256), gzip: policy(1, 256) }
    }
}

/// What a client thinks of codings, in thousandths; `None`: it did not say.
#[derive(Debug, Clone, Copy, Default)]
struct Weights {
    brotli: Option<u16>,
    zstd: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut weights = Self::default();
        for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let place = match name {
                b"*" => &mut weights.others,
                _ if name.eq_ignore_ascii_case(b"br") => &mut weights.brotli,
                _ if name.eq_ignore_ascii_case(b"zstd") => &mut weights.zstd,
                _ if name.eq_ignore_ascii_case(b"gzip") => &mut weights.gzip,
                _ if name.eq_ignore_ascii_case(b"identity") => &mut weights.identity,
                _ => continue,
            };
            // What is no weight is none that could be relied on.
            *place = Some(parts.next().map_or(1000, |weight| thousandths(weight).unwrap_or(0)));
        }
        weights
    }

    fn of(&self, coding: ContentCoding) -> u16 {
        let own = match coding {
            ContentCoding::Brotli => self.brotli,
            ContentCoding::Zstd => self.zstd,
            ContentCoding::Gzip => self.gzip,
        };
        own.or(self.others).unwrap_or(0)
    }
}

/// `q=0.123` in thousandths (RFC 9110 section 12.4.2).
fn thousandths(weight: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), rest @ ..] = weight else { return None };
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut value = u16::from(*whole == b'1') * 1000;
    let mut unit = 100;
    for digit in digits {
        value += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
        unit /= 10;
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compression(on: &[ContentCoding]) -> Compression {
        let mut all = Compression::default();
        all.brotli.is_on = on.contains(&ContentCoding::Brotli);
        all.zstd.is_on = on.contains(&ContentCoding::Zstd);
        all.gzip.is_on = on.contains(&ContentCoding::Gzip);
        all
    }

    const JSON: Compressible<'_> = Compressible {
        status: 200,
        length: None,
        content_type: Some(b"application/json"),
        is_fixed: false,
    };
    const ALL: &[ContentCoding] = &ContentCoding::ALL;
    const GZIP: &[ContentCoding] = &[ContentCoding::Gzip];

    #[test]
    fn the_client_says_what_it_takes() {
        let (br, zstd, gzip) = (Some("br"), Some("zstd"), Some("gzip"));
        let cases: &[(&[ContentCoding], &[&str], Option<&str>)] = &[
            (ALL, &[], None),
            (ALL, &[""], None),
            (ALL, &["gzip"], gzip),
            (ALL, &["GZIP"], gzip),
            (ALL, &["gzip, deflate, br, zstd"], br),
            (ALL, &["gzip, zstd"], zstd),
            (ALL, &["gzip", "br"], br),
            (ALL, &["deflate, compress"], None),
            (ALL, &["x-gzip"], None),
            (ALL, &["gzip;q=1.0, br;q=0.5"], gzip),
            (ALL, &["gzip;q=0.5, br ; q=0.501, zstd;q=0.1"], br),
            (ALL, &["br;q=0, gzip;Q=0.001"], gzip),
            (ALL, &["gzip;q=0"], None),
            (ALL, &["gzip;q=0.000"], None),
            (ALL, &["gzip;q=1.001"], None),
            (ALL, &["gzip;q=0.1234"], None),
            (ALL, &["gzip;q=x"], None),
            (ALL, &["gzip;level=9"], None),
            (ALL, &["gzip;q=0.1a"], None),
            (ALL, &["*"], br),
            (ALL, &["*;q=0"], None),
            (ALL, &["br;q=0, *"], zstd),
            (ALL, &["gzip, *;q=0"], gzip),
            (ALL, &["identity"], None),
            (ALL, &["identity;q=0"], None),
            (ALL, &["identity;q=0, gzip;q=0.1"], gzip),
            (ALL, &["identity;q=0.5, gzip;q=0.1"], None),
            (ALL, &["identity;q=0.5, gzip;q=0.5"], gzip),
            (GZIP, &["br"], None),
            (GZIP, &["br, gzip"], gzip),
            (GZIP, &["*"], gzip),
            (&[ContentCoding::Zstd], &["br, gzip, zstd"], zstd),
        ];
        for (on, accepted, expected) in cases {
            let values = accepted.iter().map(|value| value.as_bytes());
            let choice = compression(on).choose(&JSON, values, || false);
            let found = match choice {
                Choice::Coded(coding, _) => Some(coding.as_str()),
                Choice::Identity => None,
                Choice::Fixed => panic!("{accepted:?}"),
            };
            assert_eq!(found, *expected, "{on:?} {accepted:?}");
        }
    }

    #[test]
    fn the_response_says_whether_there_is_a_choice() {
        let of = |content_type: &'static str| Compressible {
            content_type: Some(content_type.as_bytes()),
            ..JSON
        };
        let no_type = Compressible { content_type: None, ..JSON };
        let cases = [
            (JSON, true),
            (Compressible { status: 403, ..JSON }, true),
            (Compressible { status: 404, ..JSON }, true),
            (Compressible { status: 201, ..JSON }, false),
            (Compressible { status: 204, ..JSON }, false),
            (Compressible { status: 206, ..JSON }, false),
            (Compressible { status: 302, ..JSON }, false),
            (Compressible { status: 500, ..JSON }, false),
            (Compressible { is_fixed: true, ..JSON }, false),
            (Compressible { length: Some(255), ..JSON }, false),
            (Compressible { length: Some(256), ..JSON }, true),
            (of("text/html"), true),
            (of("Text/HTML; charset=utf-8"), true),
            (of("text/css ;charset=utf-8"), true),
            (of("application/jsonp"), false),
            (of("image/png"), false),
            (of(""), false),
            (no_type, false),
        ];
        for (response, is_chosen) in cases {
            let choose = |accepted: &'static str| {
                let accepted = std::iter::once(accepted.as_bytes());
                compression(GZIP).choose(&response, accepted, || false)
            };
            let coded = Choice::Coded(ContentCoding::Gzip, 1);
            let (with, without) =
                if is_chosen { (coded, Choice::Identity) } else { (Choice::Fixed, Choice::Fixed) };
            assert_eq!((choose("gzip"), choose("br")), (with, without), "{response:?}");
            assert_eq!(compression(&[]).choose(&response, [].into_iter(), || false), Choice::Fixed);
        }
    }

    #[test]
    fn each_coding_has_its_own_terms() {
        let mut policy = compression(ALL);
        policy.brotli.types = MediaTypes::new(["text/css"]);
        policy.zstd.bytes_min = 1000;
        let choose = |response: &Compressible<'_>, accepted: &'static [u8], is_refused| {
            policy.choose(response, std::iter::once(accepted), || is_refused)
        };
        let short = Compressible { length: Some(999), ..JSON };
        let any = b"br, zstd, gzip";
        assert_eq!(choose(&JSON, any, false), Choice::Coded(ContentCoding::Zstd, 3));
        assert_eq!(choose(&short, any, false), Choice::Coded(ContentCoding::Gzip, 1));
        assert_eq!(choose(&short, any, true), Choice::Identity, "gzip-disable");
        assert_eq!(choose(&JSON, any, true), Choice::Coded(ContentCoding::Zstd, 3));
        let css = Compressible { content_type: Some(b"text/css"), ..short };
        assert_eq!(choose(&css, any, true), Choice::Coded(ContentCoding::Brotli, 4));
    }

    #[test]
    fn all_types_are_all_that_are_named() {
        let any = MediaTypes::new(["text/css", "*"]);
        assert!(any.has(Some(b"image/png")) && !any.has(None));
    }
}
