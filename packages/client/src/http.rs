//! [`Http`] by reqwest, and the clock of this machine.
//!
//! Must never follow a redirect, use a proxy from the environment, or read an answer without bound.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::{Client, redirect};

use crate::ports::{Clock, Http, HttpError};

/// Time for a connection to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence in the middle of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// HTTP for a command line or a service.
#[derive(Clone, Debug)]
pub struct ReqwestHttp(Client);

impl ReqwestHttp {
    /// A client. Fails when the program has installed no rustls provider, or when the system's
    /// certificates cannot be read.
    pub fn new() -> Result<Self, HttpError> {
        // the library panics without one, also when only another crate of the program wants https
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(HttpError("the program installed no rustls provider before it made a client".into()));
        }
        Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map(Self)
            .map_err(|error| HttpError(chain(&error)))
    }
}

#[async_trait]
impl Http for ReqwestHttp {
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let failed = |error: reqwest::Error| HttpError(chain(&error));
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.0.execute(request).await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if (body.len() + piece.len()) as u64 > limit {
                return Err(HttpError(format!("its answer is longer than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

/// An error with its causes; reqwest shows the cause of a failed connection only there. The URL is
/// left out: callers name the host.
fn chain(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_timeout() { "no answer in time".to_owned() } else { "no connection".to_owned() };
    if !error.is_timeout() && !error.is_connect() {
        text = "the exchange failed".into();
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.source().is_none() {
            text.push_str(&format!(" ({inner})"));
        }
        cause = inner.source();
    }
    text
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers one request with fixed bytes.
    async fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                seen.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url
    }

    #[test]
    fn without_a_provider_there_is_no_client_and_no_panic() {
        // other tests of this process may have installed one, and then there is a client
        let installed = rustls::crypto::CryptoProvider::get_default().is_some();
        assert_eq!(ReqwestHttp::new().is_ok(), installed);
    }

    async fn get(url: &str, limit: u64) -> Result<http::Response<Vec<u8>>, HttpError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let request = http::Request::get(url).body(Vec::new()).unwrap();
        ReqwestHttp::new().unwrap().exchange(request, limit).await
    }

    #[tokio::test]
    async fn answers_up_to_the_limit() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello";
        let response = get(&serve(answer).await, 5).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &b"hello"[..]));
        assert_eq!(response.headers()["x-a"], "b");
        let error = get(&serve(answer).await, 4).await.unwrap_err();
        assert!(error.to_string().contains("longer than 4"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(get(&serve(answer).await, 5).await.unwrap().status().as_u16(), 302);
    }

    #[tokio::test]
    async fn nobody_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret", listener.local_addr().unwrap());
        drop(listener);
        let error = get(&url, 5).await.unwrap_err().to_string();
        assert!(error.starts_with("no connection") && !error.contains("secret"), "{error}");
    }
}
