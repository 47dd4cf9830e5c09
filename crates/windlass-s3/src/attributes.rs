//! What a line says of the objects that it writes, as headers.

use windlass_objects::Options;

/// Whether a copy has the metadata of its source (`COPY`, as without it) or those of the request (`REPLACE`).
pub(crate) const DIRECTIVE: &str = "x-amz-metadata-directive";

/// Storage class, where it is not the usual one.
pub(crate) fn class(class: Option<&str>) -> Vec<(&'static str, String)> {
    class.map(|class| ("x-amz-storage-class", class.to_owned())).into_iter().collect()
}

/// Headers of a copy inside the store. Without a class of its own a copy keeps that of its source.
pub(crate) fn of_copy(options: &Options, from_class: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = of_object(options, from_class);
    // aws-cli replaces metadata when some is given.
    let implied = (!options.metadata.is_empty()).then(|| "REPLACE".to_owned());
    if let Some(directive) = options.metadata_directive.clone().or(implied) {
        headers.push((DIRECTIVE, directive));
    }
    headers
}

/// Headers of an object that is written.
pub(crate) fn of_object(options: &Options, from_class: Option<&str>) -> Vec<(&'static str, String)> {
    let class = options.storage_class.as_deref().or(from_class).map(str::to_owned);
    let pairs = [
        ("x-amz-storage-class", &class),
        ("x-amz-acl", &options.acl),
        ("x-amz-server-side-encryption", &options.sse),
        ("x-amz-server-side-encryption-aws-kms-key-id", &options.sse_kms_key_id),
        ("content-type", &options.content_type),
        ("cache-control", &options.cache_control),
        ("content-disposition", &options.content_disposition),
        ("content-encoding", &options.content_encoding),
        ("content-language", &options.content_language),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

/// Whether a header is what `x-amz-metadata-directive` speaks of: what is kept with an object and does not say how.
pub(crate) fn is_metadata(name: &str) -> bool {
    name.starts_with("x-amz-meta-")
        || matches!(name, "content-type" | "cache-control" | "content-encoding")
        || matches!(name, "content-disposition" | "content-language" | "expires")
}

/// Headers of `--metadata`.
pub(crate) fn metadata(options: &Options) -> Vec<(String, String)> {
    let name = |name: &String| format!("x-amz-meta-{}", name.to_ascii_lowercase());
    options.metadata.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// Content type by the end of a name, for the names that are common in buckets, as Python's `mimetypes` has them.
pub(crate) fn content_type(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit('/').next()?.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "txt" | "log" | "conf" | "c" | "h" => "text/plain",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "xml" => "text/xml",
        "md" => "text/markdown",
        "js" | "mjs" => "text/javascript",
        "py" => "text/x-python",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "wasm" => "application/wasm",
        "sh" => "application/x-sh",
        "bin" | "exe" | "dll" | "so" | "o" | "obj" | "a" => "application/octet-stream",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "png" => "image/png",
        "jpg" | "jpeg" | "jpe" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "bmp" => "image/bmp",
        "ico" => "image/vnd.microsoft.icon",
        "mp3" => "audio/mpeg",
        "wav" => "audio/x-wav",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => return None,
    })
}
