//! Composes arguments, settings, log and command; the one exit edge.

mod cli;
mod commands;
mod telemetry;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode as ProcessExit;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use schemagate::apply::Progress;
use schemagate::error::{Error, stop_code};
use schemagate::exit_code::ExitCode;
use schemagate::postgres::milliseconds;
use schemagate::report::failure::Failure;
use schemagate::report::{summary, termination};
use schemagate::run::UpToDate;
use schemagate::settings::{self, LogFormat, Settings};
use schemagate::stop::{Leave, Signals, Stop, StopReason};

use cli::{AskedFormat, Cli, Command, EvidenceCommand};
use telemetry::Stream;

fn main() -> ProcessExit {
    std::panic::set_hook(Box::new(exit_on_defect));
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    match start(&cli) {
        Ok(code) => code.into(),
        Err(error) => {
            // The system gave no thread, descriptor or memory.
            complain(&format!("error: {error:#}"));
            ExitCode::TryAgain.into()
        }
    }
}

/// As PID 1 an abort exits with 139, so a defect ends the process here.
#[expect(clippy::disallowed_methods, reason = "the stack is not to be trusted any more; the server rolls back")]
fn exit_on_defect(panic: &std::panic::PanicHookInfo<'_>) {
    if schemagate::lint::is_guarded() {
        return;
    }
    complain(&format!("error: a defect of schemagate, please report it: {panic}"));
    std::process::exit(ExitCode::Defect.number().into());
}

/// For what goes wrong before there is a log, or with it.
fn complain(words: &str) {
    // Nothing is left to tell it to where stderr is gone.
    let _ = writeln!(std::io::stderr(), "{words}");
    termination::write(&settings::termination_log(std::env::var_os(settings::TERMINATION_LOG)), words);
}

/// Help and version are results; everything else is a wrong argument.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        complain(&cli::explain(error, std::env::args_os()));
        return ExitCode::Usage;
    }
    let _ = error.print();
    ExitCode::Success
}

fn start(cli: &Cli) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    // One thread: the watcher and requests to cancel run between the answers that the run awaits.
    let code = runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        // Before anything else: as PID 1, SIGTERM without a handler is ignored.
        let signals = Signals::listen(end_under_it).context("cannot listen for signals")?;
        Ok::<_, anyhow::Error>(gate(cli, signals).await)
    }))?;
    // A name that is still being resolved must not hold the exit up.
    runtime.shutdown_background();
    Ok(code)
}

/// Ends the process where the run cannot end itself: it is stuck in a write that nobody reads, or in a read of a pipe.
#[expect(clippy::disallowed_methods, reason = "the main thread does not answer; the server rolls back")]
fn end_under_it(leave: Leave) {
    std::process::exit(stop_code(reason_of(leave)).number().into());
}

fn reason_of(leave: Leave) -> StopReason {
    match leave {
        Leave::SecondSignal(reason) | Leave::OutOfTime(reason) => reason,
    }
}

/// Runs the command, unless a second signal ends it at once.
async fn gate(cli: &Cli, signals: Signals) -> ExitCode {
    let started = Instant::now();
    let is_up = is_up(cli);
    let stream = if is_up { Stream::Stdout } else { Stream::Stderr };
    let (mut settings, unreadable) = match Settings::read(std::env::vars_os()) {
        Ok(settings) => (settings, None),
        Err(error) => (Settings::clone(&error.readable), Some(Error::from(error))),
    };
    telemetry::start(stream, format_of(cli, is_up, settings.log_format), &settings.log);
    warn_of_unknown(&settings);
    if let Some(error) = unreadable {
        // What the same look at the environment shows of the URL is told with it, and not by the next deploy.
        let needs_url = !matches!(
            cli.command,
            Some(
                Command::New { .. }
                    | Command::Lint(_)
                    | Command::Qualify(_)
                    | Command::Evidence(EvidenceCommand::Verify { .. })
            )
        );
        let of_url = needs_url.then(|| commands::dialer(&settings).err()).flatten();
        // One that cannot be read is not missing besides.
        let of_url = of_url.filter(|of_url| !(error.is_about_url() && matches!(of_url, Error::NoDatabaseUrl)));
        let error = match of_url {
            Some(of_url) => Error::Several(vec![error, of_url]),
            None => error,
        };
        return fail(cli, &error, &Progress::default(), started.elapsed(), &settings.termination_log);
    }
    if let Some(folder) = &cli.migrations {
        settings.migrations = Some(folder.clone());
    }
    let stop = signals.stop();
    let mut progress = Progress::default();
    let done = tokio::select! {
        done = dispatch(cli, &settings, &stop, &mut progress) => Ok(done),
        leave = signals.run(settings.deadline) => Err(leave),
    };
    match done {
        Ok(Ok(Some(outcome))) => {
            commands::up::tell(&outcome, &progress, started.elapsed());
            ExitCode::Success
        }
        Ok(Ok(None)) => ExitCode::Success,
        Ok(Err(error)) => fail(cli, &error, &progress, started.elapsed(), &settings.termination_log),
        Err(leave) => leave_at_once(leave, &settings.termination_log),
    }
}

async fn dispatch(
    cli: &Cli,
    settings: &Settings,
    stop: &Stop,
    progress: &mut Progress,
) -> Result<Option<UpToDate>, Error> {
    let asked = cli.format.unwrap_or(AskedFormat::Text);
    let format = asked.plain();
    match &cli.command {
        None => return commands::up::run(settings, None, stop, progress).await.map(Some),
        Some(Command::Up { target }) => return commands::up::run(settings, *target, stop, progress).await.map(Some),
        Some(Command::Plan { target, sql }) => commands::plan::run(settings, *target, *sql, format, stop).await?,
        Some(Command::Rehearse { target, with_traffic }) => {
            commands::rehearse::run(settings, *target, *with_traffic, asked, stop).await?;
        }
        Some(Command::Status { check, wait }) => {
            let check = commands::status::Check { check: *check, wait: *wait };
            commands::status::run(settings, check, format, stop).await?;
        }
        Some(Command::Adopt(arguments)) => commands::adopt::run(settings, arguments, format, stop).await?,
        Some(Command::Qualify(arguments)) => commands::qualify::run(settings, arguments, format, stop).await?,
        Some(Command::Lint(arguments)) => commands::lint::run(settings, arguments, asked)?,
        Some(Command::New { name }) => commands::new::run(settings, name, format)?,
        Some(Command::Evidence(EvidenceCommand::Verify { path, public_key })) => {
            commands::evidence::verified(path, public_key, format)?;
        }
        Some(Command::Evidence(EvidenceCommand::Runs { output })) => {
            commands::evidence::runs(settings, output.as_deref(), format, stop).await?;
        }
    }
    Ok(None)
}

fn is_up(cli: &Cli) -> bool {
    matches!(cli.command, None | Some(Command::Up { .. }))
}

/// `--format` is the log's shape for `up`, whose log is its output.
fn format_of(cli: &Cli, is_up: bool, setting: LogFormat) -> LogFormat {
    match cli.format {
        Some(AskedFormat::Text) if is_up => LogFormat::Text,
        Some(AskedFormat::Json) if is_up => LogFormat::Json,
        _ => setting,
    }
}

fn warn_of_unknown(settings: &Settings) {
    let mut others = Vec::new();
    for unknown in &settings.unknown {
        match unknown.nearest {
            Some(nearest) => tracing::warn!("unknown variable {} is ignored; did you mean {nearest}?", unknown.name),
            None => others.push(unknown.name.as_str()),
        }
    }
    if !others.is_empty() {
        tracing::warn!(
            "ignored, as no setting has the name: {} (Kubernetes sets such variables for a service called schemagate)",
            others.join(", ")
        );
    }
}

/// The one place that tells a failure: log, termination log, exit code.
fn fail(cli: &Cli, error: &Error, progress: &Progress, elapsed: Duration, termination_log: &Path) -> ExitCode {
    let code = error.exit_code();
    let is_up = is_up(cli);
    let failure = match cli.command {
        Some(Command::Rehearse { .. }) => Failure::of_rehearsal(error),
        _ => Failure::of(error, progress),
    };
    termination::write(termination_log, &failure.within(termination::LIMIT_BYTES));
    commands::up::tell_recovery_point(progress);
    let sentence = is_up.then(|| summary::failure(progress, elapsed, code, failure.outcome_known));
    let (reports, last) = summary::told(&failure, sentence.as_deref());
    for report in reports {
        tracing::error!(exit_code = code.number(), "{report}");
    }
    tracing::error!(
        outcome = "failed",
        exit_code = code.number(),
        migration = failure.migration,
        sqlstate = failure.sqlstate,
        applied = (is_up && failure.outcome_known).then_some(progress.applied.len()),
        elapsed_ms = milliseconds(elapsed),
        "{last}"
    );
    code
}

fn leave_at_once(leave: Leave, termination_log: &Path) -> ExitCode {
    let (reason, why) = match leave {
        Leave::SecondSignal(reason) => (reason, format!("second {}", reason.name())),
        Leave::OutOfTime(reason) => (reason, format!("{}, and nothing answers", reason.name())),
    };
    let code = stop_code(reason);
    let words =
        format!("{why}: left at once; the server rolls back what is not committed, and the history says what is");
    termination::write(termination_log, &words);
    tracing::error!(outcome = "failed", exit_code = code.number(), "{words}");
    code
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn a_defect_is_told_and_exits_with_70() {
        const DEFECT: &str = "SCHEMAGATE_TEST_DEFECT";
        // This very test, in a process of its own, is the one that ends.
        if std::env::var_os(DEFECT).is_some() {
            std::panic::set_hook(Box::new(super::exit_on_defect));
            panic!("a thing that cannot be");
        }
        let termination_log = tempfile::NamedTempFile::new().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::a_defect_is_told_and_exits_with_70", "--nocapture"])
            .env(DEFECT, "1")
            .env("SCHEMAGATE_TERMINATION_LOG", termination_log.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(70));
        let told = std::fs::read_to_string(termination_log.path()).unwrap();
        assert!(told.contains("a defect of schemagate") && told.contains("a thing that cannot be"), "{told}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&told));
    }
}
