//! The words of curl, as far as they say what is asked for.

use std::io;

use super::question::{QuestionError, Words, basic};

/// Options with a value that say nothing about the request as the proxy sees it.
const SKIPPED_WITH_VALUE: &[&str] = &[
    "--cacert",
    "--cert",
    "--connect-timeout",
    "--connect-to",
    "--key",
    "--max-time",
    "--output",
    "--resolve",
    "--retry",
    "--write-out",
    "-E",
    "-m",
    "-o",
    "-w",
];
/// Long options with a value that say something.
const READ_WITH_VALUE: &[&str] = &[
    "--cookie",
    "--data",
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--header",
    "--json",
    "--referer",
    "--request",
    "--url",
    "--user",
    "--user-agent",
];
/// Letters of options with a value, of either kind.
const LETTERS_WITH_VALUE: &str = "XHAebudowmE";
/// The same without one.
const SKIPPED: &[&str] = &[
    "--fail",
    "--globoff",
    "--http1.1",
    "--http2",
    "--include",
    "--insecure",
    "--location",
    "--no-progress-meter",
    "--path-as-is",
    "--show-error",
    "--silent",
    "--verbose",
    "-L",
    "-O",
    "-S",
    "-f",
    "-g",
    "-i",
    "-k",
    "-s",
    "-v",
];

/// What curl would ask for with these words, `curl` itself left out. `words` are the rest of what
/// is asked; `read`: reads a file that is to be sent.
///
/// # Errors
/// Who asks is at fault; see [`QuestionError`].
pub fn of_curl(
    typed: &[String],
    mut words: Words,
    read: impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Words, QuestionError> {
    let mut body: Option<usize> = None;
    let mut headers = Vec::new();
    let mut rest = split(typed).into_iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| QuestionError::Value(option.clone()));
        match option.as_str() {
            "-X" | "--request" => words.method = Some(value()?),
            "-H" | "--header" => headers.push(value()?),
            "-A" | "--user-agent" => headers.push(format!("User-Agent: {}", value()?)),
            "-e" | "--referer" => headers.push(format!("Referer: {}", value()?)),
            "-b" | "--cookie" => headers.push(format!("Cookie: {}", value()?)),
            "-u" | "--user" => {
                headers.push(format!("Authorization: {}", basic(value()?.as_bytes())));
            }
            "--compressed" => headers.push("Accept-Encoding: deflate, gzip, br, zstd".to_owned()),
            "-I" | "--head" => words.method = Some("HEAD".to_owned()),
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" => {
                let more = octets(option.as_str(), &value()?, &read)?;
                body = Some(body.map_or(more, |bytes| bytes.saturating_add(more + 1)));
            }
            "--json" => {
                let more = octets("--json", &value()?, &read)?;
                body = Some(body.unwrap_or(0).saturating_add(more));
                headers.push("Content-Type: application/json".to_owned());
                headers.push("Accept: application/json".to_owned());
            }
            "--url" => words.url = value()?,
            option if SKIPPED_WITH_VALUE.contains(&option) => drop(value()?),
            option if SKIPPED.contains(&option) => {}
            option if option.starts_with('-') => {
                return Err(QuestionError::Option(option.to_owned()));
            }
            url => words.url = url.to_owned(),
        }
    }
    let has = |name: &str| {
        let names = headers.iter().chain(&words.headers).filter_map(|line| line.split(':').next());
        names.map(str::trim_ascii).any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut own = Vec::new();
    if !has("user-agent") {
        own.push("User-Agent: curl".to_owned());
    }
    if !has("accept") {
        own.push("Accept: */*".to_owned());
    }
    if let Some(bytes) = body {
        own.push(format!("Content-Length: {bytes}"));
        if !has("content-type") {
            own.push("Content-Type: application/x-www-form-urlencoded".to_owned());
        }
        words.method.get_or_insert_with(|| "POST".to_owned());
    }
    words.headers = own.into_iter().chain(headers).chain(words.headers).collect();
    Ok(words)
}

/// How many octets `option` sends of its value: of a file if that is `@file`, which some options
/// send without ends of lines.
fn octets(
    option: &str,
    value: &str,
    read: &impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<usize, QuestionError> {
    let Some(path) = value.strip_prefix('@').filter(|_| option != "--data-raw") else {
        return Ok(value.len());
    };
    let octets =
        read(path).map_err(|error| QuestionError::File(path.to_owned(), error.to_string()))?;
    Ok(match option {
        "--data-binary" | "--json" => octets.len(),
        _ => octets.iter().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).count(),
    })
}

/// One word for each option and value: `-sk`, `-XPOST` and `--request=POST` are more than one.
/// What follows an option that takes a value is one, whatever it begins with.
fn split(typed: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut typed = typed.iter();
    while let Some(word) = typed.next() {
        match word.strip_prefix('-') {
            Some(long) if long.starts_with('-') => match word.split_once('=') {
                Some((option, value)) => words.extend([option.to_owned(), value.to_owned()]),
                None => {
                    let takes_value = [READ_WITH_VALUE, SKIPPED_WITH_VALUE].concat();
                    words.push(word.clone());
                    if takes_value.contains(&word.as_str()) {
                        words.extend(typed.next().cloned());
                    }
                }
            },
            Some(short) if !short.is_empty() => {
                for (at, letter) in short.char_indices() {
                    let option = format!("-{letter}");
                    words.push(option);
                    let value = short.get(at + letter.len_utf8()..).unwrap_or_default();
                    if LETTERS_WITH_VALUE.contains(letter) {
                        match value {
                            "" => words.extend(typed.next().cloned()),
                            _ => words.push(value.to_owned()),
                        }
                        break;
                    }
                }
            }
            _ => words.push(word.clone()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Result<&str, QuestionError>) {
        let typed: Vec<String> = typed.split(' ').map(|word| word.replace('_', " ")).collect();
        let read = |path: &str| match path {
            "f" => Ok(b"a\r\nb\n".to_vec()),
            _ => Err(io::Error::other("no such file")),
        };
        let said = of_curl(&typed, Words::default(), read).map(|words| {
            let method = words.method.as_deref().unwrap_or("-");
            format!("{method} {} {}", words.url, words.headers.join("|"))
        });
        assert_eq!(said, expected.map(str::to_owned), "{typed:?}");
    }

    #[test]
    fn options_of_curl_make_a_request() {
        check("https://a/", Ok("- https://a/ User-Agent: curl|Accept: */*"));
        check("-sk -XPUT -H X:_y a", Ok("PUT a User-Agent: curl|Accept: */*|X: y"));
        check(
            "-d ab -d c a",
            Ok("POST a User-Agent: curl|Accept: */*|Content-Length: 4|\
             Content-Type: application/x-www-form-urlencoded"),
        );
        check("--request=DELETE a -A me -H Accept:_x", Ok("DELETE a User-Agent: me|Accept: x"));
        check(
            "-I -u a:b a -o f",
            Ok("HEAD a User-Agent: curl|Accept: */*|\
             Authorization: Basic YTpi"),
        );
        check(
            "--json {} a",
            Ok("POST a User-Agent: curl|Content-Length: 2|\
             Content-Type: application/json|Accept: application/json"),
        );
        for (option, bytes) in [("-d", 2), ("--data", 2), ("--data-binary", 5), ("--data-raw", 2)] {
            let said = format!(
                "POST a User-Agent: curl|Accept: */*|Content-Length: {bytes}|\
                 Content-Type: application/x-www-form-urlencoded"
            );
            check(&format!("{option} @f a"), Ok(&said));
        }
        for option in ["-H", "-sH", "--header"] {
            check(&format!("{option} -x:_y a"), Ok("- a User-Agent: curl|Accept: */*|-x: y"));
        }
        check("-o -s --max-time -1 -A -k a", Ok("- a Accept: */*|User-Agent: -k"));
        check(
            "-d -ab --data -1 a",
            Ok("POST a User-Agent: curl|Accept: */*|Content-Length: 6|\
             Content-Type: application/x-www-form-urlencoded"),
        );
        let lost = QuestionError::File("g".to_owned(), "no such file".to_owned());
        check("--json @g a", Err(lost));
        check("-F x=y a", Err(QuestionError::Option("-F".to_owned())));
        check("a -H", Err(QuestionError::Value("-H".to_owned())));
    }
}
