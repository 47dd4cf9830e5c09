//! `cargo run -p windlass-lab -- mysql`: a server with an empty database, by hand. It prints the server's number, its folder
//! and the database's URL, and ends with its standard input, or panics then when a second word says `panic`.

use std::io::Read;

use windlass_lab::{Flavor, server};

#[expect(clippy::print_stdout, reason = "the program of this crate, for people and for its own tests")]
fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let found = Flavor::ALL.into_iter().find(|flavor| flavor.name() == name);
    let flavor =
        found.unwrap_or_else(|| panic!("which server? one of {}", Flavor::ALL.map(Flavor::name).join(", ")));
    let server = server(flavor);
    let folder = server.data().parent().expect("a data folder lies in a server's folder");
    println!("{} {} {}", server.pid(), folder.display(), server.database().url());
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    assert_ne!(words.next().as_deref(), Some("panic"), "as asked");
}
