//! `health-monitor healthcheck`: whether the monitor on this machine lives, for images without a shell or curl.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::own_server::{self, Trust, reachable};
use super::{FAILED, WORKED, block_on};
use crate::settings::{Settings, Sources};

/// Asks for `/livez`. Never ends with the code 2, which Docker reserves for itself.
pub(super) fn run(sources: &Sources, timeout: Duration) -> u8 {
    let server = match Settings::server_of(sources) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return FAILED;
        }
    };
    let address = reachable(server.bind);
    let with_tls = server.certificate.is_some();
    let answer = block_on(async { tokio::time::timeout(timeout, ask(address, with_tls)).await });
    match answer {
        Ok(Ok(())) => {
            println!("alive at {address}");
            WORKED
        }
        Ok(Err(error)) => {
            eprintln!("error: no life at {address}: {error:#}");
            FAILED
        }
        Err(_elapsed) => {
            eprintln!("error: no life at {address}: no answer within {timeout:?}");
            FAILED
        }
    }
}

async fn ask(address: SocketAddr, with_tls: bool) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await.context("cannot connect")?;
    if with_tls {
        let config = own_server::client_config(Trust::Anything).context("no TLS")?;
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        ask_over(stream.context("no TLS")?, address).await
    } else {
        ask_over(stream, address).await
    }
}

async fn ask_over<S>(stream: S, address: SocketAddr) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.context("no HTTP")?;
    let request = Request::get("/livez")
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    // Driven beside, not within, the wait for the answer: a server that answers and closes ends the connection first.
    let driver = tokio::spawn(connection);
    let response = client.send_request(request).await.context("no HTTP answer");
    driver.abort();
    let response = response?;
    ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
    Ok(())
}
