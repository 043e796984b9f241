//! Asks the server to cancel what a session runs. In: the session's key and where it is connected to. Out: nothing: the
//! server gives no answer.

use std::time::Duration;

use tokio_postgres::CancelToken;

use super::tls::LazyTls;
use super::transport::{Endpoint, open};
use super::url::Target;

/// Asks the server to cancel what a session runs.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    endpoint: Endpoint,
    tls: LazyTls,
    target: Target,
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Canceller {
    pub(super) fn new(token: CancelToken, endpoint: Endpoint, tls: LazyTls, target: Target) -> Self {
        Self { token, endpoint, tls, target }
    }

    /// Asks once, within 2 s. The server gives no answer: whether it helped shows in the statement's own end.
    pub async fn cancel(self) {
        let ask = async {
            let stream = open(&self.endpoint, &self.target).await.ok()?;
            self.token.cancel_query_raw(stream, self.tls).await.ok()
        };
        if tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten().is_none() {
            tracing::debug!("the request to cancel could not be delivered");
        }
    }
}
