//! One block of PEM (RFC 7468). In: text. Out: its label and its bytes. Never asks for a passphrase.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands between the first BEGIN and its END.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    /// None where it is no base64, or has headers, as an old encrypted key does.
    pub(super) der: Option<Vec<u8>>,
}

/// The first block; text around it explains, as RFC 7468 allows. Line ends may be spaces: some panels store them so.
pub(super) fn block(text: &str) -> Option<Block<'_>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some(Block { label, der: STANDARD.decode(body).ok() })
}
