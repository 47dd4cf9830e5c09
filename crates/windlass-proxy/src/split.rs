//! Which version a client gets while more than one has weight.
//!
//! A client carries a random id in a cookie. Each version gets a score from the id, its name and its weight (weighted
//! rendezvous hashing), and the highest wins: the shares are the weights, the order of the list does not matter, and
//! raising one version's weight moves clients only towards it.

use http::{HeaderMap, HeaderValue, header};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// Name of the cookie that keeps a client at its version during a gradual release.
pub const COOKIE: &str = "windlass-version";

/// The client's id, if it sent a cookie of ours.
pub(crate) fn client_id(headers: &HeaderMap) -> Option<u64> {
    headers.get_all(header::COOKIE).iter().find_map(|line| {
        line.to_str().ok()?.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE && value.len() == 16).then(|| u64::from_str_radix(value, 16).ok())?
        })
    })
}

/// An id for a client that has none.
pub(crate) fn new_id() -> u64 {
    // The keys of `RandomState` come from the system's randomness and differ for each value.
    RandomState::new().build_hasher().finish()
}

/// The cookie that carries an id; 30 days, longer than any gradual release.
pub(crate) fn set_cookie(id: u64) -> HeaderValue {
    let text = format!("{COOKIE}={id:016x}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).expect("hex digits and fixed text")
}

/// Index of the version that this client gets; weights of 0 never win. `None` without any weight.
pub(crate) fn choose<'a>(id: u64, versions: impl Iterator<Item = (&'a str, u32)>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, (version, weight)) in versions.enumerate().filter(|(_, (_, weight))| *weight > 0) {
        // Uniform in (0, 1): the upper 53 bits, and half a step up so that the logarithm is finite.
        let uniform = ((hash(id, version) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let score = -f64::from(weight) / uniform.ln();
        if best.is_none_or(|(_, top)| score > top) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

/// The same in every build and on every machine, unlike the standard library's hasher: FNV-1a, then the finaliser of
/// SplitMix64.
fn hash(id: u64, version: &str) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for byte in id.to_le_bytes().iter().chain(version.as_bytes()) {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENTS: u64 = 20_000;

    fn pick(id: u64, weights: &[(&'static str, u32)]) -> &'static str {
        weights[choose(id, weights.iter().copied()).unwrap()].0
    }

    #[test]
    fn shares_are_the_weights() {
        for seed in 0..8_u64 {
            for weights in [[("2.0.9", 80), ("2.1.0", 20)], [("a", 50), ("b", 50)], [("x", 99), ("y", 1)]] {
                let hits = (0..CLIENTS).filter(|n| pick(n ^ (seed << 32), &weights) == weights[1].0).count();
                let share = hits as f64 / CLIENTS as f64;
                let expected = f64::from(weights[1].1) / 100.0;
                // Five standard deviations.
                let slack = 5.0 * (expected * (1.0 - expected) / CLIENTS as f64).sqrt();
                assert!((share - expected).abs() < slack, "seed {seed}: {share} of {expected}");
            }
        }
    }

    #[test]
    fn raising_a_weight_moves_clients_one_way_whatever_the_order() {
        for id in 0..CLIENTS {
            let mut arrived = false;
            for weight in (0..=100).step_by(5) {
                let version = pick(id, &[("old", 100 - weight), ("new", weight)]);
                assert_eq!(version, pick(id, &[("new", weight), ("old", 100 - weight)]));
                assert!(!arrived || version == "new", "client {id} went back at {weight}");
                arrived = version == "new";
            }
            assert!(arrived);
        }
    }

    #[test]
    fn the_cookie_is_read_back() {
        let id = new_id();
        assert_ne!(id, new_id());
        let text = set_cookie(id).to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        assert_eq!(client_id(&headers), None);
        headers.append(header::COOKIE, format!("session=1; {text}; theme=dark").parse().unwrap());
        assert_eq!(client_id(&headers), Some(id));
        for bad in
            ["windlass-version=", "windlass-version=zzzzzzzzzzzzzzzz", "xwindlass-version=0123456789abcdef"]
        {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, bad.parse().unwrap());
            assert_eq!(client_id(&headers), None);
        }
    }
}
