//! The agent's configuration: file < environment < flags.
//!
//! Responsible for: one checked [`Config`], or an error that names the field and the remedy. Must
//! never fall back to a default because what was given does not parse, and never hold a secret:
//! secrets are in files named here.

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

/// What the names of environment variables begin with: `CASEWISE_AGENT_DATA_DIR` is `data_dir`.
pub const ENV_PREFIX: &str = "CASEWISE_AGENT_";

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigError {
    /// The field, as in the file.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

fn wrong(field: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError { field: field.into(), reason: reason.into() }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident, $upper:literal, $flag:literal: $ty:ty;)*) => {
        /// One source of settings: the file, the environment, or the flags. All optional.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $(
                $(#[$doc])*
                #[arg(long = $flag, value_name = $upper)]
                pub $name: Option<$ty>,
            )*
        }

        impl Settings {
            /// These settings, and `under` where they say nothing.
            #[must_use]
            pub fn over(self, under: Self) -> Self {
                Self { $($name: self.$name.or(under.$name),)* }
            }

            /// Reads the variables that begin with [`ENV_PREFIX`]. Unknown ones are refused.
            pub fn from_env(
                vars: impl IntoIterator<Item = (String, String)>,
            ) -> Result<Self, ConfigError> {
                let mut out = Self::default();
                for (name, value) in vars {
                    let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
                    match key {
                        $($upper => {
                            let parsed = value.parse::<$ty>();
                            out.$name = Some(parsed.map_err(|e| wrong(&name, e.to_string()))?);
                        })*
                        _ => return Err(wrong(&name, "not a setting of the agent; remove or correct it")),
                    }
                }
                Ok(out)
            }
        }
    };
}

settings! {
    /// Number of the institution at the registrar.
    institution, "INSTITUTION", "institution": u32;
    /// The network's manifest: chain id, nodes, contracts, trust anchor.
    manifest, "MANIFEST", "manifest": PathBuf;
    /// Directory of the database and the bodies.
    data_dir, "DATA_DIR", "data-dir": PathBuf;
    /// The epoch file: outside data_dir and outside every backup.
    epoch_file, "EPOCH_FILE", "epoch-file": PathBuf;
    /// The encrypted key file.
    key_file, "KEY_FILE", "key-file": PathBuf;
    /// File with the key file's passphrase.
    passphrase_file, "PASSPHRASE_FILE", "passphrase-file": PathBuf;
    /// Address of the public listener.
    listen_public, "LISTEN_PUBLIC", "listen-public": SocketAddr;
    /// Address of the private listener.
    listen_private, "LISTEN_PRIVATE", "listen-private": SocketAddr;
    /// Host (and port) under which others reach the public listener; signatures name it.
    public_name, "PUBLIC_NAME", "public-name": String;
    /// File with the private listener's bearer token.
    token_file, "TOKEN_FILE", "token-file": PathBuf;
}

/// A whole, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Number of the institution at the registrar.
    pub institution: u32,
    /// The network's manifest.
    pub manifest: PathBuf,
    /// Directory of the database and the bodies.
    pub data_dir: PathBuf,
    /// The epoch file.
    pub epoch_file: PathBuf,
    /// The encrypted key file.
    pub key_file: PathBuf,
    /// File with its passphrase.
    pub passphrase_file: PathBuf,
    /// Address of the public listener.
    pub listen_public: SocketAddr,
    /// Address of the private listener.
    pub listen_private: SocketAddr,
    /// Host (and port) under which others reach the public listener.
    pub public_name: String,
    /// File with the private listener's bearer token.
    pub token_file: PathBuf,
}

impl Config {
    /// Reads the file, if one is named, and puts environment and flags over it.
    pub fn load(
        file: Option<&Path>,
        vars: impl IntoIterator<Item = (String, String)>,
        flags: Settings,
    ) -> Result<Self, ConfigError> {
        let from_file = match file {
            None => Settings::default(),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|e| wrong("config", format!("cannot read {name}: {e}")))?;
                toml::from_str(&text).map_err(|e| wrong(&name, e.to_string()))?
            }
        };
        Self::check(flags.over(Settings::from_env(vars)?.over(from_file)))
    }

    /// Checks settings: all there, the epoch file away from the data, listeners on this machine.
    pub fn check(settings: Settings) -> Result<Self, ConfigError> {
        fn need<T>(value: Option<T>, field: &str) -> Result<T, ConfigError> {
            let upper = field.to_ascii_uppercase();
            value.ok_or_else(|| {
                wrong(field, format!("missing; set it in the file, by {ENV_PREFIX}{upper}, or as a flag"))
            })
        }
        let config = Self {
            institution: need(settings.institution, "institution")?,
            manifest: need(settings.manifest, "manifest")?,
            data_dir: need(settings.data_dir, "data_dir")?,
            epoch_file: need(settings.epoch_file, "epoch_file")?,
            key_file: need(settings.key_file, "key_file")?,
            passphrase_file: need(settings.passphrase_file.or_else(credential), "passphrase_file")?,
            listen_public: need(settings.listen_public, "listen_public")?,
            listen_private: need(settings.listen_private, "listen_private")?,
            public_name: need(settings.public_name, "public_name")?,
            token_file: need(settings.token_file, "token_file")?,
        };
        if config.institution == 0 {
            return Err(wrong("institution", "numbers begin at 1; take the one the registrar gave"));
        }
        if is_under(&config.epoch_file, &config.data_dir) {
            return Err(wrong(
                "epoch_file",
                "lies inside data_dir, where a backup would keep its key; name a file elsewhere",
            ));
        }
        loopback("listen_public", config.listen_public)?;
        loopback("listen_private", config.listen_private)?;
        let name_fits = !config.public_name.is_empty()
            && config
                .public_name
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b'/');
        if !name_fits {
            return Err(wrong("public_name", "expected a host in lower case, with :port unless it is 443"));
        }
        Ok(config)
    }
}

/// The passphrase as a credential of the service manager (systemd's `LoadCredential=passphrase:…`).
fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join("passphrase");
    path.exists().then_some(path)
}

fn loopback(field: &str, address: SocketAddr) -> Result<(), ConfigError> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(wrong(
        field,
        "is not on the loopback interface, and this listener has no TLS; \
         listen on 127.0.0.1 and put a TLS proxy in front",
    ))
}

/// Whether `path` lies under `directory`, links resolved as far as the paths exist.
fn is_under(path: &Path, directory: &Path) -> bool {
    resolve(path).starts_with(resolve(directory))
}

fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let mut tail = Vec::new();
    let mut at = absolute.as_path();
    loop {
        if let Ok(real) = at.canonicalize() {
            return tail.iter().rev().fold(real, |path: PathBuf, part| path.join(part));
        }
        match (at.parent(), at.components().next_back()) {
            (Some(parent), Some(Component::Normal(name))) => {
                tail.push(name.to_owned());
                at = parent;
            }
            (Some(parent), Some(_)) => at = parent,
            _ => return absolute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Settings {
        Settings {
            institution: Some(1),
            manifest: Some("/m.json".into()),
            data_dir: Some("/srv/casewise/data".into()),
            epoch_file: Some("/srv/casewise/epoch".into()),
            key_file: Some("/k".into()),
            passphrase_file: Some("/p".into()),
            listen_public: Some("127.0.0.1:1".parse().unwrap()),
            listen_private: Some("[::1]:2".parse().unwrap()),
            public_name: Some("a.example:8443".into()),
            token_file: Some("/t".into()),
        }
    }

    fn field(settings: Settings) -> String {
        Config::check(settings).unwrap_err().field
    }

    #[test]
    fn file_under_environment_under_flags() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        let text = "institution = 1\nmanifest = \"/m\"\ndata_dir = \"/d\"\nepoch_file = \"/e\"\nkey_file = \"/k\"\n\
            passphrase_file = \"/p\"\nlisten_public = \"127.0.0.1:1\"\nlisten_private = \"127.0.0.1:2\"\n\
            public_name = \"from-file\"\ntoken_file = \"/t\"\n";
        std::fs::write(&file, text).unwrap();
        let env = |name: &str, value: &str| (format!("{ENV_PREFIX}{name}"), value.to_owned());
        let flags = Settings { institution: Some(3), ..Settings::default() };
        let vars = vec![env("INSTITUTION", "2"), env("PUBLIC_NAME", "from-env"), ("PATH".into(), "x".into())];
        let config = Config::load(Some(&file), vars, flags).unwrap();
        assert_eq!((config.institution, config.public_name.as_str()), (3, "from-env"));
        assert_eq!(config.key_file, Path::new("/k"));
    }

    #[test]
    fn what_does_not_parse_is_an_error_and_not_a_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, "institutoin = 1\n").unwrap();
        let error = Config::load(Some(&file), vec![], whole()).unwrap_err();
        assert!(error.reason.contains("institutoin"), "{error}");
        let unknown = vec![(format!("{ENV_PREFIX}DATADIR"), "/d".to_owned())];
        assert!(Config::load(None, unknown, whole()).unwrap_err().field.ends_with("DATADIR"));
        let bad = vec![(format!("{ENV_PREFIX}INSTITUTION"), "one".to_owned())];
        assert!(Config::load(None, bad, whole()).unwrap_err().field.ends_with("INSTITUTION"));
        assert_eq!(
            Config::load(Some(&dir.path().join("none")), vec![], whole()).unwrap_err().field,
            "config"
        );
    }

    #[test]
    fn each_field_is_needed_and_checked() {
        assert!(Config::check(whole()).is_ok());
        assert_eq!(field(Settings { token_file: None, ..whole() }), "token_file");
        assert_eq!(field(Settings { institution: Some(0), ..whole() }), "institution");
        assert_eq!(
            field(Settings { listen_public: Some("0.0.0.0:1".parse().unwrap()), ..whole() }),
            "listen_public"
        );
        assert_eq!(
            field(Settings { listen_private: Some("10.0.0.1:1".parse().unwrap()), ..whole() }),
            "listen_private"
        );
        assert_eq!(field(Settings { public_name: Some("A.example".into()), ..whole() }), "public_name");
    }

    #[test]
    fn the_epoch_file_lies_away_from_the_data_even_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, dir.path().join("link")).unwrap();
        let with =
            |epoch: PathBuf| Settings { data_dir: Some(data.clone()), epoch_file: Some(epoch), ..whole() };
        for inside in [data.join("epoch"), data.join("a/b"), dir.path().join("link/epoch")] {
            assert_eq!(field(with(inside)), "epoch_file");
        }
        assert!(Config::check(with(dir.path().join("epoch"))).is_ok());
        assert!(Config::check(with(dir.path().join("database/epoch"))).is_ok());
    }
}
