//! TCP and UDP services.

use std::time::Duration;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, set};
use crate::control::lower::ingress::annotations::row::State::Supported;
use crate::filter::nginx_time;
use crate::limits::{FLAG_SECONDS_MAX, TRIES_MAX};

pub(super) const KEYS: &[Key] = &[
    key("proxy-stream-next-upstream", "true", Supported)
        .put(|text, globals| set(&mut globals.streams.goes_on, flag(text)))
        .doc("Another endpoint is asked where one cannot be connected to."),
    key("proxy-stream-next-upstream-timeout", "600s", Supported)
        .put(|text, globals| time(text, &mut globals.streams.tries_time))
        .doc("Within which time; 0: at any time."),
    key("proxy-stream-next-upstream-tries", "3", Supported)
        .put(tries)
        .doc("How many are asked, the first among them; 0: up to 20."),
    key("proxy-stream-responses", "1", Supported)
        .put(responses)
        .doc("Datagrams that answer a datagram; behind them its session ends."),
    key("proxy-stream-timeout", "600s", Supported)
        .put(idle)
        .doc("How long nothing may move on a connection, or in a session of datagrams."),
];

fn tries(text: &str, globals: &mut Globals) -> Result<(), String> {
    let tries: u32 = text.parse().or(Err("it is no number"))?;
    globals.streams.tries = if tries == 0 { TRIES_MAX } else { tries.min(TRIES_MAX) };
    Ok(())
}

fn responses(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.streams.responses = text.parse().or(Err("it is no number"))?;
    Ok(())
}

fn idle(text: &str, globals: &mut Globals) -> Result<(), String> {
    let mut idle = Duration::ZERO;
    time(text, &mut idle)?;
    if idle.is_zero() {
        return Err("nothing could move in that time".to_owned());
    }
    globals.streams.idle_timeout = idle;
    Ok(())
}

fn time(text: &str, place: &mut Duration) -> Result<(), String> {
    let time = nginx_time(text).or(Err("it is no time, as 600s or 10m"))?;
    if time > Duration::from_secs(FLAG_SECONDS_MAX.into()) {
        return Err("it is more than a year".to_owned());
    }
    *place = time;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::lower::configmap::groups;
    use crate::model::StreamPolicy;

    #[test]
    fn keys_say_how_connections_are_relayed() {
        let read = |data: &[(&str, &str)]| {
            let mut globals = Globals::default();
            for (name, value) in data {
                let key = groups::find(name).unwrap_or_else(|| panic!("{name}"));
                key.put_into(value, &mut globals)?;
            }
            Ok::<_, String>(globals.streams)
        };
        let all = [
            ("proxy-stream-next-upstream", "false"),
            ("proxy-stream-next-upstream-timeout", "0"),
            ("proxy-stream-next-upstream-tries", "0"),
            ("proxy-stream-responses", "2"),
            ("proxy-stream-timeout", "90m"),
        ];
        let expected = StreamPolicy {
            idle_timeout: Duration::from_secs(5400),
            goes_on: false,
            tries: TRIES_MAX,
            tries_time: Duration::ZERO,
            responses: 2,
        };
        assert_eq!(read(&[]), Ok(StreamPolicy::default()));
        assert_eq!(read(&all), Ok(expected));
        for (name, value, why) in [
            ("proxy-stream-next-upstream", "on", "it is no truth value"),
            ("proxy-stream-next-upstream-tries", "-1", "it is no number"),
            ("proxy-stream-responses", "many", "it is no number"),
            ("proxy-stream-next-upstream-timeout", "soon", "it is no time, as 600s or 10m"),
            ("proxy-stream-timeout", "2y", "it is more than a year"),
            ("proxy-stream-timeout", "0s", "nothing could move in that time"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(why.to_owned()), "{name}");
        }
    }
}
