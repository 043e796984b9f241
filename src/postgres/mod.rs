//! The server side: URL, TLS, connection, advisory lock, watcher.

pub mod secret;
pub mod tls;
pub mod url;
