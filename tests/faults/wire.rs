//! A network that fails: stands between the job and a server, cuts connections at a message, or is slow.
//! In: a server's port and the faults, one after the other. Out: a port, and what went through. Never changes a byte.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Who sends the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The n-th of all that go this way, over all connections, from 1.
    Message(usize),
    /// The n-th that commits, or, downwards, what answers it.
    Commit(usize),
}

/// A cut, once: this much of that message goes through, in thousandths.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub way: Way,
    pub which: Which,
    pub thousandths: usize,
    /// By a reset, else by an orderly end.
    pub reset: bool,
    /// How much later the server hears of it, where it is no reset.
    pub server_later: Duration,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Usual,
    /// From the n-th message on, each byte in a packet of its own.
    Bytewise {
        from: usize,
    },
    /// From the n-th message on, so much later, each way.
    Late {
        from: usize,
        by: Duration,
    },
}

/// What went through.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traffic {
    pub up: usize,
    pub down: usize,
    pub commits: usize,
    /// How many cuts were made.
    pub cut: usize,
}

#[derive(Debug)]
struct Shared {
    traffic: Traffic,
    cuts: VecDeque<Cut>,
    pace: Pace,
}

/// A listening proxy; it serves as long as the process.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

/// One connection, as both directions see it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Mutex<Shared>>,
    /// The number of the commit whose answer comes next.
    answering: Mutex<Option<usize>>,
    /// Whether it ends by a reset, which the sockets send when they are closed.
    resetting: AtomicBool,
}

impl Wire {
    pub fn before(port: u16, cuts: &[Cut], pace: Pace) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let state = Shared { traffic: Traffic::default(), cuts: cuts.iter().copied().collect(), pace };
        let shared = Arc::new(Mutex::new(state));
        let of_links = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let link = Link {
                    client,
                    server,
                    shared: Arc::clone(&of_links),
                    answering: Mutex::new(None),
                    resetting: AtomicBool::new(false),
                };
                let link = Arc::new(link);
                let other = Arc::clone(&link);
                std::thread::spawn(move || other.carry(Way::Up));
                std::thread::spawn(move || link.carry(Way::Down));
            }
        });
        Self { port: own_port, shared }
    }

    /// The superuser's URL through the proxy.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    pub fn traffic(&self) -> Traffic {
        self.shared.lock().unwrap().traffic
    }
}

impl Link {
    fn carry(&self, way: Way) {
        let (mut from, to) = match way {
            Way::Up => (&self.client, &self.server),
            Way::Down => (&self.server, &self.client),
        };
        let (mut pending, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        let mut typed = way == Way::Down;
        let mut queue = Queue::new(to);
        loop {
            let read = queue.read(&mut from, &mut chunk);
            let Some(length) = read else { break };
            pending.extend_from_slice(&chunk[..length]);
            while let Some(size) = message_size(&pending, typed) {
                let message: Vec<u8> = pending.drain(..size).collect();
                let (cut, pace) = self.seen(way, &message, typed);
                typed = true;
                if let Some(cut) = cut {
                    queue.send(&message[..size * cut.thousandths / 1000], Pace::Usual);
                    return self.cut(cut);
                }
                if !queue.send(&message, pace) {
                    return self.end();
                }
            }
        }
        self.end();
    }

    /// Counts a message; the cut that it meets, and how it travels.
    fn seen(&self, way: Way, message: &[u8], typed: bool) -> (Option<Cut>, Pace) {
        let mut shared = self.shared.lock().unwrap();
        let commits = typed && message[0] == b'Q' && message.windows(8).any(|window| window == b"; COMMIT");
        let number = match way {
            Way::Up => {
                shared.traffic.up += 1;
                shared.traffic.commits += usize::from(commits);
                if commits {
                    *self.answering.lock().unwrap() = Some(shared.traffic.commits);
                }
                shared.traffic.up
            }
            Way::Down => {
                shared.traffic.down += 1;
                shared.traffic.down
            }
        };
        let commit = match way {
            Way::Up => commits.then_some(shared.traffic.commits),
            // ReadyForQuery ends the answers of what came before it, so only the last of them may be the commit's.
            Way::Down => self.answering.lock().unwrap().filter(|_| message.windows(7).any(|word| word == b"COMMIT\0")),
        };
        let meets = shared.cuts.front().is_some_and(|cut| {
            cut.way == way
                && match cut.which {
                    Which::Message(wanted) => number >= wanted,
                    Which::Commit(wanted) => commit.is_some_and(|number| number >= wanted),
                }
        });
        let cut = if meets { shared.cuts.pop_front() } else { None };
        shared.traffic.cut += usize::from(cut.is_some());
        let begun = match shared.pace {
            Pace::Usual => false,
            Pace::Bytewise { from } | Pace::Late { from, .. } => shared.traffic.up >= from,
        };
        (cut, if begun { shared.pace } else { Pace::Usual })
    }

    fn cut(&self, cut: Cut) {
        if cut.reset {
            self.resetting.store(true, Ordering::SeqCst);
            for socket in [&self.client, &self.server] {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
                // Wakes the other direction, so that nobody keeps the socket open.
                let _ = socket.shutdown(Shutdown::Read);
            }
            return;
        }
        let _ = self.client.shutdown(Shutdown::Both);
        std::thread::sleep(cut.server_later);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn end(&self) {
        if self.resetting.load(Ordering::SeqCst) {
            return;
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// What is on its way to one side.
struct Queue<'link> {
    to: &'link TcpStream,
    late: VecDeque<(Instant, Vec<u8>)>,
}

impl<'link> Queue<'link> {
    fn new(to: &'link TcpStream) -> Self {
        Self { to, late: VecDeque::new() }
    }

    /// Reads what comes next, sending meanwhile what has become due; none at the end.
    fn read(&mut self, from: &mut &TcpStream, chunk: &mut [u8]) -> Option<usize> {
        loop {
            while let Some((due, _)) = self.late.front()
                && *due <= Instant::now()
            {
                let (_, message) = self.late.pop_front()?;
                self.to.write_all(&message).ok()?;
            }
            let left = self.late.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            let _ = from.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))));
            match from.read(chunk) {
                Ok(0) => break,
                Ok(length) => return Some(length),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        for (due, message) in self.late.drain(..) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let _ = self.to.write_all(&message);
        }
        None
    }

    fn send(&mut self, message: &[u8], pace: Pace) -> bool {
        match pace {
            Pace::Late { by, .. } => {
                self.late.push_back((Instant::now() + by, message.to_vec()));
                true
            }
            Pace::Bytewise { .. } => message.iter().all(|byte| self.to.write_all(&[*byte]).is_ok()),
            Pace::Usual => self.to.write_all(message).is_ok(),
        }
    }
}

fn message_size(pending: &[u8], typed: bool) -> Option<usize> {
    let at = usize::from(typed);
    let bytes: [u8; 4] = pending.get(at..at + 4)?.try_into().unwrap();
    let size = at + u32::from_be_bytes(bytes) as usize;
    (pending.len() >= size).then_some(size)
}
