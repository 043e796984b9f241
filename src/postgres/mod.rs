//! The server side: URL, TLS, connection, advisory lock, watcher.
