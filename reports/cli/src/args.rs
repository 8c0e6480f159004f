//! Arguments: files, and options that a command knows.

use std::fmt;

/// An option of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// With its dashes.
    pub name: &'static str,
    /// What its value is; empty for a switch.
    pub value: &'static str,
    pub help: &'static str,
}

impl Opt {
    pub const fn new(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { name, value, help }
    }
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// It was asked for something that is not there.
    Usage(String),
    /// Something did not work.
    Failed(String),
    /// Nobody reads the output any more.
    Unread,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Failed(why) => f.write_str(why),
            Self::Unread => f.write_str("the output is not read any more"),
        }
    }
}

/// What was given.
#[derive(Debug, Default)]
pub struct Args {
    pub files: Vec<String>,
    options: Vec<(&'static str, String)>,
}

impl Args {
    /// Reads arguments. `--name value` and `--name=value` are the same; behind `--` all are files.
    pub fn parse(given: &[String], known: &[&[Opt]]) -> Result<Self, Failure> {
        let mut args = Self::default();
        let mut given = given.iter();
        while let Some(arg) = given.next() {
            if arg == "--" {
                args.files.extend(given.by_ref().cloned());
            } else if arg == "-" || !arg.starts_with('-') {
                args.files.push(arg.clone());
            } else {
                let (name, inline) = match arg.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (arg.as_str(), None),
                };
                let option = known.iter().copied().flatten().find(|option| option.name == name);
                let option = option.ok_or_else(|| unknown(name, known))?;
                let value = match (option.value.is_empty(), inline) {
                    (true, None) => String::new(),
                    (true, Some(_)) => return Err(Failure::Usage(format!("`{name}` takes no value"))),
                    (false, Some(value)) => value,
                    (false, None) => given
                        .next()
                        .cloned()
                        .ok_or_else(|| Failure::Usage(format!("`{name}` needs a value: {}", option.value)))?,
                };
                args.options.push((option.name, value));
            }
        }
        Ok(args)
    }

    /// The value of an option; the last one counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option that may be given several times.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.options.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an option that a command cannot do without.
    pub fn needed(&self, name: &str) -> Result<&str, Failure> {
        self.value(name).ok_or_else(|| Failure::Usage(format!("`{name}` is missing; --help says what it is")))
    }

    /// The text of the file that an option names.
    pub fn text_of(&self, name: &str) -> Result<String, Failure> {
        let path = self.needed(name)?;
        std::fs::read_to_string(path).map_err(|error| Failure::Failed(format!("`{path}`: {error}")))
    }

    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A whole number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let read = |text: &str| {
            let digits = text.replace(['_', ','], "");
            digits
                .parse()
                .map_err(|_| Failure::Usage(format!("`{name}`: `{text}` is no whole number that fits")))
        };
        self.value(name).map(read).transpose()
    }
}

fn unknown(name: &str, known: &[&[Opt]]) -> Failure {
    let names: Vec<_> = known.iter().copied().flatten().map(|option| format!("`{}`", option.name)).collect();
    Failure::Usage(format!("unknown option `{name}`, expected one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Opt] = &[Opt::new("--by", "NAMES", ""), Opt::new("--quiet", "", "")];

    fn parse(args: &[&str]) -> Result<Args, String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        Args::parse(&args, &[KNOWN]).map_err(|why| why.to_string())
    }

    #[test]
    fn files_and_options_may_stand_in_any_order() {
        let args = parse(&["a.log", "--by", "team", "--quiet", "-", "--by=model", "--", "--odd"]).unwrap();
        assert_eq!(args.files, ["a.log", "-", "--odd"]);
        assert_eq!(
            (args.value("--by"), args.values("--by").count(), args.has("--quiet")),
            (Some("model"), 2, true)
        );
    }

    #[test]
    fn what_a_command_does_not_know_is_refused_with_what_it_knows() {
        for (args, expected) in [
            (&["--bz", "x"][..], "unknown option `--bz`, expected one of `--by`, `--quiet`"),
            (&["--by"], "`--by` needs a value: NAMES"),
            (&["--quiet=1"], "`--quiet` takes no value"),
        ] {
            assert_eq!(parse(args).unwrap_err(), expected);
        }
    }
}
