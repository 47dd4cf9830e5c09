//! `cargo run -p windlass-lab -- mysql`: a server with an empty database, by hand. It prints the server's number, its folder
//! and the database's URL, and ends with its standard input. A second word `durable` asks for a server with fsync; with `panic` it
//! panics at its end. `seaweedfs` and `moto` are object stores: it prints both keys and the endpoint.

use std::io::Read;

use windlass_lab::{ACCESS_KEY, Flavor, SECRET_KEY, Setup, Store, StoreKind};

#[expect(clippy::print_stdout, reason = "the program of this crate, for people and for its own tests")]
fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    if let Some(kind) = StoreKind::ALL.into_iter().find(|kind| kind.name() == name) {
        let store = Store::start(kind);
        println!("{ACCESS_KEY} {SECRET_KEY} {}", store.endpoint());
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        return;
    }
    let found = Flavor::ALL.into_iter().find(|flavor| flavor.name() == name);
    let flavor =
        found.unwrap_or_else(|| panic!("which server? one of {}", Flavor::ALL.map(Flavor::name).join(", ")));
    let word = words.next().unwrap_or_default();
    let setup = Setup::new(flavor);
    let server = if word == "durable" { setup.durable() } else { setup }.start();
    let folder = server.data().parent().expect("a data folder lies in a server's folder");
    println!("{} {} {}", server.pid(), folder.display(), server.database().url());
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    assert_ne!(word, "panic", "as asked");
}
