//! The address that clients use: bound once, named when someone else has it, and TLS for it.

use crate::{config::Tls, error::ProxyError};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Arc,
};

/// Connections that wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Binds the listening socket.
pub(crate) fn bind(address: &str) -> Result<std::net::TcpListener, ProxyError> {
    let error = |holder: String, source| ProxyError::Listen { address: address.to_owned(), holder, source };
    let addresses: Vec<SocketAddr> =
        address.to_socket_addrs().map_err(|source| error(String::new(), source))?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in addresses {
        match bind_one(candidate) {
            Ok(listener) => return Ok(listener),
            Err(failed) => {
                if failed.kind() == io::ErrorKind::AddrInUse {
                    let holder =
                        holder(candidate.port()).map_or(String::new(), |who| format!(" ({who} has it)"));
                    return Err(error(holder, failed));
                }
                last = failed;
            }
        }
    }
    Err(error(String::new(), last))
}

fn bind_one(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // Connections of a proxy before us in TIME_WAIT do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// `process PID (name)` that listens on a TCP port, as far as this user may see it.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|table| listening_inodes(table, port)).collect();
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(link) = std::fs::read_link(descriptor.path()) else { continue };
            if sockets.iter().any(|socket| link.as_os_str() == socket.as_str()) {
                let pid = process.file_name().to_string_lossy().into_owned();
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("process {pid}, {}", name.trim()));
            }
        }
    }
    None
}

/// Inodes of the sockets in state LISTEN (0A) on a port; the columns are those of `proc(5)`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let text = std::fs::read_to_string(table).unwrap_or_default();
    let suffix = format!(":{port:04X}");
    text.lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listens = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == "0A";
            listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

/// Reads certificate and key; ALPN offers HTTP/2 and HTTP/1.1.
pub(crate) fn tls(files: &Tls) -> Result<tokio_rustls::TlsAcceptor, ProxyError> {
    let wrong =
        |what, path: &Path, message: String| ProxyError::Tls { what, path: path.to_path_buf(), message };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("certificate", &files.cert, pem_message(&error)))?;
    if chain.is_empty() {
        return Err(wrong("certificate", &files.cert, "there is no PEM certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| wrong("key", &files.key, pem_message(&error)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            wrong("key", &files.key, format!("does not go with {}: {error}", files.cert.display()))
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

/// What is wrong with a PEM file, without any of its content.
fn pem_message(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "there is none in it, in PEM form".into(),
        _ => "it is no valid PEM".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_address_and_process() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind(&address).unwrap_err().to_string();
        assert!(
            error.contains(&address) && error.contains(&format!("process {},", std::process::id())),
            "{error}"
        );
        assert!(bind("no-port").unwrap_err().to_string().contains("no-port"));
    }

    #[test]
    fn tls_files_that_cannot_be_used_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        let files = Tls { cert: cert.clone(), key: key.clone() };
        let told = |files: &Tls| match tls(files) {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        };
        assert!(told(&files).contains("c.pem"));
        std::fs::write(&cert, "no certificate").unwrap();
        assert!(told(&files).contains("certificate"));
        std::fs::write(&cert, include_str!("../tests/data/cert.pem")).unwrap();
        assert!(told(&files).contains("k.pem"));
        std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n").unwrap();
        let error = told(&files);
        assert!(error.contains("k.pem") && !error.contains("c2VjcmV0"), "{error}");
    }
}
