//! The name server to which Docker's own passes on what it does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// It says of every name that it does not exist, or nothing. It ends when this is dropped.
pub struct NameServer {
    is_silent: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// One on the port of name servers at this address of this machine.
    pub async fn start(address: &str) -> Self {
        let socket = UdpSocket::bind((address, 53)).await.unwrap();
        let is_silent = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(serve(socket, is_silent.clone()));
        Self { is_silent, task }
    }

    pub fn set_silent(&self, silent: bool) {
        self.is_silent.store(silent, Ordering::Relaxed);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, is_silent: Arc<AtomicBool>) {
    let mut message = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut message).await.unwrap();
        if is_silent.load(Ordering::Relaxed) || length < 4 {
            continue;
        }
        // The question comes back as an answer (RFC 1035, 4.1.1): recursion available, name error.
        message[2] |= 0x80;
        message[3] = 0x83;
        socket.send_to(&message[..length], client).await.unwrap();
    }
}
