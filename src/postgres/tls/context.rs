//! Sets OpenSSL up. In: `TlsSettings` and the files they name. Out: the context every session shares, and a session for
//! one host. Reads the system's root certificates only where they are asked for: parsing them takes 8 ms, half a run.

use super::error::TlsError;
use super::material::{Material, Roots, SystemRoots};
use super::settings::{SslNegotiation, TlsSettings, TlsVersion, Verification};
use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509CheckFlags;
use std::net::IpAddr;

/// OpenSSL's own choice, without what proves no server, hides nothing, or has long been broken.
const CIPHERS: &str = "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK";
/// OpenSSL's own list, with a share of the key for P-256 too: before PostgreSQL 18 servers take no other curve by
/// default, and asking for its share costs them, and us, a round trip.
const GROUPS: &str =
    "?*X25519MLKEM768 / ?*X25519 : ?*secp256r1 / ?X448 : ?secp384r1 : ?secp521r1 / ?ffdhe2048 : ?ffdhe3072";
/// The protocol's name for `sslnegotiation=direct`, after its length.
const ALPN: &[u8] = b"\x0apostgresql";

/// The context that every session with these settings shares.
pub(super) fn build(settings: &TlsSettings) -> Result<SslContext, TlsError> {
    let material = Material::read(settings)?;
    assemble(settings, material).map_err(|source| TlsError::Setup { source })
}

fn assemble(settings: &TlsSettings, material: Material) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
    // The driver may offer what is left of a write from another place in memory.
    context.set_mode(SslMode::AUTO_RETRY | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE);
    context.set_cipher_list(CIPHERS)?;
    // OpenSSL before 3.5, where this is built against the system's, does not know the notation; its default will do.
    let _ = context.set_groups_list(GROUPS);
    context.set_min_proto_version(Some(version(settings.min_version)))?;
    context.set_max_proto_version(settings.max_version.map(version))?;
    if settings.negotiation == SslNegotiation::Direct {
        context.set_alpn_protos(ALPN)?;
    }
    context.set_verify(match material.verification {
        Verification::None => SslVerifyMode::NONE,
        Verification::Chain | Verification::ChainAndName => SslVerifyMode::PEER,
    });
    match material.roots {
        Roots::None => {}
        Roots::System(places) => trust_system(&mut context, &places)?,
        Roots::Given(roots) => trust(&mut context, roots)?,
    }
    if let Some(identity) = material.identity {
        let mut chain = identity.chain.into_iter();
        if let Some(own) = chain.next() {
            context.set_certificate(&own)?;
        }
        chain.try_for_each(|link| context.add_extra_chain_cert(link))?;
        context.set_private_key(&identity.key)?;
    }
    Ok(context.build())
}

fn trust(context: &mut SslContextBuilder, roots: Vec<X509>) -> Result<(), ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    roots.into_iter().try_for_each(|root| store.add_cert(root))?;
    context.set_cert_store(store.build());
    Ok(())
}

/// A place that cannot be read is passed over: another one may have what it takes.
fn trust_system(context: &mut SslContextBuilder, places: &SystemRoots) -> Result<(), ErrorStack> {
    // What SSL_CERT_FILE and SSL_CERT_DIR name, and where this OpenSSL was built to look.
    context.set_default_verify_paths()?;
    if let Some(file) = &places.file {
        let _ = context.load_verify_locations(Some(file), None);
    }
    for folder in &places.folders {
        let _ = context.load_verify_locations(None, Some(folder));
    }
    Ok(())
}

/// A session with `host`, the name (or address) the certificate must carry where names are verified.
pub(super) fn session(context: &SslContext, settings: &TlsSettings, host: &str) -> Result<Ssl, TlsError> {
    let prepare = || {
        let mut ssl = Ssl::new(context)?;
        let address = host.parse().ok();
        if settings.sni && address.is_none() {
            ssl.set_hostname(host)?;
        }
        if settings.verification() == Verification::ChainAndName {
            expect_name(&mut ssl, host, address)?;
        }
        Ok(ssl)
    };
    prepare().map_err(|source| TlsError::Setup { source })
}

/// The subject's common name counts where the certificate has no alternative names, as in libpq.
fn expect_name(ssl: &mut SslRef, host: &str, address: Option<IpAddr>) -> Result<(), ErrorStack> {
    let wanted = ssl.param_mut();
    wanted.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
    match address {
        Some(address) => wanted.set_ip(address),
        None => wanted.set_host(host),
    }
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}
