//! The functions of a module: where their branches are, and by what they are known from one build to the next.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use wasmparser::{BinaryReaderError, FunctionBody, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// One function that the module defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Among all of the module, imported ones first.
    pub index: u32,
    /// As it is in the section of names, without the hash that rustc adds; empty where it has none.
    pub name: String,
    /// Of its name and the first bytes of its instructions, but not of what these refer to: calls' and constants' numbers change with the rest of the
    /// module.
    pub fingerprint: u64,
    /// Where `if` and `br_if` are: bytes from the function's beginning, as the proposal counts them.
    pub branches: Vec<u32>,
}

/// All functions of a module, in their order.
///
/// # Errors
/// Where the module cannot be read.
pub fn functions(module: &[u8]) -> Result<Vec<Function>, BinaryReaderError> {
    let (mut index, mut functions) = (0, Vec::new());
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    index += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                functions.push(function(index, &body)?);
                index += 1;
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(section) = section.as_known() {
                    names = function_names(section)?;
                }
            }
            _ => {}
        }
    }
    // The names come last.
    for function in &mut functions {
        function.name = names.remove(&function.index).unwrap_or_default();
        function.fingerprint = with_name(function.fingerprint, &function.name);
    }
    Ok(functions)
}

fn function(index: u32, body: &FunctionBody<'_>) -> Result<Function, BinaryReaderError> {
    let begin = body.range().start;
    let (mut branches, mut digest) = (Vec::new(), Sha256::new());
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset()?;
        digest.update(body.as_bytes().get(at - begin..at - begin + 1).unwrap_or_default());
        match operator {
            Operator::If { .. } => branches.push((at - begin) as u32),
            Operator::BrIf { relative_depth } => {
                branches.push((at - begin) as u32);
                digest.update(relative_depth.to_le_bytes());
            }
            Operator::Br { relative_depth } => digest.update(relative_depth.to_le_bytes()),
            _ => {}
        }
    }
    Ok(Function { index, name: String::new(), fingerprint: first_eight(digest), branches })
}

fn with_name(fingerprint: u64, name: &str) -> u64 {
    first_eight(Sha256::new().chain_update(fingerprint.to_le_bytes()).chain_update(name))
}

fn first_eight(digest: Sha256) -> u64 {
    digest.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

fn function_names(
    section: wasmparser::NameSectionReader<'_>,
) -> Result<HashMap<u32, String>, BinaryReaderError> {
    let mut names = HashMap::new();
    for part in section {
        if let Name::Function(map) = part? {
            for naming in map {
                let naming = naming?;
                names.insert(naming.index, without_hash(naming.name).to_owned());
            }
        }
    }
    Ok(names)
}

/// `_ZN4core3fmt5write17h0123456789abcdefE` without the hash, which is another one in another folder.
fn without_hash(name: &str) -> &str {
    let hashed = |at: usize| {
        let rest = name.get(at + 3..at + 20)?;
        let (hash, end) = rest.split_at_checked(16)?;
        (end == "E" && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.get(..at)).flatten()
    };
    name.rfind("17h").and_then(hashed).unwrap_or(name)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use wasm_encoder as to;
    use wasm_encoder::{BlockType, Instruction, ValType};

    /// A module of one function of a number, which calls an imported one where the number is not 0, and loops while it is.
    pub fn module(name: &str, constant: i32) -> Vec<u8> {
        let mut module = to::Module::new();
        let mut types = to::TypeSection::new();
        types.ty().function([ValType::I32], []);
        let mut imports = to::ImportSection::new();
        imports.import("env", "note", to::EntityType::Function(0));
        let mut defined = to::FunctionSection::new();
        defined.function(0);
        let mut exports = to::ExportSection::new();
        exports.export("run", to::ExportKind::Func, 1);
        let mut body = to::Function::new([(1, ValType::I64)]);
        let code = [
            Instruction::LocalGet(0),
            Instruction::If(BlockType::Empty),
            Instruction::I32Const(constant),
            Instruction::Call(0),
            Instruction::End,
            Instruction::Loop(BlockType::Empty),
            Instruction::LocalGet(0),
            Instruction::I32Eqz,
            Instruction::BrIf(0),
            Instruction::End,
            Instruction::End,
        ];
        for instruction in &code {
            body.instruction(instruction);
        }
        let mut bodies = to::CodeSection::new();
        bodies.function(&body);
        let mut functions = to::NameMap::new();
        functions.append(1, name);
        let mut names = to::NameSection::new();
        names.functions(&functions);
        module
            .section(&types)
            .section(&imports)
            .section(&defined)
            .section(&exports)
            .section(&bodies)
            .section(&names);
        module.finish()
    }

    #[test]
    fn branches_are_counted_from_the_beginning_of_the_function() {
        let module = module("run", 7);
        let [function] = &functions(&module).expect("a module")[..] else { panic!("one function") };
        // One declaration of locals in three bytes; `local.get 0`; `if`.
        assert_eq!((function.index, &function.branches[..]), (1, &[5, 17][..]));
    }

    #[test]
    fn a_function_is_known_again_where_numbers_and_hashes_differ() {
        let known = |name, constant| functions(&module(name, constant)).expect("a module")[0].fingerprint;
        let name = "_ZN4core3fmt5write17h0123456789abcdefE";
        assert_eq!(known(name, 7), known("_ZN4core3fmt5write17hfedcba9876543210E", 8));
        assert_ne!(known(name, 7), known("_ZN4core3fmt6writer17h0123456789abcdefE", 7));
    }

    #[test]
    fn only_a_hash_is_taken_off_a_name() {
        for (name, expected) in [
            ("proxy_on_tick", "proxy_on_tick"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "_ZN4core3fmt5write"),
            ("_ZN4core3fmt5write17h0123456789abcdef", "_ZN4core3fmt5write17h0123456789abcdef"),
            ("17h", "17h"),
            ("", ""),
        ] {
            assert_eq!(without_hash(name), expected, "{name}");
        }
    }
}
