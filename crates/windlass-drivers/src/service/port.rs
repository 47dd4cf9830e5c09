//! The port of an instance that gets one of its own.

use std::{fs, io, net::TcpListener};

/// Below these are ports that people give their servers, so one that is down for a moment keeps its own.
const LOWEST: u16 = 29_100;
/// As many are looked at before it is said that there is none.
const TRIES_MAX: u16 = 200;
/// Where Linux says from which ports outgoing connections take theirs (`Documentation/networking/ip-sysctl.rst`).
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A port on which nobody listens, and which no outgoing connection of this machine takes by itself before the service
/// has it. Another service may still take it: that is seen afterwards, by [`lost`].
///
/// # Errors
/// There is none.
pub fn free() -> io::Result<u16> {
    let any = port_of(0)?;
    let span = first_outgoing().and_then(|first| first.checked_sub(LOWEST)).filter(|span| *span >= TRIES_MAX);
    // Where outgoing connections may have any of them, no port is better than another.
    let Some(span) = span else { return Ok(any) };
    // What the kernel chose is as good as a random number.
    let chosen = (any..any.saturating_add(TRIES_MAX)).find_map(|at| port_of(LOWEST + at % span).ok());
    Ok(chosen.unwrap_or(any))
}

fn first_outgoing() -> Option<u16> {
    fs::read_to_string(OUTGOING).ok()?.split_whitespace().next()?.parse().ok()
}

/// The port, when it can be had; 0 is any. On all addresses, since the service may listen on any.
fn port_of(port: u16) -> io::Result<u16> {
    Ok(TcpListener::bind(("0.0.0.0", port))?.local_addr()?.port())
}

/// Whether a service that ended while it started, with this output, did so since another had its port: it has it still,
/// or the service said so in the words of the C library or of Node.js (the other may have been quick).
pub fn lost(port: u16, output: &str) -> bool {
    let says = |words: &str| output.lines().any(|line| line.to_ascii_lowercase().contains(words));
    says("address already in use")
        || says("eaddrinuse")
        || port_of(port).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outgoing_connection_takes_it() {
        // Where outgoing connections may have any, there is nothing to choose.
        let Some(first) = first_outgoing().filter(|first| *first >= LOWEST + TRIES_MAX) else { return };
        for _ in 0..50 {
            let port = free().unwrap();
            assert!((LOWEST..first).contains(&port), "{port} is one of the outgoing, from {first}");
        }
    }

    #[test]
    fn one_that_is_taken_is_not_chosen_and_known_as_lost() {
        let taken: Vec<TcpListener> =
            (0..20).map(|_| TcpListener::bind(("0.0.0.0", free().unwrap())).unwrap()).collect();
        let port = taken[0].local_addr().unwrap().port();
        assert!(lost(port, "no database"));
        assert!(!lost(0, "no database"), "any port can be had");
        assert!(lost(0, "listen tcp :29200: bind: address already in use\n"));
        assert!(lost(0, "Error: listen EADDRINUSE: address already in use :::29200\n"));
    }
}
