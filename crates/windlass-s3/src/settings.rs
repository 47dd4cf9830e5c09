//! How a store is reached: what the configuration says, then what AWS's tools would find.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// How a store is reached. What is `None` is looked for in `variables` and in AWS's files, in the order of AWS's tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Region.
    pub region: Option<String>,
    /// `https://host:port`, for stores that are not AWS's.
    pub endpoint: Option<String>,
    /// Bucket in the path instead of the name of the host; none: with an endpoint of its own.
    pub path_style: Option<bool>,
    /// Profile of AWS's files.
    pub profile: Option<String>,
    /// `AWS_*` of the environment of the process.
    pub variables: BTreeMap<String, String>,
    /// Home folder, where AWS's files are.
    pub home: Option<PathBuf>,
}

/// What [`Settings`] come to.
pub(crate) struct Resolved {
    pub(crate) region: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) path_style: bool,
}

impl Settings {
    /// The names of the variables that matter, all others are of no use here.
    pub const VARIABLES: &'static [&'static str] = &[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CA_BUNDLE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ];

    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Name of the profile in use.
    pub(crate) fn profile_name(&self) -> String {
        self.profile.clone().or_else(|| self.variable("AWS_PROFILE")).unwrap_or_else(|| "default".into())
    }

    /// A key of the profile in `~/.aws/config`, or where `AWS_CONFIG_FILE` says.
    pub(crate) fn of_profile(&self, key: &str) -> Option<String> {
        let path = self.variable("AWS_CONFIG_FILE").map(PathBuf::from);
        let path = path.or_else(|| Some(self.home.as_deref()?.join(Path::new(".aws/config"))))?;
        let text = std::fs::read_to_string(path).ok()?;
        in_profile(&text, &self.profile_name(), key)
    }

    pub(crate) fn resolve(&self) -> Resolved {
        let endpoint = self
            .endpoint
            .clone()
            .or_else(|| self.variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| self.variable("AWS_ENDPOINT_URL"))
            .or_else(|| self.of_profile("endpoint_url"));
        let region = self
            .region
            .clone()
            .or_else(|| self.variable("AWS_REGION"))
            .or_else(|| self.variable("AWS_DEFAULT_REGION"))
            .or_else(|| self.of_profile("region"))
            .unwrap_or_else(|| "us-east-1".into());
        let path_style = self.path_style.unwrap_or(endpoint.is_some());
        let endpoint = endpoint.map(|text| text.trim_end_matches('/').to_owned());
        Resolved { region, endpoint, path_style }
    }
}

/// Value of `key` below `[profile NAME]`; keys of sections inside it are indented and not looked at.
fn in_profile(text: &str, name: &str, key: &str) -> Option<String> {
    let mut is_in = false;
    for line in text.lines() {
        if let Some(head) = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let words: Vec<_> = head.split_whitespace().collect();
            is_in = words == ["profile", name] || (name == "default" && words == ["default"]);
        } else if is_in
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((found, value)) = line.split_once('=')
            && found.trim() == key
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_first_then_variables_then_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        std::fs::write(
            &config,
            "[default]\nregion = eu-west-1\n[profile team]\nregion=ap-northeast-1\n# x\nendpoint_url = http://h:1/\n",
        )
        .unwrap();
        let mut settings = Settings::default();
        assert_eq!(settings.resolve().region, "us-east-1");
        assert!(!settings.resolve().path_style);
        settings.variables.insert("AWS_CONFIG_FILE".into(), config.display().to_string());
        assert_eq!(settings.resolve().region, "eu-west-1");
        settings.variables.insert("AWS_PROFILE".into(), "team".into());
        assert_eq!(settings.resolve().region, "ap-northeast-1");
        assert_eq!(settings.resolve().endpoint.as_deref(), Some("http://h:1"));
        assert!(settings.resolve().path_style);
        settings.variables.insert("AWS_REGION".into(), "us-west-2".into());
        assert_eq!(settings.resolve().region, "us-west-2");
        settings.region = Some("cn-north-1".into());
        assert_eq!(settings.resolve().region, "cn-north-1");
    }
}
