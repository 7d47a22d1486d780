//! Asks the running server over HTTP, by hand: two GETs are not worth a client library.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Whether the server takes requests and uplinks.
pub(crate) fn is_ready(server: SocketAddr) -> bool {
    get(server, "/readyz").is_ok()
}

/// The server's metrics.
pub(crate) fn scrape(server: SocketAddr) -> Result<Metrics> {
    Ok(Metrics(get(server, "/metrics")?))
}

fn get(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(2)).context("no connection")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("the answer is no text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no head")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// Metrics in Prometheus' text form.
#[derive(Debug, Default)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// From its text.
    #[cfg(test)]
    fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A counter, summed over all labels; none when it was never counted.
    pub(crate) fn counter(&self, name: &str) -> Option<f64> {
        let values: Vec<f64> = self.samples(name).map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The quantile (0 to 1) of a histogram, straight between the bounds of its bucket; of all label sets together.
    pub(crate) fn quantile(&self, name: &str, quantile: f64) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (labels, count) in self.samples(&format!("{name}_bucket")) {
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            let bound: f64 = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = buckets.last()?.1 * quantile;
        if wanted == 0.0 {
            return None;
        }
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in buckets {
            if count >= wanted {
                let high = if bound.is_finite() { bound } else { low };
                return Some(low + (high - low) * (wanted - below) / (count - below).max(f64::MIN_POSITIVE));
            }
            (low, below) = (bound, count);
        }
        None
    }

    fn samples<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
        let name = name.to_owned();
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name.as_str())?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE calls counter\ncalls{tenant=\"a\"} 3\ncalls{tenant=\"b\"} 4\ncalls_more 9\n\
        took_bucket{le=\"0.001\"} 50\ntook_bucket{le=\"0.002\"} 100\ntook_bucket{le=\"+Inf\"} 100\ntook_sum 0.1\ntook_count 100\n";

    #[test]
    fn a_counter_is_summed_over_its_labels_and_no_other_name() {
        assert_eq!(Metrics::of(TEXT).counter("calls"), Some(7.0));
        assert_eq!(Metrics::of(TEXT).counter("call"), None);
    }

    #[test]
    fn a_quantile_lies_between_the_bounds_of_its_bucket() {
        let metrics = Metrics::of(TEXT);
        assert_eq!(metrics.quantile("took", 0.5), Some(0.001));
        assert!((metrics.quantile("took", 0.75).unwrap() - 0.0015).abs() < 1e-9);
        assert_eq!(metrics.quantile("none", 0.5), None);
    }
}
