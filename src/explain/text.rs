//! An explanation as people read it: what decides first, one thing a line, in columns.

use std::fmt::{self, Display, Formatter};

use super::{Backend, Endpoint, Explanation, Field, Gate, Place, Rule, Tls, Upstream, Value};

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        for part in [&self.field, self.position.as_deref().unwrap_or_default()] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        Ok(())
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { request, listener, tls, hosts, .. } = self;
        writeln!(f, "{} {} from {}", request.method, request.url, request.client)?;
        let listener = listener.as_ref().map_or("none", |listener| &listener.entry_point);
        line(f, "listener", listener)?;
        if let Some(tls) = tls {
            put_tls(f, tls, request.sni.as_deref())?;
        }
        if !hosts.is_empty() {
            line(f, "host", hosts.join(", then "))?;
        }
        match &self.rule {
            Some(place) => line(f, "rule", place)?,
            None => line(f, "rule", "none")?,
        }
        line(f, "answer", &self.answer.text)?;
        put_rules(f, &self.rules, self.rules_left_out)?;
        put_gates(f, &self.gates)?;
        put_plan(f, &self.plan)?;
        put_backends(f, &self.backends)?;
        if let Some(upstream) = &self.upstream {
            put_upstream(f, upstream)?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {note}")?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        match self.core {
            Some(core) => writeln!(f, "\nby table {} of core {core}", self.table_version),
            None => Ok(()),
        }
    }
}

fn line(f: &mut Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "  {name:<12}{value}")
}

fn put_tls(f: &mut Formatter<'_>, tls: &Tls, sni: Option<&str>) -> fmt::Result {
    let name = sni.map_or_else(|| "no server name".to_owned(), |sni| format!("server name {sni}"));
    let to = tls.backend.as_ref().map(|backend| format!(" to {backend}")).unwrap_or_default();
    line(f, "tls", format_args!("{name}: {}{to}", tls.action))?;
    if let Some(certificate) = &tls.certificate {
        line(f, "certificate", certificate)?;
    }
    match &tls.client_certificate {
        Some(demand) => line(f, "client", demand),
        None => Ok(()),
    }
}

fn put_rules(f: &mut Formatter<'_>, rules: &[Rule], left_out: usize) -> fmt::Result {
    if rules.is_empty() {
        return Ok(());
    }
    writeln!(f, "\npaths, in the order of trying")?;
    let path = |rule: &Rule| rule.path.chars().count();
    let width = rules.iter().map(path).max().unwrap_or(0).min(40);
    for rule in rules {
        let Rule { path, kind, place, is_taken, reason, .. } = rule;
        let mark = if *is_taken { '>' } else { ' ' };
        writeln!(f, "{mark} {path:<width$}  {kind:<8}  {reason}  ({place})")?;
    }
    match left_out {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more"),
    }
}

fn put_gates(f: &mut Formatter<'_>, gates: &[Gate]) -> fmt::Result {
    if gates.is_empty() {
        return Ok(());
    }
    writeln!(f, "\ngates, in order")?;
    let width = gates.iter().map(|gate| gate.name.len()).max().unwrap_or(0);
    for Gate { name, verdict, reason } in gates {
        let line = format!("  {name:<width$}  {verdict:<7}  {reason}");
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

fn put_plan(f: &mut Formatter<'_>, plan: &[Value]) -> fmt::Result {
    if plan.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nplan")?;
    let width = plan.iter().map(|value| value.name.len()).max().unwrap_or(0);
    for Value { name, value, origin } in plan {
        let origin = if origin.is_empty() { String::new() } else { format!("  ({origin})") };
        writeln!(f, "  {name:<width$}  {value}{origin}")?;
    }
    Ok(())
}

fn put_backends(f: &mut Formatter<'_>, backends: &[Backend]) -> fmt::Result {
    if backends.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nbackends")?;
    for backend in backends {
        let mark = if backend.is_taken { '>' } else { ' ' };
        let share = match backend.is_canary {
            true => "canary".to_owned(),
            false => format!("weight {} of {}", backend.weight, backend.weight_total),
        };
        writeln!(f, "{mark} {}  {share}", backend.name)?;
        for Endpoint { address, health, in_flight, latency_micros, is_taken } in &backend.endpoints
        {
            let mark = if *is_taken { '>' } else { ' ' };
            let busy = match in_flight {
                0 => String::new(),
                count => format!(", {count} under way"),
            };
            let latency = latency_micros.map(|micros| format!(", answers in {micros} µs"));
            writeln!(f, "  {mark} {address}  {health}{busy}{}", latency.unwrap_or_default())?;
        }
        match (backend.endpoints.len(), backend.endpoints_left_out) {
            (0, _) => writeln!(f, "    no endpoints")?,
            (_, 0) => {}
            (_, more) => writeln!(f, "    and {more} more")?,
        }
    }
    Ok(())
}

/// As in a difference: `-` what the client sent, `+` what goes up in its place.
fn put_upstream(f: &mut Formatter<'_>, upstream: &Upstream) -> fmt::Result {
    let Upstream { backend, request_line, request_line_before, fields } = upstream;
    writeln!(f, "\nupstream, to {backend}")?;
    if request_line == request_line_before {
        writeln!(f, "  {request_line}")?;
    } else {
        writeln!(f, "- {request_line_before}\n+ {request_line}")?;
    }
    for Field { name, before, after } in fields {
        if before == after {
            writeln!(f, "  {name}: {}", after.as_deref().unwrap_or_default())?;
            continue;
        }
        for (mark, value) in [('-', before), ('+', after)] {
            if let Some(value) = value {
                writeln!(f, "{mark} {name}: {value}")?;
            }
        }
    }
    Ok(())
}
