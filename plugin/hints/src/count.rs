//! Adds counters to a module: two for each branch, in a memory of their own that it exports as `branches`.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Instruction, MemArg, MemorySection, MemoryType,
    Module, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use crate::functions::functions;

/// Two counters of 64 bits: taken, and not.
const BYTES_PER_BRANCH: u64 = 16;
const PAGE_BYTES: u64 = 65_536;

/// The module with counters, and how many branches it has.
///
/// # Errors
/// Where the module cannot be read.
pub fn counting(module: &[u8]) -> Result<(Vec<u8>, usize), String> {
    let functions = functions(module).map_err(|error| error.to_string())?;
    let branches = functions.iter().map(|function| function.branches.len()).sum::<usize>();
    let mut counter = Counter { branches, ..Counter::of(module).map_err(|error| error.to_string())? };
    let mut counting = Module::new();
    let done = counter.parse_core_module(&mut counting, Parser::new(0), module);
    done.map_err(|error| error.to_string())?;
    Ok((counting.finish(), branches))
}

#[derive(Default)]
struct Counter {
    branches: usize,
    /// How many parameters the functions have that are not seen yet, last one first.
    parameters: Vec<u32>,
    /// The memory of the counters: the one after those that are there.
    memory: u32,
    /// How many branches were seen.
    seen: u64,
}

impl Counter {
    fn of(module: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let (mut types, mut counter) = (Vec::new(), Self::default());
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for of in section.into_iter_err_on_gc_types() {
                        types.push(of?.params().len() as u32);
                    }
                }
                Payload::FunctionSection(section) => {
                    for of in section {
                        counter.parameters.push(types.get(of? as usize).copied().unwrap_or_default());
                    }
                }
                Payload::MemorySection(section) => counter.memory = section.count(),
                _ => {}
            }
        }
        counter.parameters.reverse();
        Ok(counter)
    }

    /// Counts which way the branch goes whose condition lies on the stack, and leaves that there.
    fn count(&mut self, condition: u32, into: &mut wasm_encoder::Function) {
        let at = self.seen * BYTES_PER_BRANCH;
        self.seen += 1;
        into.instruction(&Instruction::LocalTee(condition)).instruction(&Instruction::If(BlockType::Empty));
        self.add_one(at, into);
        into.instruction(&Instruction::Else);
        self.add_one(at + BYTES_PER_BRANCH / 2, into);
        into.instruction(&Instruction::End).instruction(&Instruction::LocalGet(condition));
    }

    fn add_one(&self, offset: u64, into: &mut wasm_encoder::Function) {
        let counter = MemArg { offset, align: 3, memory_index: self.memory };
        let code = [
            Instruction::I32Const(0),
            Instruction::I32Const(0),
            Instruction::I64Load(counter),
            Instruction::I64Const(1),
            Instruction::I64Add,
            Instruction::I64Store(counter),
        ];
        for instruction in &code {
            into.instruction(instruction);
        }
    }
}

impl Reencode for Counter {
    type Error = Infallible;

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_memory_section(self, memories, section)?;
        let minimum = (self.branches as u64 * BYTES_PER_BRANCH).div_ceil(PAGE_BYTES);
        memories.memory(MemoryType {
            minimum,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        exports.export("branches", ExportKind::Memory, self.memory);
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Infallible>> {
        let (mut locals, mut condition) = (Vec::new(), self.parameters.pop().unwrap_or_default());
        for declared in body.get_locals_reader()? {
            let (count, of) = declared?;
            condition += count;
            locals.push((count, self.val_type(of)?));
        }
        locals.push((1, ValType::I32));
        let mut counting = wasm_encoder::Function::new(locals);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            if matches!(operator, Operator::If { .. } | Operator::BrIf { .. }) {
                self.count(condition, &mut counting);
            }
            counting.instruction(&self.instruction(operator)?);
        }
        code.function(&counting);
        Ok(())
    }
}
