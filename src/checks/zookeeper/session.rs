//! The part of ZooKeeper's client protocol that a session takes: four-byte lengths, big-endian fields
//! (`zookeeper.jute` in ZooKeeper's sources names them).

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut};
use health_monitor_actors::check::CheckFailure;
use health_monitor_actors::model::FailureKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::deadline::Deadline;
use super::super::dial::{self, Address};
use super::super::failure;
use super::super::tls::Stream;

/// Session timeout that is asked for, in milliseconds: short, in case the session cannot be closed.
const SESSION_TIMEOUT: i32 = 4_000;

/// Longest frame that the answers here may have, in bytes.
const FRAME_LIMIT: usize = 4 * 1024;

/// Length of a session's password, in bytes.
const PASSWORD: usize = 16;

/// Operations, as the protocol numbers them.
const EXISTS: i32 = 3;
const CLOSE_SESSION: i32 = -11;

/// Opens a session, asks whether the root exists, closes the session. Returns the session timeout granted.
pub(super) async fn open_and_close(
    mut stream: Stream,
    address: &Address,
    deadline: Deadline,
) -> Result<Duration, CheckFailure> {
    let granted = step(&mut stream, address, deadline, "grants no session", &connect_request()).await?;
    let (granted, session) = read_session(&granted).ok_or_else(|| no_zookeeper(address, &granted))?;
    if granted <= 0 || session == 0 {
        return Err(CheckFailure::new(
            FailureKind::Rejected,
            format!("{address} refuses a session: it has expired it at once"),
        ));
    }
    let found = step(
        &mut stream,
        address,
        deadline,
        "does not answer in the session",
        &exists_root(1),
    )
    .await?;
    match read_error(&found, 1) {
        Some(0) => {}
        Some(code) => {
            return Err(CheckFailure::new(
                FailureKind::Rejected,
                format!("{address} granted a session, but reading / fails with error {code}"),
            ));
        }
        None => return Err(no_zookeeper(address, &found)),
    }
    step(
        &mut stream,
        address,
        deadline,
        "does not close the session",
        &close_session(2),
    )
    .await?;
    // The server ends the connection after its last answer. Who says goodbye before it has, stands in its log as broken off.
    let end = async { stream.read_u8().await.ok() };
    deadline.step(dial::CLOSE_PATIENCE).cut(end).await;
    dial::close(stream, deadline).await;
    Ok(Duration::from_millis(granted.unsigned_abs().into()))
}

/// Sends one request and reads one frame; `complaint` says what the server failed to do where it does not come.
async fn step(
    stream: &mut Stream,
    address: &Address,
    deadline: Deadline,
    complaint: &str,
    request: &[u8],
) -> Result<Vec<u8>, CheckFailure> {
    let exchange = async {
        stream.write_all(request).await?;
        stream.flush().await?;
        read_frame(stream).await
    };
    deadline
        .within(|| format!("connected to {address}, but it {complaint}"), exchange)
        .await?
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => CheckFailure::new(
                FailureKind::WrongProtocol,
                format!("{address} is no ZooKeeper: {error}"),
            ),
            io::ErrorKind::UnexpectedEof => CheckFailure::new(
                FailureKind::Reset,
                format!("{address} {complaint}: it closed the connection (is maxClientCnxns reached?)"),
            ),
            _ => failure::of_io(&format!("{address} {complaint}"), &error),
        })
}

async fn read_frame(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > FRAME_LIMIT {
        let problem = format!("a frame of {length} bytes where about 40 are due");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

fn no_zookeeper(address: &Address, frame: &[u8]) -> CheckFailure {
    CheckFailure::new(
        FailureKind::WrongProtocol,
        format!("{address} is no ZooKeeper: it answers {}", failure::quote(frame)),
    )
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    frame.put_slice(body);
    frame
}

fn connect_request() -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(0); // protocol version
    body.put_i64(0); // last transaction seen
    body.put_i32(SESSION_TIMEOUT);
    body.put_i64(0); // no session to resume
    body.put_i32(16); // length of its password
    body.put_slice(&[0; PASSWORD]);
    body.put_u8(0); // a server that can only read will not do
    framed(&body)
}

fn exists_root(request: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(request);
    body.put_i32(EXISTS);
    body.put_i32(1); // length of the path
    body.put_u8(b'/');
    body.put_u8(0); // no watch
    framed(&body)
}

fn close_session(request: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(request);
    body.put_i32(CLOSE_SESSION);
    framed(&body)
}

/// Reads the answer to a connect request: timeout granted in milliseconds, and session id. Servers before 3.4 leave out
/// the last byte.
fn read_session(mut frame: &[u8]) -> Option<(i32, i64)> {
    let fits = frame.len() == 20 + PASSWORD || frame.len() == 21 + PASSWORD;
    let version = frame.try_get_i32().ok()?;
    let timeout = frame.try_get_i32().ok()?;
    let session = frame.try_get_i64().ok()?;
    (fits && version == 0).then_some((timeout, session))
}

/// Reads the error code from the header of the answer to this request.
fn read_error(mut frame: &[u8], request: i32) -> Option<i32> {
    let answered = frame.try_get_i32().ok()?;
    let _transaction = frame.try_get_i64().ok()?;
    let error = frame.try_get_i32().ok()?;
    (answered == request).then_some(error)
}
