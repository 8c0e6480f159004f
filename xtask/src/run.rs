//! Child processes: what is run, with what around it, and what is said when it fails.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The project's root folder.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// One program to run in the project's root.
pub struct Job {
    command: Command,
}

impl Job {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        // Cargo runs us with the variables of this package; a child cargo must not inherit them, or it
        // would rebuild what reads them.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command.current_dir(root());
        Self { command }
    }

    pub fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(cargo).args(args)
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Runs it in another folder than the project's root.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with the terminal's output.
    pub fn run(mut self) -> Result<(), String> {
        let status = self.command.status().map_err(|error| self.not_started(&error))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    /// Runs it quietly and hands back what it printed; on failure its last words are in the error.
    pub fn capture(mut self) -> Result<String, String> {
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        Err(format!("{}: {last}", self.failed(output.status)))
    }

    /// Runs it and hands back its standard output; its errors and its progress go to the terminal.
    pub fn printed(mut self) -> Result<String, String> {
        let child = self.command.stderr(Stdio::inherit()).stdout(Stdio::piped()).spawn();
        let output = child.and_then(std::process::Child::wait_with_output);
        let output = output.map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            return Err(self.failed(output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it quietly and hands back all that it said, and whether it succeeded.
    pub fn heard(mut self) -> Result<(String, bool), String> {
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        let said = [output.stdout, output.stderr].concat();
        Ok((String::from_utf8_lossy(&said).into_owned(), output.status.success()))
    }

    /// Runs it with the terminal's output and shows each line of standard output to `see` too.
    pub fn watch(mut self, mut see: impl FnMut(&str)) -> Result<(), String> {
        let mut child =
            self.command.stdout(Stdio::piped()).spawn().map_err(|error| self.not_started(&error))?;
        let lines = child.stdout.take().map(BufReader::new);
        for line in lines.into_iter().flat_map(|lines| lines.split(b'\n')).map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
        let status = child.wait().map_err(|error| format!("{}: {error}", self.shown()))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        let program = Path::new(self.command.get_program()).display();
        match error.kind() {
            ErrorKind::NotFound => format!("`{program}` is not installed"),
            _ => format!("cannot start `{program}`: {error}"),
        }
    }

    fn failed(&self, status: std::process::ExitStatus) -> String {
        format!("`{}` failed: {status}", self.shown())
    }

    fn shown(&self) -> String {
        let program = Path::new(self.command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        let args = self.command.get_args().map(OsStr::to_string_lossy);
        std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
    }
}
