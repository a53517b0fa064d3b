//! One kept connection that speaks HTTP, over TCP or to the engine's socket.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connection on which one request follows the other.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

// === impl Client ===

impl Client {
    /// Connects by TCP.
    pub(crate) async fn tcp(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// Connects to a socket.
    pub(crate) async fn unix(path: &Path) -> Result<Self> {
        Self::over(UnixStream::connect(path).await?).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends is seen by the request that it breaks off.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Asks for a path.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes)> {
        self.send(Method::GET, path, None).await
    }

    /// Asks for a JSON document, which must be there.
    pub(crate) async fn document(&mut self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path).await?;
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).with_context(|| path.to_owned())
    }

    /// Sends a request, with a JSON document where there is one, and reads the whole answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        document: Option<&Value>,
    ) -> Result<(StatusCode, Bytes)> {
        let answer = self.begin(method, path, document).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request, whose answer is still to be read.
    pub(crate) async fn begin(
        &mut self,
        method: Method,
        path: &str,
        document: Option<&Value>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost");
        if document.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = document.map(Value::to_string).unwrap_or_default();
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body.into()))?).await?)
    }
}
