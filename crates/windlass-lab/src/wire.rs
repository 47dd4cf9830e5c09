//! A forwarder in front of a server, that cuts connections when a test says so.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// A TCP port of 127.0.0.1 that leads to another one. Dropped, it cuts everything and listens no more.
pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Both ends of each connection.
    connections: Vec<(u64, TcpStream, TcpStream)>,
    opened: u64,
    armed: Option<Armed>,
    passed: [u64; 2],
    cuts: u32,
    is_refusing: bool,
    is_stalled: bool,
    is_over: bool,
}

/// A cut to come.
struct Armed {
    direction: Direction,
    /// How many bytes still pass in this direction.
    left: u64,
    /// One connection reached the end and is about to cut: what others bring until then does not pass any more.
    is_due: bool,
}

/// What becomes of bytes that were read.
struct Passage {
    bytes: usize,
    /// The connection that they belong to cuts all, once they are written.
    is_cut: bool,
    /// Another connection is about to cut this one.
    is_lost: bool,
}

impl Armed {
    fn passage(&mut self, read: usize) -> Passage {
        if self.is_due {
            return Passage { bytes: 0, is_cut: false, is_lost: true };
        }
        let bytes = read.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes as u64;
        self.is_due = bytes < read || self.left == 0;
        Passage { bytes, is_cut: self.is_due, is_lost: false }
    }
}

impl State {
    fn cut(&mut self) {
        for (_, client, server) in self.connections.drain(..) {
            // One that its peer has closed is as good as cut.
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
        self.cuts += 1;
        self.armed = None;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    /// Forwards to this port of 127.0.0.1.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|e| panic!("lab: no free port: {e}"));
        let own = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, port, &theirs));
        Self { port: own, shared }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection now. New ones pass.
    pub fn cut(&self) {
        self.shared.state().cut();
    }

    /// Lets `bytes` more pass in this direction, over all connections together, then cuts all of them, once. New ones pass.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.shared.state().armed = Some(Armed { direction, left: bytes, is_due: false });
    }

    /// [`Wire::cut_after`] with a direction and 0 to `bytes_max` bytes that follow from the seed, and are returned for the
    /// test's message.
    pub fn cut_by_seed(&self, seed: u64, bytes_max: u64) -> (Direction, u64) {
        let direction = if mix(seed) & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let bytes = mix(seed ^ 0xA5A5_A5A5) % (bytes_max + 1);
        self.cut_after(direction, bytes);
        (direction, bytes)
    }

    /// No cut after some bytes any more.
    pub fn disarm(&self) {
        self.shared.state().armed = None;
    }

    /// New connections are closed at once, as long as `is_refusing`.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.state().is_refusing = is_refusing;
    }

    /// Nothing passes and nothing is closed, as long as `is_stalled`: a network that swallows everything.
    pub fn stall(&self, is_stalled: bool) {
        self.shared.state().is_stalled = is_stalled;
        self.shared.changed.notify_all();
    }

    /// How often connections were cut, by [`Wire::cut`] or after some bytes.
    #[must_use]
    pub fn cuts(&self) -> u32 {
        self.shared.state().cuts
    }

    /// Bytes that passed in this direction so far.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> u64 {
        self.shared.state().passed[direction as usize]
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.state().connections.len()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_over = true;
        state.cut();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn accept(listener: &TcpListener, port: u16, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let mut state = shared.state();
        if state.is_over {
            return;
        }
        if state.is_refusing {
            continue;
        }
        // A server that is gone: the client sees its connection closed.
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let number = state.opened;
        if let Some(ends) = pump_both(number, &client, &server, shared) {
            state.opened += 1;
            state.connections.push((number, ends.0, ends.1));
        }
    }
}

fn pump_both(
    number: u64,
    client: &TcpStream,
    server: &TcpStream,
    shared: &Arc<Shared>,
) -> Option<(TcpStream, TcpStream)> {
    for end in [client, server] {
        end.set_nodelay(true).ok()?;
    }
    for (direction, from, to) in
        [(Direction::ToServer, client, server), (Direction::ToClient, server, client)]
    {
        let (from, to, shared) = (from.try_clone().ok()?, to.try_clone().ok()?, Arc::clone(shared));
        thread::spawn(move || pump(number, direction, from, to, &shared));
    }
    Some((client.try_clone().ok()?, server.try_clone().ok()?))
}

fn pump(number: u64, direction: Direction, mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let mut state = shared.state();
        while state.is_stalled && !state.is_over {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let passage = match &mut state.armed {
            Some(armed) if armed.direction == direction && read > 0 => armed.passage(read),
            _ => Passage { bytes: read, is_cut: false, is_lost: false },
        };
        state.passed[direction as usize] += passage.bytes as u64;
        drop(state);
        let is_written = to.write_all(&buffer[..passage.bytes]).is_ok();
        if passage.is_cut {
            shared.state().cut();
        }
        if passage.is_cut || passage.is_lost || read == 0 || !is_written {
            break;
        }
    }
    // The other direction ends by itself when its end is closed; only then is the connection gone.
    let _ = to.shutdown(Shutdown::Write);
    let mut state = shared.state();
    if direction == Direction::ToClient {
        let _ = from.shutdown(Shutdown::Both);
        state.connections.retain(|(at, ..)| *at != number);
    }
}

/// Splitmix64: neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
