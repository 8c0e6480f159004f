//! Puts hints into a module: one section more, before the code, and not a byte of the rest changes.

use wasm_encoder::{BranchHint, BranchHints, Section};
use wasmparser::{BinaryReaderError, Parser, Payload};

use crate::functions::{Function, functions};
use crate::profile::Profile;

const SECTION: &str = "metadata.code.branch_hint";

/// The module with the hints in it, in place of those that it has.
///
/// # Errors
/// Where the module cannot be read.
pub fn hinted(module: &[u8], profile: &Profile) -> Result<Vec<u8>, BinaryReaderError> {
    let (plain, code) = without_hints(module)?;
    let (mut section, mut any) = (BranchHints::new(), false);
    for function in &functions(&plain)? {
        let hints = hints(function, profile);
        if !hints.is_empty() {
            any = true;
            section.function_hints(function.index, hints);
        }
    }
    let mut hinted = plain.get(..code).unwrap_or_default().to_vec();
    if any {
        section.append_to(&mut hinted);
    }
    hinted.extend_from_slice(plain.get(code..).unwrap_or_default());
    Ok(hinted)
}

fn hints(function: &Function, profile: &Profile) -> Vec<BranchHint> {
    let ways = profile.ways(function).unwrap_or_default();
    let hint = |(way, at): (&Option<bool>, &u32)| {
        way.map(|taken| BranchHint { branch_func_offset: *at, branch_hint_value: u32::from(taken) })
    };
    ways.iter().zip(&function.branches).filter_map(hint).collect()
}

/// The module without such a section, and where the code begins in it.
fn without_hints(module: &[u8]) -> Result<(Vec<u8>, usize), BinaryReaderError> {
    let (mut plain, mut code) = (module.get(..HEAD_BYTES).unwrap_or_default().to_vec(), None);
    let mut copied = HEAD_BYTES;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else { continue };
        // The range is what the section holds; its number and size stand before that.
        let section = module.get(copied..range.end).unwrap_or_default();
        copied = range.end;
        if matches!(&payload, Payload::CustomSection(custom) if custom.name() == SECTION) {
            continue;
        }
        if id == CODE {
            code = Some(plain.len());
        }
        plain.extend_from_slice(section);
    }
    let end = plain.len();
    Ok((plain, code.unwrap_or(end)))
}

/// What a module begins with: that it is one, and of which version.
const HEAD_BYTES: usize = 8;
/// The number of the section of code.
const CODE: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::tests::module;

    fn learned(module: &[u8], counts: &[(u64, u64)]) -> Profile {
        Profile::learn(&functions(module).expect("a module"), counts).expect("as many")
    }

    #[test]
    fn hints_stand_before_the_code_and_name_the_branches() {
        let plain = module("run", 7);
        let profile = learned(&plain, &[(0, 4), (9, 0)]);
        let hinted = hinted(&plain, &profile).expect("a module");
        wasmparser::Parser::new(0).parse_all(&hinted).for_each(|payload| drop(payload.expect("valid")));
        // One function, number 1, two hints: at 5 not taken, at 17 taken; each value is one byte long.
        let expected = [1, 1, 2, 5, 1, 0, 17, 1, 1];
        let section = custom(&hinted).expect("the section");
        assert_eq!(section, expected);
        assert_eq!(functions(&hinted).expect("valid"), functions(&plain).expect("valid"));
    }

    #[test]
    fn applied_twice_is_applied_once_and_no_hints_leave_the_module_as_it_is() {
        let plain = module("run", 7);
        let profile = learned(&plain, &[(0, 4), (9, 0)]);
        let once = hinted(&plain, &profile).expect("a module");
        assert_eq!(hinted(&once, &profile).expect("a module"), once);
        assert_eq!(hinted(&once, &Profile::default()).expect("a module"), plain);
        let mut late = plain.clone();
        let empty = wasm_encoder::CustomSection { name: SECTION.into(), data: (&[0]).into() };
        empty.append_to(&mut late);
        assert_eq!(hinted(&late, &profile).expect("a module"), once, "engines want them before the code");
    }

    #[test]
    fn a_module_that_is_cut_off_breaks_nothing() {
        let plain = module("run", 7);
        let profile = learned(&plain, &[(0, 4), (9, 0)]);
        let whole = hinted(&plain, &profile).expect("a module");
        for length in 0..whole.len() {
            // Where it ends between two sections it is a module, of fewer.
            let cut = hinted(&whole[..length], &profile);
            assert!(cut.is_err() || length >= HEAD_BYTES, "{length}");
        }
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(hinted(b"not wasm at all", &Profile::default()).is_err());
    }

    fn custom(module: &[u8]) -> Option<&[u8]> {
        Parser::new(0).parse_all(module).find_map(|payload| match payload {
            Ok(Payload::CustomSection(section)) if section.name() == SECTION => Some(section.data()),
            _ => None,
        })
    }
}
