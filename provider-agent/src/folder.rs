//! A folder drop: posts every file of a directory to the agent's private listener.
//!
//! Files are taken in the order of their names, plain or gzipped (`.gz`), a few at a time. The
//! idempotency key is a hash of target, media type and content: posting a folder twice adds nothing.
//! Must never go on past a file that was refused without saying so at the end.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use casewise_api::{
    Problem,
    body::{EntryAccepted, IngestQuery},
    header::IDEMPOTENCY_KEY,
    route,
};
use casewise_ledger::sha256;
use flate2::read::GzDecoder;
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use zeroize::Zeroizing;

use crate::{fhir::FHIR_JSON, input::MAX_BODY};

/// Files on their way at once.
const AT_ONCE: usize = 8;
/// Times a file is posted while the agent is not ready.
const ATTEMPTS: u32 = 30;

/// Where and for whom.
pub struct Drop {
    /// `http://host:port` of the private listener.
    pub url: String,
    /// Its bearer token.
    pub token: Zeroizing<String>,
    /// The case or identifier.
    pub query: IngestQuery,
}

/// What became of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that became entries.
    pub added: u64,
    /// Files that were entries already.
    pub repeated: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Files that were refused, and why.
    pub refused: Vec<(PathBuf, String)>,
}

/// The files under a directory, in the order of their paths; hidden ones are left out.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// The media type of a file by its name.
pub fn media_type(path: &Path) -> &'static str {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => FHIR_JSON,
        Some("xml") => "application/xml",
        Some("pdf") => "application/pdf",
        Some("dcm") => "application/dicom",
        Some("hl7") => "x-application/hl7-v2+er7",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

/// A file's content, unpacked, not longer than an entry's.
fn content(path: &Path) -> Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let gzipped = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let mut reader: Box<dyn Read> = if gzipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut bytes = Vec::new();
    reader.by_ref().take(MAX_BODY + 1).read_to_end(&mut bytes).context("cannot read it")?;
    if bytes.len() as u64 > MAX_BODY {
        bail!("longer than {MAX_BODY} bytes, the most an entry holds; split it");
    }
    Ok(bytes)
}

impl Drop {
    /// Posts all files under a directory.
    pub async fn run(&self, directory: &Path) -> Result<Summary> {
        let files = files(directory)?;
        let bar = ProgressBar::new(files.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} files  {per_sec}  {msg}")?);
        let client = reqwest::Client::builder().build()?;
        let mut summary = Summary::default();
        let mut posts = stream::iter(files)
            .map(|path| {
                let client = &client;
                async move {
                    let result = self.post(client, &path).await;
                    (path, result)
                }
            })
            .buffered(AT_ONCE);
        while let Some((path, result)) = posts.next().await {
            bar.inc(1);
            match result {
                Ok((new, bytes)) => {
                    summary.bytes += bytes;
                    if new { summary.added += 1 } else { summary.repeated += 1 }
                }
                Err(error) => summary.refused.push((path, format!("{error:#}"))),
            }
        }
        bar.finish_and_clear();
        Ok(summary)
    }

    async fn post(&self, client: &reqwest::Client, path: &Path) -> Result<(bool, u64)> {
        let (media_type, bytes) = (media_type(path), content(path)?);
        let target = format!("{}{}", self.url.trim_end_matches('/'), route::ingest(&self.query));
        let key = hex::encode(sha256(&[target.as_bytes(), b"\0", media_type.as_bytes(), b"\0", &bytes]));
        let length = bytes.len() as u64;
        let body = axum::body::Bytes::from(bytes);
        for _ in 0..ATTEMPTS {
            let request = client
                .post(&target)
                .bearer_auth(&*self.token)
                .header(reqwest::header::CONTENT_TYPE, media_type)
                .header(IDEMPOTENCY_KEY, &key)
                .body(body.clone());
            let response = request.send().await.context("the agent does not answer; is it running?")?;
            let status = response.status();
            if status.is_success() {
                let _: EntryAccepted =
                    response.json().await.context("the agent's answer is not understood")?;
                return Ok((status == reqwest::StatusCode::CREATED, length));
            }
            if status != reqwest::StatusCode::SERVICE_UNAVAILABLE {
                let problem: Problem =
                    response.json().await.context("the agent's answer is not understood")?;
                bail!(problem);
            }
            // Nobody else waits in this program.
            #[allow(clippy::disallowed_methods)]
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        bail!("the agent was not ready for {ATTEMPTS} s; see its status")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_in_order_of_their_names_without_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.txt", ".hidden"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/z.pdf"), "x").unwrap();
        let names: Vec<_> = files(dir.path()).unwrap();
        let names: Vec<_> = names.iter().map(|path| path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("a/z.pdf"), Path::new("a.txt"), Path::new("b.json")]);
    }

    #[test]
    fn types_by_name_and_gzip_unpacked() {
        assert_eq!(media_type(Path::new("x/Bundle.JSON.gz")), FHIR_JSON);
        assert_eq!(media_type(Path::new("scan.jpeg")), "image/jpeg");
        assert_eq!(media_type(Path::new("noextension")), "application/octet-stream");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json.gz");
        let mut gz =
            flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
        gz.write_all(b"{}").unwrap();
        gz.finish().unwrap();
        assert_eq!(content(&path).unwrap(), b"{}");
    }
}
