//! Certificates for servers with TLS.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use crate::process::{Account, command, run};

/// A certificate authority of a test's own, with the certificate of one server.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// Not the system's file: that has extensions of its own.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = ";

impl Authority {
    /// Makes an authority in `folder`, which exists, and a certificate of a server that is known by `names`, written as in
    /// `IP:127.0.0.1,DNS:localhost`. Panics when openssl fails.
    #[must_use]
    pub fn new(folder: &Path, names: &str) -> Self {
        let configuration = folder.join("openssl.cnf");
        let written = fs::write(&configuration, format!("{CONFIGURATION}{names}\n"));
        written.unwrap_or_else(|e| panic!("lab: {}: {e}", configuration.display()));
        let request = |name: &str, more: &[&str]| {
            let mut openssl = command("openssl");
            openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
            openssl.args(["-days", "30", "-config", "openssl.cnf", "-extensions", name]);
            openssl.args(["-subj", &format!("/CN=lab {name}")]);
            openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
            run(openssl.args(more).current_dir(folder));
        };
        request("authority", &[]);
        request("server", &["-CA", "authority.pem", "-CAkey", "authority.key"]);
        Self { folder: folder.to_owned() }
    }

    /// The file that clients trust, PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The server's certificate and key, PEM.
    #[must_use]
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("server.pem"), self.folder.join("server.key"))
    }

    /// PostgreSQL reads only a key that is its own and nobody else may read.
    pub(crate) fn hand_over(&self, account: Option<&Account>) {
        let (certificate, key) = self.server();
        for (file, mode) in [(certificate, 0o644), (key, 0o600)] {
            let changed =
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).and_then(|()| match account {
                    Some(Account { uid, gid }) => chown(&file, Some(*uid), Some(*gid)),
                    None => Ok(()),
                });
            changed.unwrap_or_else(|e| panic!("lab: {}: {e}", file.display()));
        }
    }
}
