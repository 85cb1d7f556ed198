//! Time to find the end of a head and parse it into a warm, reused structure. All in one buffer, in
//! cache; bytes per second beside it.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::http1::head::{
    HeadScan, RequestHead, RequestKind, ResponseHead, parse_request, parse_response,
};

const CURL: &[u8] =
    b"GET /get HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

/// 386 bytes, 8 fields.
const TYPICAL: &[u8] = b"GET /api/v1/orders/20394?expand=items HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: application/json\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: no-cache, no-store\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 24 Nov 2025 05:30:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 612\r\n\
    Last-Modified: Mon, 24 Nov 2025 05:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"6923e8f0-264\"\r\n\
    Accept-Ranges: bytes\r\n\r\n";

/// About 1 KiB, 16 fields, as browsers send it.
fn browser() -> Vec<u8> {
    let cookie = "session=0123456789abcdef; theme=dark; ".repeat(8);
    format!(
        "GET /catalog/shoes/running.html?color=blue&size=42&sort=price HTTP/1.1\r\n\
         Host: www.shop.example\r\n\
         Connection: keep-alive\r\n\
         Cache-Control: max-age=0\r\n\
         sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n\
         sec-ch-ua-mobile: ?0\r\n\
         sec-ch-ua-platform: \"Linux\"\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/130.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: document\r\n\
         Referer: https://www.shop.example/catalog/shoes/\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-US,en;q=0.9\r\n\
         Cookie: {cookie}\r\n\r\n"
    )
    .into_bytes()
}

fn requests(criterion: &mut Criterion) {
    let browser = browser();
    let mut group = criterion.benchmark_group("request_head");
    for (name, bytes) in [("curl", CURL), ("typical", TYPICAL), ("browser", &browser)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut head = RequestHead::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let bytes = black_box(bytes);
                let end = HeadScan::default().find_end(bytes).expect("the head ends");
                parse_request(bytes, end, &mut head).expect("the head is good");
                black_box(&head);
            });
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response_head");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    let mut head = ResponseHead::default();
    group.bench_function("typical", |bencher| {
        bencher.iter(|| {
            let bytes = black_box(RESPONSE);
            let end = HeadScan::default().find_end(bytes).expect("the head ends");
            parse_response(bytes, end, RequestKind { is_head: false }, &mut head)
                .expect("the head is good");
            black_box(&head);
        });
    });
    group.finish();
}

criterion_group!(benches, requests, responses);
criterion_main!(benches);
