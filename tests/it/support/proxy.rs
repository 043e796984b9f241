//! Stands between the job and a server: counts how often the client waits, and cuts the connection where it is told.
//! Takes a server's port. Never changes a byte.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The client is quiet for so long once it has sent all it can without an answer.
const QUIET: Duration = Duration::from_millis(40);

/// Where the connection is cut, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// When the message that holds the text has come, which does not reach the server.
    Before(&'static str),
    /// When the server has answered the message, which does not reach the client.
    After(&'static str),
    /// Not at all: the answer to the message never comes.
    Never(&'static str),
}

/// What went through.
#[derive(Debug, Default, Clone)]
pub struct Traffic {
    /// How often the client could not go on without an answer.
    pub waits: usize,
    /// The simple-protocol messages of the client, in order.
    pub queries: Vec<String>,
    /// How many connections were opened.
    pub connections: usize,
    cut: Option<Cut>,
}

/// A listening proxy; it serves as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    traffic: Arc<Mutex<Traffic>>,
    /// Both ends of every connection so far.
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

/// One direction's view of the other.
struct Line {
    last_sent: Instant,
    sent_since: bool,
    /// What the cut says to do with the server's next answer.
    swallow: Option<Cut>,
}

impl Proxy {
    /// In front of the server at `port`.
    pub fn before(port: u16) -> Self {
        Self::with(port, None)
    }

    /// As [`Self::before`], and keeps the answer to the message that holds `text`, and all after it.
    pub fn holding(port: u16, text: &'static str) -> Self {
        Self::with(port, Some(Cut::Never(text)))
    }

    /// As [`Self::before`], and cuts one connection.
    pub fn cutting(port: u16, cut: Cut) -> Self {
        Self::with(port, Some(cut))
    }

    fn with(server: u16, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(Mutex::new(Traffic { cut, ..Traffic::default() }));
        let shared = Arc::clone(&traffic);
        let ends = Arc::new(Mutex::new(Vec::new()));
        let all_ends = Arc::clone(&ends);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                shared.lock().unwrap().connections += 1;
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                all_ends.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                serve(client, server, &shared);
            }
        });
        Self { port, traffic, ends }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's URL through the proxy.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Ends all connections that are open now.
    pub fn hang_up(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            // One that has ended by itself is as well.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.lock().unwrap().clone()
    }

    /// Whether the cut was made.
    pub fn has_cut(&self) -> bool {
        self.traffic.lock().unwrap().cut.is_none()
    }
}

fn serve(client: TcpStream, server: TcpStream, traffic: &Arc<Mutex<Traffic>>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let line = Arc::new(Mutex::new(Line { last_sent: Instant::now(), sent_since: false, swallow: None }));
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (traffic_up, line_up) = (Arc::clone(traffic), Arc::clone(&line));
    std::thread::spawn(move || upwards(from, to, &traffic_up, &line_up));
    let traffic = Arc::clone(traffic);
    std::thread::spawn(move || downwards(server, client, &traffic, &line));
}

/// Client to server, at once.
fn upwards(mut from: TcpStream, mut to: TcpStream, traffic: &Mutex<Traffic>, line: &Mutex<Line>) {
    let mut chunk = vec![0; 1 << 16];
    let mut pending = Vec::new();
    let (mut started, mut encrypted) = (false, false);
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        {
            let mut line = line.lock().unwrap();
            line.last_sent = Instant::now();
            line.sent_since = true;
        }
        pending.extend_from_slice(&chunk[..length]);
        if !started && (opens_tls(&pending) || pending.len() < TLS_REQUEST.len()) || encrypted {
            encrypted |= opens_tls(&pending);
            if encrypted && to.write_all(&std::mem::take(&mut pending)).is_err() {
                return;
            }
            continue;
        }
        while let Some(size) = message_size(&pending, started) {
            if started && pending[0] == b'Q' {
                let text = String::from_utf8_lossy(&pending[5..size - 1]).into_owned();
                let mut traffic = traffic.lock().unwrap();
                match traffic.cut {
                    Some(Cut::Before(word)) if text.contains(word) => {
                        traffic.cut = None;
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                        return;
                    }
                    Some(cut @ (Cut::After(word) | Cut::Never(word))) if text.contains(word) => {
                        traffic.cut = None;
                        line.lock().unwrap().swallow = Some(cut);
                    }
                    _ => {}
                }
                traffic.queries.push(text);
            }
            if to.write_all(&pending[..size]).is_err() {
                return;
            }
            pending.drain(..size);
            started = true;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The message that asks whether the server speaks TLS.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// What TLS itself begins with.
const TLS_HANDSHAKE: u8 = 22;

/// Whether nothing but bytes can be seen from here on.
fn opens_tls(begin: &[u8]) -> bool {
    begin.starts_with(&TLS_REQUEST) || begin.first() == Some(&TLS_HANDSHAKE)
}

fn message_size(pending: &[u8], started: bool) -> Option<usize> {
    let at = usize::from(started);
    let bytes: [u8; 4] = pending.get(at..at + 4)?.try_into().unwrap();
    let size = at + u32::from_be_bytes(bytes) as usize;
    (pending.len() >= size).then_some(size)
}

/// Server to client: held back until the client has sent all it can, and counted once for all that it then gets.
fn downwards(mut from: TcpStream, mut to: TcpStream, traffic: &Mutex<Traffic>, line: &Mutex<Line>) {
    let mut chunk = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        loop {
            let quiet = line.lock().unwrap().last_sent.elapsed();
            if quiet >= QUIET {
                break;
            }
            std::thread::sleep(QUIET - quiet);
        }
        let mut line = line.lock().unwrap();
        match line.swallow {
            None => {}
            Some(Cut::Never(_)) => continue,
            Some(_) => break,
        }
        if std::mem::take(&mut line.sent_since) {
            traffic.lock().unwrap().waits += 1;
        }
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
