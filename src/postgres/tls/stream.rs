//! The encrypted stream. In: an OpenSSL session and a socket. Out: bytes, and what binds a SCRAM login to this channel.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{self, Ssl};
use openssl::x509::{X509Ref, X509VerifyResult};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio_openssl::SslStream;
use tokio_postgres::tls::{self, ChannelBinding};

use super::error::TlsError;

/// OpenSSL reads a record's header and its body apart: with this between, one read of the socket serves both.
const READ_AHEAD: usize = 8192;

/// A TLS session with the server.
#[derive(Debug)]
pub struct TlsStream<S>(SslStream<BufReader<S>>);

/// A handshake that failed, with what OpenSSL thinks of the server's certificate.
pub(super) struct FailedHandshake {
    pub(super) error: ssl::Error,
    pub(super) verified: X509VerifyResult,
}

/// Shakes hands over `socket`. The outer error is one of memory or settings, the inner one that of the handshake.
pub(super) async fn handshake<S>(ssl: Ssl, socket: S) -> Result<Result<TlsStream<S>, FailedHandshake>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = SslStream::new(ssl, BufReader::with_capacity(READ_AHEAD, socket));
    let mut stream = stream.map_err(|source| TlsError::Setup { source })?;
    Ok(match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(TlsStream(stream)),
        Err(error) => Err(FailedHandshake { error, verified: stream.ssl().verify_result() }),
    })
}

impl<S> tls::TlsStream for TlsStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn channel_binding(&self) -> ChannelBinding {
        let certificate = self.0.ssl().peer_certificate();
        match certificate.and_then(|certificate| end_point(&certificate).ok().flatten()) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

/// The hash of the server's certificate, by the hash function of its signature (RFC 5929, section 4.1). None where the
/// signature has no hash of its own, as with Ed25519.
fn end_point(certificate: &X509Ref) -> Result<Option<Vec<u8>>, ErrorStack> {
    let signature = certificate.signature_algorithm().object().nid().signature_algorithms();
    let hash = match signature.map(|algorithms| algorithms.digest) {
        Some(Nid::MD5 | Nid::SHA1) => Some(MessageDigest::sha256()),
        Some(hash) => MessageDigest::from_nid(hash),
        None => None,
    };
    hash.map(|hash| certificate.digest(hash).map(|digest| digest.to_vec())).transpose()
}

impl<S> AsyncRead for TlsStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S> AsyncWrite for TlsStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::pkey::{PKey, Private};
    use openssl::x509::X509;

    fn signed_with(key: &PKey<Private>, hash: MessageDigest) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(key, hash).unwrap();
        builder.build()
    }

    #[test]
    fn a_channel_is_bound_by_the_hash_of_the_certificates_signature_but_never_by_a_broken_one() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        for (signed, bound) in [
            (MessageDigest::sha1(), MessageDigest::sha256()),
            (MessageDigest::sha256(), MessageDigest::sha256()),
            (MessageDigest::sha384(), MessageDigest::sha384()),
            (MessageDigest::sha512(), MessageDigest::sha512()),
        ] {
            let certificate = signed_with(&key, signed);
            let expected = certificate.digest(bound).unwrap().to_vec();
            assert_eq!(end_point(&certificate).unwrap(), Some(expected));
        }
        let without_a_hash = signed_with(&PKey::generate_ed25519().unwrap(), MessageDigest::null());
        assert_eq!(end_point(&without_a_hash).unwrap(), None);
    }
}
