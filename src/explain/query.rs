//! A question as the query of a URL, and back: how the admin listener is asked.

use super::question::{QuestionError, Words};

impl Words {
    /// `url=…&method=…&header=…&client=…&sni=…`, percent-encoded.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut pairs = vec![("url", self.url.clone())];
        pairs.extend(self.method.clone().map(|method| ("method", method)));
        pairs.extend(self.headers.iter().map(|header| ("header", header.clone())));
        pairs.extend(self.client.map(|client| ("client", client.to_string())));
        pairs.extend(self.sni.clone().map(|sni| ("sni", sni)));
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Of a query. A parameter that is not known is none of ours.
    ///
    /// # Errors
    /// Who asks is at fault; see [`QuestionError`].
    pub fn of_query(query: &str) -> Result<Self, QuestionError> {
        let mut words = Self::default();
        for (name, value) in pairs(query) {
            let wrong = || QuestionError::Parameter(name.chars().take(40).collect());
            let value = value.ok_or_else(wrong)?;
            match name {
                "url" => words.url = value,
                "method" => words.method = Some(value),
                "header" => words.headers.push(value),
                "client" => words.client = Some(value.parse().ok().ok_or_else(wrong)?),
                "sni" => words.sni = Some(value),
                _ => return Err(wrong()),
            }
        }
        Ok(words)
    }
}

/// Names and values of a query; `None`: it is not encoded as one.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, Option<String>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, decoded(value))
    })
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            octet => out += &format!("%{octet:02X}"),
        }
    }
    out
}

/// `+` is a space, as forms have it.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        out.push(match octet {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            octet => *octet,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_query() {
        let words = Words {
            url: "https://a.example/x y?z=1&ä=%2F+".to_owned(),
            method: Some("POST".to_owned()),
            headers: vec!["X: a&b=c".to_owned(), "Y: d".to_owned()],
            client: Some([192, 0, 2, 1].into()),
            sni: Some("b.example".to_owned()),
        };
        assert_eq!(Words::of_query(&words.to_query()), Ok(words));
        assert_eq!(
            Words::of_query("url=a+b&"),
            Ok(Words { url: "a b".into(), ..Words::default() })
        );
        for (query, name) in
            [("x=y", "x"), ("url=%4", "url"), ("url=%zz", "url"), ("client=a", "client")]
        {
            let expected = Err(QuestionError::Parameter(name.to_owned()));
            assert_eq!(Words::of_query(query), expected, "{query}");
        }
    }
}
