//! The one door to the project: every command does its own set-up, says what it does, and needs no root.

mod bench;
mod binaries;
mod commands;
mod compiler;
mod estimates;
mod guards;
mod prices;
mod report;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use commands::{COMMANDS, Command};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<(), String> {
    let Some((name, rest)) = args.split_first() else {
        print!("{}", overview());
        return Ok(());
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        print!("{}", overview());
        return Ok(());
    }
    let command = find(name)?;
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("cargo xtask {}\n\n{}", command.usage, command.help);
        return Ok(());
    }
    (command.run)(rest)
}

fn find(name: &str) -> Result<&'static Command, String> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        format!("unknown command `{name}`, expected one of {}", names.join(", "))
    })
}

fn overview() -> String {
    let mut text = String::from("cargo xtask COMMAND [--help]\n\n");
    for command in COMMANDS {
        let first_line = command.help.lines().next().unwrap_or_default();
        text.push_str(&format!("  {:<28} {first_line}\n", command.usage));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_refused_with_the_known_ones() {
        let error = dispatch(&["biuld".to_owned()]).unwrap_err();
        assert!(error.starts_with("unknown command `biuld`, expected one of build, "), "{error}");
    }

    #[test]
    fn every_command_has_one_line_in_the_overview() {
        let text = overview();
        for command in COMMANDS {
            assert!(text.contains(&format!("  {}", command.usage)), "{} is missing", command.name);
        }
    }
}
