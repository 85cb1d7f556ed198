//! Time to read the field block of an HTTP/2 request and to translate it into the HTTP/1.1 text
//! that goes upstream, with warm buffers; and back for a response, up to its field block.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::http1::head::{HeadScan, RequestHead, parse_request};
use ringway::http2::follows::Follows;
use ringway::http2::hpack::{Decoder, FieldList, put_field, put_status};
use ringway::http2::request::{Facts, put_request};
use ringway::http2::response::{Event, ResponseReader};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 24 Nov 2025 05:30:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 4\r\n\
    Last-Modified: Mon, 24 Nov 2025 05:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"6923e8f0-264\"\r\n\
    Accept-Ranges: bytes\r\n\r\nbody";

/// As a browser sends it: 14 fields, three cookie crumbs.
fn browser() -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "www.shop.example"),
        (":path", "/catalog/shoes/running.html?color=blue&size=42&sort=price"),
        ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("upgrade-insecure-requests", "1"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/130.0.0.0 Safari/537.36",
        ),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("referer", "https://www.shop.example/catalog/shoes/"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-US,en;q=0.9"),
        ("priority", "u=0, i"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("cookie", "theme=dark"),
        ("cookie", "basket=0123456789"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        put_field(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

const FACTS: Facts = Facts { is_secure: true, follows: Follows::Nothing, whole: None };

fn translate(criterion: &mut Criterion) {
    let block = browser();
    let mut decoder = Decoder::new();
    let mut list = FieldList::default();
    decoder.decode(&block, Follows::Nothing, &mut list).expect("a valid block");
    let mut out = Vec::with_capacity(4096);
    let shape = put_request(&mut out, &list, FACTS, || [0; 16]).expect("a valid head");
    let mut group = criterion.benchmark_group("http2");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("request block to fields", |bencher| {
        bencher.iter(|| {
            list.clear();
            decoder.decode(black_box(&block), Follows::Nothing, &mut list).expect("a valid block");
        });
    });
    group.bench_function("request fields to text", |bencher| {
        bencher.iter(|| {
            out.clear();
            put_request(&mut out, black_box(&list), FACTS, || [0; 16]).expect("a valid head")
        });
    });
    let mut head = RequestHead::default();
    group.bench_function("request fields to text to parsed", |bencher| {
        bencher.iter(|| {
            out.clear();
            put_request(&mut out, black_box(&list), FACTS, || [0; 16]).expect("a valid head");
            let end = HeadScan::default().find_end(&out).expect("a whole head");
            parse_request(&out, end, &mut head).expect("a valid head");
        });
    });
    let mut buf = RESPONSE.to_vec();
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response head and body, text to block", |bencher| {
        bencher.iter(|| {
            let mut reader = ResponseReader::new(shape);
            let mut at = 0;
            out.clear();
            while let Some(event) = reader.next(&mut buf, &mut at).expect("a valid response") {
                if let Event::Head { status, .. } = event {
                    put_status(&mut out, status);
                    reader.fields(&buf).for_each(|(name, value)| put_field(&mut out, name, value));
                }
                black_box(event);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, translate);
criterion_main!(benches);
