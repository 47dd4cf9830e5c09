use super::*;
use crate::split;
use std::collections::BTreeMap;

fn target(version: &str, address: &str) -> Arc<Target> {
    let upstream = Upstream { version: version.into(), address: address.into(), weight: 0, health: None };
    Arc::new(Target::new(upstream))
}

fn gate(workers: usize) -> Gate {
    Gate::new(workers, Duration::from_secs(60), 1000)
}

fn go(gate: &Gate, worker: usize, headers: &HeaderMap) -> Ticket {
    match gate.claim(worker, Asked { headers, safe: true }) {
        Claim::Go(ticket) => ticket,
        _ => panic!("not let through"),
    }
}

fn version(ticket: &Ticket) -> String {
    ticket.lane.target.upstream.version.clone()
}

/// The promise of the whole crate, with real threads: after a change returned, no request is or gets on what it
/// replaced, except those that were there before.
#[test]
fn no_request_lands_on_what_was_switched_out() {
    const WORKERS: usize = 3;
    let gate = Arc::new(gate(WORKERS));
    let generations: Vec<Arc<Target>> = (0..100).map(|n| target(&n.to_string(), "h:1")).collect();
    let current = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let claims = Arc::new(AtomicU64::new(0));
    gate.change(vec![(Arc::clone(&generations[0]), 100)], None);
    let clients: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (gate, current, over) = (Arc::clone(&gate), Arc::clone(&current), Arc::clone(&over));
            let claims = Arc::clone(&claims);
            std::thread::spawn(move || {
                let headers = HeaderMap::new();
                while !over.load(SeqCst) {
                    // What a change that has returned put in force; a later one may come meanwhile.
                    let at_least = current.load(SeqCst);
                    let ticket = go(&gate, worker, &headers);
                    let got: usize = version(&ticket).parse().unwrap();
                    assert!(got >= at_least, "version {got} after the switch to {at_least}");
                    claims.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for (n, next) in generations.iter().enumerate().skip(1) {
        // Some traffic between two switches; a client that found a fault is gone, and its fault is told below.
        let before = claims.load(SeqCst);
        while claims.load(SeqCst) < before + 4 && !clients.iter().any(std::thread::JoinHandle::is_finished) {
            std::thread::yield_now();
        }
        gate.change(vec![(Arc::clone(next), 100)], None);
        current.store(n, SeqCst);
        // Those that were there before leave, and none joins them: the count never rises again.
        let due = gate.due();
        let count = || due.iter().map(|lane| lane.in_flight.load(SeqCst)).sum::<usize>();
        let mut left = count();
        while left > 0 {
            let now = count();
            assert!(now <= left, "a request joined a retired upstream");
            left = now;
            std::thread::yield_now();
        }
    }
    over.store(true, SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let status = gate.status();
    assert_eq!(status.upstreams[0].in_flight, 0);
    assert!(status.versions.len() <= VERSIONS_MAX, "counters of {} versions", status.versions.len());
}

#[test]
fn a_hold_replaces_lanes_of_upstreams_that_stay() {
    let gate = gate(1);
    let one = target("1", "h:1");
    gate.change(vec![(Arc::clone(&one), 100)], None);
    let before = go(&gate, 0, &HeaderMap::new());
    gate.change(vec![(Arc::clone(&one), 100)], None);
    let unchanged = go(&gate, 0, &HeaderMap::new());
    assert!(Arc::ptr_eq(&before.lane, &unchanged.lane), "the same upstreams again");
    gate.change(vec![(Arc::clone(&one), 100)], Some(Hold::now(1)));
    assert!(
        before.lane.retired()
            && matches!(gate.claim(0, Asked { headers: &HeaderMap::new(), safe: true }), Claim::Wait(_))
    );
    gate.change(vec![(Arc::clone(&one), 100)], None);
    assert!(!Arc::ptr_eq(&before.lane, &go(&gate, 0, &HeaderMap::new()).lane));
    assert_eq!(gate.status().upstreams[0].in_flight, 2);
    assert!(gate.due().is_empty(), "in use again: a later switch of weights must not cut them");
}

#[test]
fn taking_away_the_weight_retires_and_lowering_it_does_not() {
    let gate = gate(1);
    let (one, two) = (target("1", "h:1"), target("2", "h:2"));
    let set = |a, b| vec![(Arc::clone(&one), a), (Arc::clone(&two), b)];
    gate.change(set(100, 0), None);
    let ticket = go(&gate, 0, &HeaderMap::new());
    gate.change(set(50, 50), None);
    assert!(!ticket.lane.retired());
    gate.change(set(0, 100), None);
    assert!(ticket.lane.retired());
    assert_eq!(gate.due().len(), 1);
}

#[test]
fn clients_keep_their_version_and_shares_are_the_weights() {
    let gate = gate(1);
    gate.change(vec![(target("1", "h:1"), 80), (target("2", "h:2"), 20)], None);
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..2000 {
        let ticket = go(&gate, 0, &HeaderMap::new());
        let cookie = split::set_cookie(ticket.new_client.unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(http::header::COOKIE, cookie);
        let again = go(&gate, 0, &headers);
        assert_eq!((version(&again), again.new_client), (version(&ticket), None));
        *shares.entry(version(&ticket)).or_default() += 1;
    }
    // Ids are random here; nine standard deviations.
    assert!((240..560).contains(&shares["2"]), "{shares:?}");
}

#[tokio::test]
async fn load_goes_by_weight_and_around_the_unhealthy() {
    let gate = gate(1);
    let nobody =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let (one, two) = (target("1", "h:1"), target("1", &nobody));
    gate.change(vec![(Arc::clone(&one), 75), (Arc::clone(&two), 25)], None);
    let tickets: Vec<Ticket> = (0..100).map(|_| go(&gate, 0, &HeaderMap::new())).collect();
    let of_two = tickets.iter().filter(|ticket| Arc::ptr_eq(&ticket.lane.target, &two)).count();
    assert!((20..=30).contains(&of_two), "{of_two} of 100");
    assert!(tickets.iter().all(|ticket| ticket.new_client.is_none()), "one version needs no cookie");
    drop(tickets);

    let checks = crate::config::Health { interval_ms: 1, timeout_ms: 1000, unhealthy_after: 2 };
    tokio::spawn(crate::health::watch(Arc::downgrade(&two), checks, crate::config::Log::default()));
    while !two.unhealthy() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..50 {
        assert!(Arc::ptr_eq(&go(&gate, 0, &HeaderMap::new()).lane.target, &one));
    }
    // All unhealthy: it goes on trying.
    gate.change(vec![(two, 100)], None);
    drop(go(&gate, 0, &HeaderMap::new()));
}
