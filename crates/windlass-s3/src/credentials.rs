//! Credentials, as AWS's tools find them: variables, files with profiles (also roles of them), SSO, web identity, processes, containers,
//! machines. What they look at is what [`Settings`] give, not this process.

use crate::{
    error::{Error, Kind},
    http::Wire,
    settings::Settings,
    sign::Keys,
};
use bytes::Bytes;
use reqsign_aws_core::{Credential, DefaultCredentialProvider};
use reqsign_core::{
    CommandExecute, CommandOutput, Context, FileRead, HttpSend, ProvideCredential, SigningCredential as _,
    StaticEnv,
};
use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// A command of `credential_process` may take this long.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// All places together may take this long.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Finds credentials and keeps them until shortly before they expire.
pub(crate) struct Finder {
    provider: DefaultCredentialProvider,
    context: Context,
    kept: Mutex<Option<(Credential, Arc<Keys>)>>,
}

impl Finder {
    pub(crate) fn new(settings: &Settings, wire: &Wire) -> Self {
        let mut builder = DefaultCredentialProvider::builder();
        if let Some(profile) = &settings.profile {
            // Who names a profile means it, and not what is in the environment.
            builder = builder.with_profile(profile).no_env();
        }
        let env = StaticEnv {
            home_dir: settings.home.clone(),
            envs: settings.variables.clone().into_iter().collect(),
        };
        let context = Context::new()
            .with_env(env)
            .with_file_read(Files)
            .with_command_execute(Commands)
            .with_http_send(Sender(wire.clone()));
        Self { provider: builder.build(), context, kept: Mutex::new(None) }
    }

    /// The keys to sign with.
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let mut kept = self.kept.lock().await;
        if let Some((credential, keys)) = &*kept
            && credential.is_valid()
        {
            return Ok(keys.clone());
        }
        let look = tokio::time::timeout(LOOK_MAX, self.provider.provide_credential(&self.context)).await;
        let found = look.map_err(|_| missing("none of their places answered within 60 s"))?;
        // Its words may hold what a file or a service said.
        let found =
            found.map_err(|error| missing(&format!("looking for them failed ({:?})", error.kind())))?;
        let credential = found.ok_or_else(|| missing("there are none"))?;
        let keys = Arc::new(Keys {
            access: credential.access_key_id.clone(),
            secret: credential.secret_access_key.clone(),
            token: credential.session_token.clone(),
        });
        *kept = Some((credential, keys.clone()));
        Ok(keys)
    }

    /// Looks anew next time: the store did not take these.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

fn missing(why: &str) -> Error {
    Error::new(Kind::Credentials, format!("no credentials for the object store: {why}"))
        .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a `profile`, as for `aws`")
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(reqsign_core::Error::unexpected(format!("cannot be read: {error}"))),
            Err(_) => Err(reqsign_core::Error::unexpected("cannot be read")),
        }
    }
}

#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        args: &'a [&'a str],
    ) -> reqsign_core::Result<CommandOutput> {
        let run =
            tokio::process::Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
        let failed = |why: String| reqsign_core::Error::unexpected(why);
        let out = tokio::time::timeout(COMMAND_MAX, run)
            .await
            .map_err(|_| failed("the credential process did not end within 30 s".into()))?
            .map_err(|error| failed(format!("the credential process cannot be started: {error}")))?;
        let status = out.status.code().unwrap_or(-1);
        Ok(CommandOutput { status, stdout: out.stdout, stderr: Vec::new() })
    }
}

struct Sender(Wire);

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        // On a machine that is none of AWS's, its address for metadata leads nowhere: that must not take long.
        let sent = tokio::time::timeout(Duration::from_secs(10), self.0.whole(request)).await;
        let failed = |_| reqsign_core::Error::unexpected("no answer");
        sent.map_err(|_| failed(()))?.map_err(|_| failed(()))
    }
}
