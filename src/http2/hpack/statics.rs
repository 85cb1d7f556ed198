//! The static table of RFC 7541 appendix A.

/// Entries 1 to 61.
pub(super) const ENTRIES: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Longest name.
const NAME_BYTES_MAX: usize = 27;

/// Most names of one length.
const CANDIDATES_MAX: usize = 8;

/// Entries of pseudo-fields, which are not looked for.
const FIELDS_FROM: u8 = 14;

/// Indices of the names of each length; 0: no more.
static BY_LENGTH: [[u8; CANDIDATES_MAX]; NAME_BYTES_MAX + 1] = {
    let mut by_length = [[0; CANDIDATES_MAX]; NAME_BYTES_MAX + 1];
    let mut at = FIELDS_FROM;
    while (at as usize) < ENTRIES.len() {
        let candidates = &mut by_length[ENTRIES[at as usize].0.len()];
        let mut free = 0;
        while candidates[free] != 0 {
            free += 1;
        }
        candidates[free] = at + 1;
        at += 1;
    }
    by_length
};

/// The index of a field name in any case.
pub(super) fn find_name(name: &[u8]) -> Option<usize> {
    let candidates = BY_LENGTH.get(name.len())?;
    candidates
        .iter()
        .map(|index| usize::from(*index))
        .take_while(|index| *index > 0)
        .find(|index| name.eq_ignore_ascii_case(ENTRIES[index - 1].0.as_bytes()))
}

/// The index of `:status` with this value.
pub(super) const fn find_status(status: u16) -> Option<usize> {
    match status {
        200 => Some(8),
        204 => Some(9),
        206 => Some(10),
        304 => Some(11),
        400 => Some(12),
        404 => Some(13),
        500 => Some(14),
        _ => None,
    }
}
