//! What `npm ci` can do in another folder than its own.

use super::site::Site;
use serde_json::Value;
use windlass_driver::{Failure, Fault};

/// Longest file that is read, bytes.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Scripts of the project that `npm ci` runs (npm-ci(1), scripts(7)).
const SCRIPTS: &[&str] =
    &["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];

/// Why it cannot be installed beside; nothing: it can.
pub(super) async fn obstacle(site: &Site<'_>) -> Result<Option<Failure>, Failure> {
    let lock = read(site, "package-lock.json").await?;
    let project = read(site, "package.json").await?;
    let refuse = |what: String| {
        let message = format!("{}: {what}, so it cannot be installed beside", site.title());
        Failure::clean(Fault::Document, message)
            .hint("to have the line run as it stands write `sh -c 'npm ci'`, and say how it is undone")
    };
    if let Some(name) = linked(&lock) {
        return Ok(Some(refuse(format!("`{name}` is a link to a folder"))));
    }
    let runs = |name: &&&str| project.get("scripts").and_then(|scripts| scripts.get(name)).is_some();
    let is_quiet = site.line.words.iter().any(|word| word == "--ignore-scripts");
    Ok(match SCRIPTS.iter().find(runs) {
        Some(name) if !is_quiet => {
            Some(refuse(format!("the script `{name}` of package.json works in the project's own folder")))
        }
        _ => None,
    })
}

/// A package that is a folder, of the project or beside it.
fn linked(lock: &Value) -> Option<String> {
    let is_folder = |entry: &Value| {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let is_archive = [".tgz", ".tar.gz", ".tar"].iter().any(|end| text("version").ends_with(end));
        entry.get("link").is_some() || text("version").starts_with("file:") && !is_archive
    };
    ["packages", "dependencies"].iter().find_map(|key| {
        let entries = lock.get(key)?.as_object()?;
        let inside =
            |name: &str| name.is_empty() || name.starts_with("node_modules/") || *key == "dependencies";
        entries.iter().find(|(name, entry)| !inside(name) || is_folder(entry)).map(|(name, _)| name.clone())
    })
}

async fn read(site: &Site<'_>, name: &str) -> Result<Value, Failure> {
    let path = site.path(name);
    let refuse = |why: String| Failure::clean(Fault::Target, format!("{}: {why}", site.title()));
    let content = site.place.read(&path, BYTES_MAX).await?;
    let bytes = content.ok_or_else(|| refuse(format!("there is no {name}")))?.bytes;
    serde_json::from_slice(&bytes).map_err(|error| refuse(format!("{name} is not understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn folders_are_found() {
        let lock = |packages: Value| json!({ "lockfileVersion": 3, "packages": packages });
        let plain =
            json!({"": {"name": "x"}, "node_modules/a": {"version": "1.0.0", "resolved": "file:a.tgz"}});
        assert_eq!(linked(&lock(plain)), None);
        let link =
            json!({"": {}, "lib": {"version": "1"}, "node_modules/lib": {"resolved": "lib", "link": true}});
        assert_eq!(linked(&lock(link)).as_deref(), Some("lib"));
        let old =
            json!({ "dependencies": { "a": { "version": "file:a.tgz" }, "b": { "version": "file:b" } } });
        assert_eq!(linked(&old).as_deref(), Some("b"));
        assert_eq!(linked(&json!([])), None);
    }
}
