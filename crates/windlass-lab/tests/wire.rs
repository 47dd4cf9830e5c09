//! The forwarder, between two plain sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it wants has to fail")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use windlass_lab::{Direction, Wire};

/// Both ends of a connection through the wire: the client's, the server's.
fn connect(wire: &Wire, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(("127.0.0.1", wire.port())).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

fn wire() -> (Wire, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    (Wire::to(listener.local_addr().unwrap().port()), listener)
}

/// Everything that comes until the connection ends, in whichever way.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn passes_both_ways_and_half_closes() {
    let (wire, listener) = wire();
    let (mut client, mut server) = connect(&wire, &listener);
    client.write_all(b"question").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"question");
    server.write_all(b"answer").unwrap();
    drop(server);
    assert_eq!(rest(&mut client), b"answer");
    assert_eq!((wire.passed(Direction::ToServer), wire.passed(Direction::ToClient), wire.cuts()), (8, 6, 0));
}

#[test]
fn cuts_at_the_exact_byte_in_either_direction() {
    for bytes in [0, 1, 5, 999, 40_000] {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (wire, listener) = wire();
            let (client, server) = connect(&wire, &listener);
            wire.cut_after(direction, bytes);
            let (mut from, mut to) =
                if direction == Direction::ToServer { (client, server) } else { (server, client) };
            let writer = thread::spawn(move || {
                let _ = from.write_all(&[7; 100_000]);
                rest(&mut from)
            });
            assert_eq!(rest(&mut to).len() as u64, bytes, "{direction:?}");
            assert_eq!(writer.join().unwrap(), b"", "the other end sees the cut too");
            assert_eq!(wire.cuts(), 1);
            let (mut client, mut server) = connect(&wire, &listener);
            client.write_all(&[1; 10]).unwrap();
            server.read_exact(&mut [0; 10]).unwrap();
        }
    }
}

#[test]
fn counts_over_connections_and_cuts_all_of_them() {
    let (wire, listener) = wire();
    let (mut one, mut one_server) = connect(&wire, &listener);
    let (mut two, mut two_server) = connect(&wire, &listener);
    wire.cut_after(Direction::ToServer, 15);
    one.write_all(&[1; 10]).unwrap();
    one_server.read_exact(&mut [0; 10]).unwrap();
    two.write_all(&[2; 10]).unwrap();
    assert_eq!(rest(&mut two_server).len(), 5);
    assert_eq!(rest(&mut one_server).len(), 0);
    assert_eq!((rest(&mut one).len(), rest(&mut two).len(), wire.cuts()), (0, 0, 1));
}

#[test]
fn connections_that_reach_the_end_together_are_cut_once() {
    for round in 0..50 {
        let (wire, listener) = wire();
        let both: Vec<_> = (0..16).map(|_| connect(&wire, &listener)).collect();
        let (clients, servers): (Vec<_>, Vec<_>) = both.into_iter().unzip();
        wire.cut_after(Direction::ToServer, 5);
        let start = Arc::new(Barrier::new(clients.len()));
        let writers: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    let _ = client.write_all(&[1; 10]);
                    rest(&mut client)
                })
            })
            .collect();
        let came: usize = servers.into_iter().map(|mut server| rest(&mut server).len()).sum();
        writers.into_iter().for_each(|writer| assert_eq!(writer.join().unwrap(), b""));
        assert_eq!((came, wire.cuts()), (5, 1), "round {round}");
    }
}

#[test]
fn cuts_now_refuses_and_stalls() {
    let (wire, listener) = wire();
    let (mut client, mut server) = connect(&wire, &listener);
    wire.cut();
    assert_eq!((rest(&mut client).len(), rest(&mut server).len()), (0, 0));

    wire.refuse(true);
    let mut refused = TcpStream::connect(("127.0.0.1", wire.port())).unwrap();
    assert_eq!(rest(&mut refused).len(), 0);
    wire.refuse(false);

    let (mut client, mut server) = connect(&wire, &listener);
    wire.stall(true);
    client.write_all(b"late").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(server.read(&mut [0; 4]).is_err(), "nothing passes");
    wire.stall(false);
    server.set_read_timeout(None).unwrap();
    let mut bytes = [0; 4];
    server.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"late");

    let port = wire.port();
    drop(wire);
    assert_eq!(rest(&mut client).len(), 0);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(30), "a dropped wire listens");
    }
}

#[test]
fn seeds_give_the_same_cut_again_and_both_directions() {
    let (wire, _listener) = wire();
    let cuts: Vec<_> = (0..100).map(|seed| wire.cut_by_seed(seed, 1000)).collect();
    assert_eq!(cuts, (0..100).map(|seed| wire.cut_by_seed(seed, 1000)).collect::<Vec<_>>());
    let to_server = cuts.iter().filter(|(direction, _)| *direction == Direction::ToServer).count();
    assert!((20..80).contains(&to_server), "{to_server}");
    assert!(cuts.iter().all(|(_, bytes)| *bytes <= 1000) && cuts.iter().any(|(_, bytes)| *bytes > 900));
}
