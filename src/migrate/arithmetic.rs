//! Limits as sums: what they let pass with the pods of ingress-nginx, and with those of Ringway.

use super::facts::Facts;
use super::report::{Finding, Verdict};

/// Where nobody says it, in both.
const MULTIPLIER: u64 = 5;

/// Limits of an Ingress, each as a finding.
pub(super) fn limits(facts: &Facts<'_>) -> Vec<Finding> {
    let number = |name: &str| facts.value(name).parse::<u64>().ok().filter(|number| *number > 0);
    let multiplier = number("limit-burst-multiplier").unwrap_or(MULTIPLIER);
    let rows = [
        ("limit-rps", "requests a second", true),
        ("limit-rpm", "requests a minute", true),
        ("limit-connections", "requests under way", false),
    ];
    let rows = rows.into_iter().filter_map(|(name, unit, has_burst)| {
        let limit = number(name)?;
        let mut text = format!("A pod lets a client have {limit} {unit}, here as there");
        if has_burst {
            let burst = limit.saturating_mul(multiplier).saturating_add(1);
            text += &format!(", and {burst} at once ({limit} × {multiplier} + 1)");
        }
        text += ": all workers of ingress-nginx share one count, and so do all cores of Ringway.";
        let (verdict, sums) = sums(facts, limit, unit);
        Some(Finding::new(verdict, format!("{name}: {limit}"), text + &sums))
    });
    rows.collect()
}

fn sums(facts: &Facts<'_>, limit: u64, unit: &str) -> (Verdict, String) {
    let (old, new) = (facts.world.replicas, facts.world.new_replicas);
    let (Some(before), Some(after)) = (old.most(), new.most()) else {
        let text = format!(" With {} it is as many times that, in both.", old.words());
        return (Verdict::Works, text);
    };
    let sum = |pods: u32| limit.saturating_mul(u64::from(pods));
    let text = format!(
        " All pods together: {before} × {limit} = {} {unit} with ingress-nginx, {after} × {limit} \
         = {} with Ringway; while both serve, up to {}.",
        sum(before),
        sum(after),
        sum(before.saturating_add(after)),
    );
    (if before == after { Verdict::Works } else { Verdict::Differs }, text)
}
