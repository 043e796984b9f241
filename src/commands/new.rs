//! `new`: writes the next numbered file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use schemagate::error::Error;
use schemagate::migrations::new::next_file;
use schemagate::settings::Settings;

use super::DEFAULT_FOLDER;
use crate::cli::Format;

pub(crate) fn run(settings: &Settings, name: &str, format: Format) -> Result<(), Error> {
    let folder = settings.migrations.as_deref().unwrap_or(Path::new(DEFAULT_FOLDER));
    let path = next_file(folder, name, SystemTime::now())?;
    let failed = |source| Error::Write { path: path.clone(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    // A name of several lines must not put its second line outside the comment.
    let words: Vec<&str> = name.split_whitespace().collect();
    writeln!(file, "-- {}", words.join(" ")).map_err(failed)?;
    let shown = path.display().to_string();
    match format {
        Format::Text => super::print(&[shown]),
        Format::Json => super::print(&[serde_json::json!({ "file": shown }).to_string()]),
    }
}
