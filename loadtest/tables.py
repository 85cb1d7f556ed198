"""What a saved run says, as Markdown: for the screen and for RESULTS.md."""

import math
import statistics

RINGWAYS = ["ringway-uring", "ringway-epoll"]
PEERS = ["nginx", "haproxy", "envoy"]

# Scenario, measure, peer ("best": the best of all), largest ratio on io_uring and on epoll.
TARGETS = [
    ("small-8", "cpu", "best", (0.90, 0.95)),
    ("small-8", "p50", "best", (1.00, 1.00)),
    ("small-64", "cpu", "haproxy", (0.75, 0.85)),
    ("small-1000", "cpu", "haproxy", (0.60, 0.75)),
    ("body-10k", "cpu", "best", (0.85, 0.85)),
    ("body-100k", "cpu", "best", (0.85, 0.85)),
    ("body-1m", "cpu", "best", (0.70, 0.70)),
    ("upload-100k", "cpu", "best", (0.85, 0.85)),
    ("churn", "cpu", "best", (0.90, 0.95)),
    ("https-64", "cpu", "best", (0.75, 0.80)),
    ("handshakes", "cpu", "best", (0.65, 0.65)),
    ("h2-16x32", "cpu", "best", (0.70, 0.75)),
    ("h2-100k", "cpu", "best", (0.80, 0.85)),
    ("open-30", "p99", "best", (1.00, 1.00)),
    ("open-70", "p99", "best", (1.00, 1.00)),
]
ROUTES_RATIO_MAX = 1.03


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def whole(value):
    return "–" if math.isnan(value) else f"{value:.0f}"


def peer_value(samples, measure, peer):
    """The least of the peers that took part; None: none did."""
    peers = PEERS if peer == "best" else [peer]
    values = [median(samples[name], measure) for name in peers if name in samples]
    return min((value for value in values if not math.isnan(value)), default=None)


def rows(results):
    for scenario, samples in results.items():
        best = peer_value(samples, "cpu", "best")
        floor = median(samples["floor"], "cpu") if "floor" in samples else None
        for name, measured in samples.items():
            cpu = median(measured, "cpu")
            spread = [row["cpu"] for row in measured]
            ratios = [f"{cpu / other:.2f}" if other else "–" for other in (best, floor)]
            yield (f"| {scenario} | {name} | {cpu:.2f} ({min(spread):.2f}–{max(spread):.2f}) "
                   f"| {median(measured, 'rate'):,.0f} | {median(measured, 'busy'):.0%} "
                   f"| {whole(median(measured, 'p50'))} | {whole(median(measured, 'p99'))} "
                   f"| {' | '.join(ratios)} |")


def verdicts(results):
    """One row per target and ringway variant: text, ratio, largest ratio."""
    for scenario, measure, peer, largest in TARGETS:
        samples = results.get(scenario, {})
        reference = peer_value(samples, measure, peer)
        for name, most in zip(RINGWAYS, largest):
            if name in samples and reference:
                ratio = median(samples[name], measure) / reference
                yield f"{scenario} {measure}, {name} ÷ {peer}", ratio, most
    samples = results.get("routes", {})
    for name in (name for name in RINGWAYS if f"{name}-routes" in samples):
        ratio = median(samples[f"{name}-routes"], "cpu") / median(samples[name], "cpu")
        yield f"routes cpu, {name}: 5,000 paths ÷ one", ratio, ROUTES_RATIO_MAX


def text(saved):
    """Machine and command, all rows, and each target with its verdict."""
    m = saved["machine"]
    lines = [f"{m['date']}, commit {m['commit']}, `{saved['command']}`. {m['cpu']}, {m['cpus']} "
             f"CPUs, load average {m['load']}, Linux {m['kernel']}; {m['nginx']}, HAProxy "
             f"{m['haproxy']}, Envoy {m['envoy']}, wrk {m['wrk']}, {m['h2load']}.", "",
             "| scenario | proxy | CPU µs/request (least–most) | requests/s | CPU busy | p50 µs "
             "| p99 µs | ÷ best peer | ÷ floor |", "|" + "---|" * 9, *rows(saved["results"])]
    judged = list(verdicts(saved["results"]))
    if judged:
        lines += ["", "| target | ratio | at most | |", "|---|---|---|---|"]
    for name, ratio, most in judged:
        verdict = "met" if ratio <= most else "MISSED"
        lines.append(f"| {name} | {ratio:.2f} | {most:.2f} | {verdict} |")
    return "\n".join(lines)
