//! A network of a given round trip. In: a server's port and a delay. Out: a port; bytes and the moment of the first
//! packet. Never looks into what it carries. The TCP handshake itself is not delayed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What went through.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traffic {
    pub up_bytes: usize,
    pub down_bytes: usize,
    /// When the first byte of a client came.
    pub first: Option<Instant>,
}

/// A listening line; it serves as long as the process.
#[derive(Debug)]
pub struct Line {
    port: u16,
    traffic: Arc<Mutex<Traffic>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Line {
    /// In front of the server at `server`; an answer comes a `round_trip` after what it answers.
    pub fn before(server: u16, round_trip: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let shared = Arc::clone(&traffic);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                carry(Way::Up, from, to, round_trip / 2, &shared);
                carry(Way::Down, server, client, round_trip / 2, &shared);
            }
        });
        Self { port, traffic }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What went through since it was last asked.
    pub fn take(&self) -> Traffic {
        std::mem::take(&mut *self.traffic.lock().unwrap())
    }
}

/// One direction: a thread that reads, and one that sends what is due.
fn carry(way: Way, mut from: TcpStream, to: TcpStream, delay: Duration, traffic: &Arc<Mutex<Traffic>>) {
    let (sender, receiver): (Sender<(Instant, Vec<u8>)>, _) = channel();
    let traffic = Arc::clone(traffic);
    std::thread::spawn(move || {
        let mut chunk = vec![0; 1 << 18];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            let now = Instant::now();
            {
                let mut traffic = traffic.lock().unwrap();
                match way {
                    Way::Up => traffic.up_bytes += length,
                    Way::Down => traffic.down_bytes += length,
                }
                traffic.first.get_or_insert(now);
            }
            if sender.send((now + delay, chunk[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || deliver(&receiver, to));
}

fn deliver(receiver: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    while let Ok((due, bytes)) = receiver.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
