//! Programs that tests run: `tollgate`, and others beside it.

use std::process::Command;

/// Runs a program and hands back what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Runs `tollgate`.
pub fn tollgate(args: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args))
}
