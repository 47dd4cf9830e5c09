//! A mail server on a port of its own, as far as RFC 5321 is needed to receive a mail in the clear.

use base64::Engine as _;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Wants a name and a password, and takes every mail.
    Login,
    /// Knows no receiver.
    Refuse,
    /// Has taken a mail twice before it says so.
    Late,
}

#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub login: Option<String>,
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    heard: String,
}

/// Its thread ends with the process of the test.
pub struct MailServer {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl MailServer {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that leaves in the middle is one of the tests.
                serve(&stream, behaviour, &shared).ok();
            }
        });
        Self { port, seen }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.seen.lock().unwrap().mails.clone()
    }

    pub fn heard(&self) -> String {
        self.seen.lock().unwrap().heard.clone()
    }
}

fn serve(stream: &TcpStream, behaviour: Behaviour, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let (mut lines, mut out) = (BufReader::new(stream), stream);
    let mut mail = Mail::default();
    out.write_all(b"220 mail.test ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        seen.lock().unwrap().heard.push_str(&line);
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
            "AUTH" => {
                let given = line.rsplit(' ').next().unwrap_or_default();
                let given = base64::engine::general_purpose::STANDARD.decode(given).unwrap();
                mail.login = Some(String::from_utf8(given).unwrap());
                "235 welcome\r\n"
            }
            "MAIL" if behaviour == Behaviour::Login && mail.login.is_none() => "530 who are you\r\n",
            "MAIL" => {
                address(line).clone_into(&mut mail.from);
                "250 ok\r\n"
            }
            "RCPT" if behaviour == Behaviour::Refuse => "550 no such user here\r\n",
            "RCPT" => {
                mail.to.push(address(line).to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                mail.text = text(&mut lines)?;
                let mails = &mut seen.lock().unwrap().mails;
                mails.push(mail.clone());
                match behaviour {
                    Behaviour::Late if mails.len() < 3 => "451 try again\r\n",
                    _ => "250 queued\r\n",
                }
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => "250 ok\r\n",
        };
        out.write_all(reply.as_bytes())?;
    }
}

/// `<a@b>` of `MAIL FROM:<a@b> BODY=8BITMIME`.
fn address(line: &str) -> &str {
    let rest = line.split_once(':').map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().unwrap_or_default()
}

fn text(lines: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let from = text.len();
        if lines.read_line(&mut text)? == 0 || &text[from..] == ".\r\n" {
            text.truncate(from);
            return Ok(text);
        }
    }
}
