//! The examples of RFC 7541 appendix C, every error, and both directions against slow readers.

use proptest::prelude::*;

use super::super::follows::Follows;
use super::huffman;
use super::{Decoder, Encoder, FieldList, HpackError, Overrun, integer, put_field, put_status};
use crate::limits::{
    FIELDS_MAX, HTTP2_BLOCK_BYTES_MAX, HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX,
};

/// Octets of a dump in hexadecimal, blanks ignored.
fn octets(dump: &str) -> Vec<u8> {
    let digits: Vec<u32> = dump.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

fn lines(list: &FieldList) -> Vec<String> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    list.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

/// Reads one block whole with `decoder`.
fn read(decoder: &mut Decoder, block: &[u8]) -> Result<FieldList, HpackError> {
    let mut list = FieldList::default();
    decoder.decode(block, Follows::Nothing, &mut list)?;
    Ok(list)
}

/// Blocks of one connection: dump, fields, size of the table behind it.
type Blocks<'a> = [(&'a str, &'a [&'a str], usize)];

fn follows(is_last: bool) -> Follows {
    if is_last { Follows::Nothing } else { Follows::More }
}

#[track_caller]
fn check(table: Option<usize>, blocks: &Blocks<'_>) {
    let mut whole = Decoder::new();
    let mut single = Decoder::new();
    let mut start = Vec::new();
    if let Some(size) = table {
        integer::encode(&mut start, 0x20, 5, size);
    }
    for (dump, expected, size) in blocks {
        let block = [std::mem::take(&mut start), octets(dump)].concat();
        let list = read(&mut whole, &block).unwrap();
        assert_eq!(lines(&list), *expected, "{dump}");
        assert_eq!(whole.table().size(), *size, "{dump}");
        let mut list = FieldList::default();
        for (at, octet) in block.iter().enumerate() {
            single.decode(&[*octet], follows(at + 1 == block.len()), &mut list).unwrap();
        }
        assert_eq!(lines(&list), *expected, "octet by octet");
        assert_eq!(single.table().size(), *size);
    }
}

#[test]
fn examples_of_single_fields() {
    let header = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(None, &[(header, &["custom-key: custom-header"], 55)]);
    check(None, &[("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"], 0)]);
    check(None, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"], 0)]);
    check(None, &[("82", &[":method: GET"], 0)]);
}

const FIRST: &[&str] =
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const SECOND: &[&str] = &[
    ":method: GET",
    ":scheme: http",
    ":path: /",
    ":authority: www.example.com",
    "cache-control: no-cache",
];
const THIRD: &[&str] = &[
    ":method: GET",
    ":scheme: https",
    ":path: /index.html",
    ":authority: www.example.com",
    "custom-key: custom-value",
];

#[test]
fn examples_of_requests() {
    check(
        None,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                THIRD,
                164,
            ),
        ],
    );
    check(
        None,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164),
        ],
    );
}

#[test]
fn examples_of_responses_that_evict() {
    let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    check(
        Some(256),
        &[
            (
                first,
                &[
                    ":status: 302",
                    "cache-control: private",
                    "date: Mon, 21 Oct 2013 20:13:21 GMT",
                    "location: https://www.example.com",
                ],
                222,
            ),
            (
                "4883 640e ffc1 c0bf",
                &[
                    ":status: 307",
                    "cache-control: private",
                    "date: Mon, 21 Oct 2013 20:13:21 GMT",
                    "location: https://www.example.com",
                ],
                222,
            ),
            (
                third,
                &[
                    ":status: 200",
                    "cache-control: private",
                    "date: Mon, 21 Oct 2013 20:13:22 GMT",
                    "location: https://www.example.com",
                    "content-encoding: gzip",
                    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                ],
                215,
            ),
        ],
    );
}

/// Whole and octet by octet.
#[track_caller]
fn refused(block: &[u8], error: HpackError) {
    assert_eq!(read(&mut Decoder::new(), block).map(|list| lines(&list)), Err(error));
    let mut decoder = Decoder::new();
    let mut list = FieldList::default();
    let last = block.len() - 1;
    let found = block
        .iter()
        .enumerate()
        .find_map(|(at, octet)| decoder.decode(&[*octet], follows(at == last), &mut list).err());
    assert_eq!(found, Some(error), "octet by octet");
}

#[test]
fn what_is_no_block_is_refused() {
    use HpackError as E;
    refused(&[0x80], E::Index);
    refused(&[0x80 | 62], E::Index);
    refused(&[0x40 | 0x3f, 10, 1, b'x'], E::Index);
    refused(&[0xff; 12], E::Integer);
    refused(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x10], E::Integer);
    refused(&[0x82, 0, 3, b'x', b'-', b'a', 0x82, 0b0000_0111, 0xff], E::Huffman);
    refused(&[0, 1, b'x', 0x81, 0], E::Huffman);
    refused(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff], E::Huffman);
    refused(&[0x82, 0x20], E::SizeUpdate);
    refused(&[0x20, 0x20, 0x20], E::SizeUpdate);
    refused(&[0x3f, 0xe2, 0x1f], E::SizeUpdate);
    refused(&[0, 5, b'a'], E::Truncated);
    refused(&[0x82, 0x40], E::Truncated);
    refused(&[0x1f], E::Truncated);
    assert!(read(&mut Decoder::new(), &[0x3f, 0xe1, 0x1f, 0x20, 0x82]).is_ok(), "4096, then 0");
}

#[test]
fn an_index_past_usize_is_no_panic() {
    refused(&[0xff, 0x81, 0xff, 0xff, 0xff, 0x0f], HpackError::Integer);
    refused(&[0xff, 0x80, 0xff, 0xff, 0xff, 0x0f], HpackError::Index);
}

#[test]
fn a_block_has_an_end() {
    let mut decoder = Decoder::new();
    let mut list = FieldList::default();
    let indexed = vec![0x82; HTTP2_BLOCK_BYTES_MAX];
    assert_eq!(decoder.decode(&indexed, Follows::More, &mut list), Ok(()));
    assert_eq!(list.overrun(), Some(Overrun::Count));
    assert_eq!(decoder.decode(&[0x82], Follows::Nothing, &mut list), Err(HpackError::TooLong));
    let mut huge = vec![0, 1, b'x'];
    integer::encode(&mut huge, 0, 7, HTTP2_BLOCK_BYTES_MAX + 1);
    refused(&huge, HpackError::TooLong);
}

/// Few octets that name a large entry again and again are no work.
#[test]
fn a_bomb_costs_no_more_than_its_octets() {
    let mut decoder = Decoder::new();
    let mut entry = vec![0x40];
    integer::encode(&mut entry, 0, 7, 3900);
    entry.extend(vec![b'n'; 3900]);
    entry.push(0);
    let named = vec![0x80 | 62; HTTP2_BLOCK_BYTES_MAX - entry.len()];
    let list = read(&mut decoder, &[entry.clone(), named].concat()).unwrap();
    assert_eq!(list.overrun(), Some(Overrun::Bytes));
    // A literal without indexing by that name, empty.
    let literals = [0x0f, 62 - 15, 0].repeat(80_000);
    assert_eq!(read(&mut decoder, &literals).unwrap().overrun(), Some(Overrun::Bytes));
    // Each of these makes an entry.
    let entries = [0x7e, 0].repeat(80_000);
    let result = read(&mut decoder, &entries);
    assert_eq!(result.map(|list| list.overrun()), Err(HpackError::TooLong));
}

/// The next block of the connection reads as its sender means it.
#[test]
fn a_list_above_the_limit_leaves_the_table_right() {
    let mut decoder = Decoder::new();
    let mut block = vec![0x40, 1, b'a'];
    integer::encode(&mut block, 0, 7, 3000);
    block.extend(vec![b'v'; 3000]);
    block.extend(vec![0x80 | 62; 30]);
    // Behind the overrun another entry comes, and one that is larger than the table.
    block.extend([0x40, 1, b'b', 1, b'w']);
    let list = read(&mut decoder, &block).unwrap();
    assert_eq!((list.overrun(), list.len()), (Some(Overrun::Bytes), 0));
    let mut list = read(&mut decoder, &[0x80 | 62]).unwrap();
    assert_eq!(lines(&list), ["b: w"]);
    let mut block = vec![0x40, 1, b'c'];
    integer::encode(&mut block, 0, 7, 5000);
    block.extend(vec![b'v'; 5000]);
    list.clear();
    decoder.decode(&block, Follows::Nothing, &mut list).unwrap();
    assert_eq!((list.overrun(), list.len()), (None, 1));
    assert_eq!(decoder.table().size(), 0);
    assert_eq!(read(&mut decoder, &[0x80 | 62]).map(|list| list.len()), Err(HpackError::Index));
}

#[test]
fn lists_have_limits_of_octets_and_of_fields() {
    let sized = |octets: usize| {
        let mut list = FieldList::default();
        list.push(b"a", &vec![b'v'; octets]);
        list
    };
    let most = HTTP2_HEADER_LIST_BYTES_MAX as usize - 33;
    assert_eq!(sized(most).overrun(), None);
    let mut list = sized(most + 1);
    assert_eq!((list.overrun(), list.is_empty()), (Some(Overrun::Bytes), true));
    list.clear();
    for _ in 0..FIELDS_MAX + 5 {
        list.push(b"", b"");
    }
    assert_eq!(list.overrun(), None);
    list.push(b"", b"");
    assert_eq!((list.overrun(), list.len()), (Some(Overrun::Count), 0));
}

#[test]
fn the_table_keeps_little_memory() {
    let mut decoder = Decoder::new();
    for at in 0..10_000_u32 {
        let value = format!("{at:050}");
        let block = [&[0x40, 1, b'n', 50], value.as_bytes()].concat();
        assert_eq!(lines(&read(&mut decoder, &block).unwrap()), [format!("n: {value}")]);
        assert!(decoder.table().size() <= HTTP2_HEADER_TABLE_BYTES_MAX as usize);
        assert!(decoder.table().memory() <= 3 * HTTP2_HEADER_TABLE_BYTES_MAX as usize);
    }
    assert_eq!(lines(&read(&mut decoder, &[0x80 | 63]).unwrap()), [format!("n: {:050}", 9998)]);
}

#[test]
fn smaller_tables_are_acknowledged_and_larger_ones_not_used() {
    let begun = |sizes: &[u32]| {
        let mut encoder = Encoder::default();
        sizes.iter().for_each(|size| encoder.limit(*size));
        let mut out = Vec::new();
        encoder.begin(&mut out);
        let first = std::mem::take(&mut out);
        encoder.begin(&mut out);
        assert!(out.is_empty(), "said once");
        first
    };
    assert_eq!(begun(&[]), b"");
    assert_eq!(begun(&[4096, 65_536]), b"");
    assert_eq!(begun(&[0, 65_536]), [0x20]);
    assert_eq!(begun(&[100, 50, 75]), [0x3f, 19]);
}

#[test]
fn fields_are_written_by_name_and_long_ones_in_the_shorter_form() {
    let written = |name: &str, value: &str| {
        let mut out = Vec::new();
        put_field(&mut out, name.as_bytes(), value.as_bytes());
        out
    };
    assert_eq!(written("Content-Length", "5"), [0x0f, 13, 1, b'5']);
    assert_eq!(written("WWW-Authenticate", ""), [0x0f, 46, 0]);
    assert_eq!(written("vary", "\u{1}\u{2}"), [0x0f, 44, 2, 1, 2]);
    assert_eq!(written("X-A", "0"), [0, 3, b'x', b'-', b'a', 1, b'0']);
    let mut out = Vec::new();
    for status in [200, 204, 206, 304, 400, 404, 500, 302] {
        put_status(&mut out, status);
    }
    assert_eq!(out, [0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 8, 3, b'3', b'0', b'2']);
    // By RFC 7541, appendix B, `a` has five bits.
    assert_eq!(written("vary", &"a".repeat(63))[2], 63);
    assert_eq!(written("vary", &"a".repeat(64))[2], 0x80 | 40);
}

/// Bit by bit, by the codes that are written.
fn slow_decode(coded: &[u8]) -> Option<Vec<u8>> {
    let codes: Vec<Vec<bool>> = (0..=255_u8).map(code_of).collect();
    let mut plain = Vec::new();
    let mut bits = Vec::new();
    for octet in coded {
        for at in (0..8).rev() {
            bits.push(octet >> at & 1 == 1);
            if let Some(symbol) = codes.iter().position(|code| *code == bits) {
                plain.push(u8::try_from(symbol).unwrap());
                bits.clear();
            }
        }
    }
    (bits.len() < 8 && bits.iter().all(|bit| *bit)).then_some(plain)
}

/// The code of one octet: what is left of it between two whose codes are known.
fn code_of(octet: u8) -> Vec<bool> {
    let bits = |plain: &[u8]| -> Vec<bool> {
        let mut coded = Vec::new();
        huffman::encode(plain.iter().copied(), &mut coded);
        coded.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1 == 1)).collect()
    };
    // '0' is 00000: eight of them are five octets, so that the next code begins with an octet.
    let len = huffman::encoded_len([octet; 8].into_iter());
    bits(&[&[b'0'; 8][..], &[octet; 8]].concat())[40..40 + len].to_vec()
}

#[test]
fn every_octet_has_a_code_of_its_own() {
    let codes: Vec<Vec<bool>> = (0..=255).map(code_of).collect();
    for (at, code) in codes.iter().enumerate() {
        assert!((5..=30).contains(&code.len()));
        for (other, longer) in codes.iter().enumerate() {
            assert!(at == other || !longer.starts_with(code), "{at} begins {other}");
        }
    }
}

proptest! {
    #[test]
    fn coded_text_reads_back(plain in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut coded = Vec::new();
        huffman::encode(plain.iter().copied(), &mut coded);
        prop_assert_eq!(coded.len(), huffman::encoded_len(plain.iter().copied()));
        let mut read = b"before".to_vec();
        prop_assert_eq!(huffman::decode(&coded, &mut read), Ok(()));
        prop_assert_eq!(&read[6..], &plain[..]);
        prop_assert_eq!(slow_decode(&coded), Some(plain));
    }

    #[test]
    fn both_readers_agree_about_any_octets(coded in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut read = Vec::new();
        let result = huffman::decode(&coded, &mut read).is_ok();
        prop_assert_eq!(result.then_some(read), slow_decode(&coded));
    }

    #[test]
    fn integers_read_back(value: u32, prefix_bits in 1_u32..9, more: u8) {
        let mut out = Vec::new();
        integer::encode(&mut out, 0, prefix_bits, value as usize);
        let len = out.len();
        for cut in 0..len {
            prop_assert_eq!(integer::decode(&out[..cut], prefix_bits), Ok(None));
        }
        out.push(more);
        prop_assert_eq!(integer::decode(&out, prefix_bits), Ok(Some((value, len))));
    }

    #[test]
    fn written_blocks_read_back(
        fields in proptest::collection::vec(("[a-zA-Z-]{1,12}", "[ -~]{0,40}"), 0..20),
        status in 100_u16..600,
    ) {
        let mut block = Vec::new();
        put_status(&mut block, status);
        for (name, value) in &fields {
            put_field(&mut block, name.as_bytes(), value.as_bytes());
        }
        let list = read(&mut Decoder::new(), &block).unwrap();
        let expected: Vec<String> = std::iter::once(format!(":status: {status}"))
            .chain(fields.iter().map(|(name, value)| {
                format!("{}: {value}", name.to_ascii_lowercase())
            }))
            .collect();
        prop_assert_eq!(lines(&list), expected);
    }

    #[test]
    fn the_result_does_not_depend_on_fragments(
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        cuts in proptest::collection::vec(0_usize..200, 0..5),
    ) {
        let mut whole = Decoder::new();
        let mut list = FieldList::default();
        let expected = whole.decode(&octets, Follows::Nothing, &mut list).map(|()| lines(&list));
        let mut split = Decoder::new();
        let mut list = FieldList::default();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
        cuts.sort_unstable();
        cuts.push(octets.len());
        let mut from = 0;
        let mut result = Ok(());
        let last = cuts.len() - 1;
        for (at, to) in cuts.into_iter().enumerate() {
            let (part, follows) = (&octets[from..to], follows(at == last));
            result = result.and_then(|()| split.decode(part, follows, &mut list));
            from = to;
        }
        let is_ok = result.is_ok();
        prop_assert_eq!(result.map(|()| lines(&list)), expected);
        if is_ok {
            prop_assert_eq!(split.table().size(), whole.table().size());
        }
    }
}
