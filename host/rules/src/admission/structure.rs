//! One linear walk over the bytes that counts, and the full validation. Both run before anything is compiled: validation and
//! compiling can cost far more than linear time, and the caps are what bounds them.

use super::{Refusal, Stage};
use crate::config::{Caps, EngineConfig, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES, Tier};
use davy_domain::refusal::{Advice, Counted, Place, Reason};
use wasmparser::{Encoding, FunctionBody, Operator, Parser, Payload, Validator, WasmFeatures};

type Remedy = (Advice, &'static str);

const SPLIT: Remedy =
    (Advice::Split, "Split the function, or build with `davyctl rule build`, which optimises for size");
const SHRINK: Remedy = (
    Advice::Shrink,
    "Leave out what the rule does not need, or build with `davyctl rule build`, which optimises for size and strips names",
);
const FEWER_PARTS: Remedy = (
    Advice::FewerParts,
    "Leave out what the rule does not need: a component of `davyctl rule build` has one rule module and a few dozen interface items",
);
const LESS_MEMORY: Remedy = (
    Advice::LessMemory,
    "Make what the rule keeps at hand smaller: its memory and tables must fit the limits that `wit/` publishes",
);
const STRIP: Remedy =
    (Advice::Strip, "Strip debug information and names, as `davyctl rule build` does, and leave data out of the rule");
const NOT_OURS: Remedy =
    (Advice::MakeComponent, "A rule is a WebAssembly component: make one with `davyctl rule build`");

struct Counts {
    caps: Caps,
    /// Where the section begins that is being read.
    at: u64,
    modules: u32,
    functions: u32,
    types: u32,
    memories: u32,
    tables: u32,
    items: u32,
    nesting: usize,
    function_in_module: u32,
    /// The most parameters of any function type of the component: an upper bound for each of its functions.
    parameters: u64,
    code: u64,
    joins: u64,
    custom: u32,
    custom_bytes: u64,
}

/// Counts everything, refuses at the first cap that is passed.
pub(super) fn check(bytes: &[u8], config: &EngineConfig, tier: Tier) -> Result<(), Refusal> {
    form(bytes)?;
    let mut counts = Counts::within(tier.caps());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        if let Some((_, range)) = payload.as_section() {
            counts.at = range.start;
        }
        counts.payload(payload, config)?;
    }
    Ok(())
}

/// The whole of WebAssembly's validation, for exactly the features that the engine has.
pub(super) fn validate(bytes: &[u8]) -> Result<(), Refusal> {
    let features = WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::COMPONENT_MODEL;
    Validator::new_with_features(features).validate_all(bytes).map(drop).map_err(|error| {
        Refusal::new(
            Stage::Validation,
            (Reason::NotValid, format!("not valid WebAssembly: {}", error.message())),
            (
                Advice::AllowedFeatures,
                "Rebuild the rule with `davyctl rule build`; threads, 64-bit memories, exceptions, GC and relaxed SIMD are not allowed",
            ),
        )
        .with("detail", error.message())
        .at(Place::Byte, format!("byte {}", error.offset()))
        .with("byte", error.offset())
    })
}

fn form(bytes: &[u8]) -> Result<(), Refusal> {
    let refuse = |code, reason: &str| {
        let refusal = Refusal::new(Stage::Structure, (code, reason), NOT_OURS);
        Err(refusal.at(Place::Byte, "byte 0").with("byte", 0))
    };
    match bytes {
        [] => refuse(Reason::Empty, "the file is empty"),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => refuse(Reason::CoreModule, "expected a component, got a core module"),
        [0, b'a', b's', b'm', ..] => Ok(()),
        [0x7f, b'E', b'L', b'F', ..] => {
            refuse(Reason::MachineCode, "expected a component, got machine code; compiled artifacts are never accepted")
        }
        [b'(', ..] => refuse(Reason::WasmText, "expected a component, got WebAssembly text"),
        _ => refuse(Reason::NotWasm, "expected a component, got something else"),
    }
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Refusal {
    let (message, byte) = (error.message(), error.offset());
    Refusal::new(Stage::Structure, (Reason::Malformed, format!("malformed: {message}")), NOT_OURS)
        .with("detail", message)
        .at(Place::Byte, format!("byte {byte}"))
        .with("byte", byte)
}

/// What is counted, in words.
const fn counted(what: Counted) -> &'static str {
    match what {
        Counted::Nesting => "components within each other",
        Counted::Modules => "core modules",
        Counted::Types => "core types",
        Counted::CustomSections => "custom sections",
        Counted::CustomBytes => "bytes in custom sections",
        Counted::Instances => "core instances",
        Counted::Functions => "functions",
        Counted::MemoryBytes => "bytes of memory at the start",
        Counted::Memories => "memories",
        Counted::TableElements => "table elements",
        Counted::Tables => "tables",
        Counted::Items => "imports, exports, types and aliases",
        Counted::BodyBytes => "bytes in a function",
        Counted::CodeBytes => "bytes of code",
        Counted::Locals => "parameters and locals in a function",
        Counted::BlockDepth => "nested blocks in a function",
        Counted::LoopDepth => "nested loops in a function",
        Counted::Joins => "locals times branches",
    }
}

impl Counts {
    fn within(caps: Caps) -> Self {
        Self {
            caps,
            at: 0,
            modules: 0,
            functions: 0,
            types: 0,
            memories: 0,
            tables: 0,
            items: 0,
            nesting: 0,
            function_in_module: 0,
            parameters: 0,
            code: 0,
            joins: 0,
            custom: 0,
            custom_bytes: 0,
        }
    }

    fn too_many(&self, what: Counted, most: u64, got: u64, remedy: Remedy) -> Refusal {
        let reason = format!("expected at most {most} {}, got {got}", counted(what));
        Refusal::new(Stage::Structure, (Reason::TooMany, reason), remedy)
            .with("what", what)
            .with("most", most)
            .with("got", got)
            .at(Place::Section, format!("the section at byte {}", self.at))
            .with("byte", self.at)
    }

    fn cap(&self, what: Counted, most: u32, got: u32, remedy: Remedy) -> Result<(), Refusal> {
        if got <= most { Ok(()) } else { Err(self.too_many(what, u64::from(most), u64::from(got), remedy)) }
    }

    fn payload(&mut self, payload: Payload<'_>, config: &EngineConfig) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.nesting += 1;
                if self.nesting > self.caps.nesting {
                    return Err(self.too_many(
                        Counted::Nesting,
                        self.caps.nesting as u64,
                        self.nesting as u64,
                        FEWER_PARTS,
                    ));
                }
            }
            Payload::Version { encoding: Encoding::Module, .. } => {
                self.nesting += 1;
                self.modules += 1;
                self.function_in_module = 0;
                self.cap(Counted::Modules, MAX_CORE_INSTANCES, self.modules, FEWER_PARTS)?;
            }
            Payload::End(_) => self.nesting = self.nesting.saturating_sub(1),
            Payload::TypeSection(section) => {
                self.types = self.types.saturating_add(section.count());
                self.cap(Counted::Types, self.caps.types, self.types, SHRINK)?;
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty.map_err(|error| malformed(&error))?;
                    self.parameters = self.parameters.max(ty.params().len() as u64);
                }
            }
            Payload::CustomSection(section) => {
                self.custom += 1;
                self.cap(Counted::CustomSections, self.caps.custom_sections, self.custom, STRIP)?;
                self.custom_bytes += section.data().len() as u64;
                if self.custom_bytes > self.caps.custom_bytes {
                    return Err(self.too_many(Counted::CustomBytes, self.caps.custom_bytes, self.custom_bytes, STRIP));
                }
            }
            Payload::ImportSection(section) => self.count_items(section.count())?,
            Payload::ExportSection(section) => self.count_items(section.count())?,
            Payload::GlobalSection(section) => self.count_items(section.count())?,
            Payload::ComponentTypeSection(section) => self.count_items(section.count())?,
            Payload::CoreTypeSection(section) => self.count_items(section.count())?,
            Payload::ComponentImportSection(section) => self.count_items(section.count())?,
            Payload::ComponentExportSection(section) => self.count_items(section.count())?,
            Payload::ComponentAliasSection(section) => self.count_items(section.count())?,
            Payload::ComponentInstanceSection(section) => self.count_items(section.count())?,
            Payload::ComponentCanonicalSection(section) => self.count_items(section.count())?,
            Payload::InstanceSection(section) => {
                self.cap(Counted::Instances, MAX_CORE_INSTANCES, section.count(), FEWER_PARTS)?;
                self.count_items(section.count())?;
            }
            Payload::FunctionSection(section) => {
                self.functions = self.functions.saturating_add(section.count());
                self.cap(Counted::Functions, self.caps.functions, self.functions, SHRINK)?;
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.map_err(|error| malformed(&error))?;
                    self.memories += 1;
                    let bytes = memory.initial.saturating_mul(1 << memory.page_size_log2.unwrap_or(16).min(16));
                    if bytes > config.max_memory as u64 {
                        return Err(self.too_many(Counted::MemoryBytes, config.max_memory as u64, bytes, LESS_MEMORY));
                    }
                }
                self.cap(Counted::Memories, MAX_MEMORIES, self.memories, LESS_MEMORY)?;
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table.map_err(|error| malformed(&error))?;
                    self.tables += 1;
                    if table.ty.initial > config.max_table_elements as u64 {
                        return Err(self.too_many(
                            Counted::TableElements,
                            config.max_table_elements as u64,
                            table.ty.initial,
                            LESS_MEMORY,
                        ));
                    }
                }
                self.cap(Counted::Tables, MAX_TABLES, self.tables, LESS_MEMORY)?;
            }
            Payload::CodeSectionEntry(body) => {
                let (module, function) = (self.modules - 1, self.function_in_module);
                self.function_in_module += 1;
                self.body(&body).map_err(|refusal| {
                    let byte = body.range().start;
                    let place = format!("core module {module}, function {function} of its own, byte {byte}");
                    let refusal = refusal.at(Place::Function, place).with("byte", byte);
                    refusal.with("module", module).with("function", function)
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn count_items(&mut self, count: u32) -> Result<(), Refusal> {
        self.items = self.items.saturating_add(count);
        self.cap(Counted::Items, self.caps.items, self.items, FEWER_PARTS)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let size = body.range().end.saturating_sub(body.range().start);
        if size > self.caps.body {
            return Err(self.too_many(Counted::BodyBytes, self.caps.body, size, SPLIT));
        }
        self.code += size;
        if self.code > self.caps.code {
            return Err(self.too_many(Counted::CodeBytes, self.caps.code, self.code, SHRINK));
        }
        let mut locals = self.parameters;
        for group in body.get_locals_reader().map_err(|error| malformed(&error))? {
            let (count, _) = group.map_err(|error| malformed(&error))?;
            locals += u64::from(count);
            if locals > self.caps.locals {
                return Err(self.too_many(Counted::Locals, self.caps.locals, locals, SPLIT));
            }
        }
        // For each open block, whether it is a loop.
        let (mut open, mut loops) = (Vec::new(), 0);
        for operator in body.get_operators_reader().map_err(|error| malformed(&error))? {
            match operator.map_err(|error| malformed(&error))? {
                Operator::Loop { .. } => {
                    open.push(true);
                    loops += 1;
                    self.joins += locals;
                }
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    open.push(false);
                    self.joins += locals;
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => self.joins += locals,
                Operator::BrTable { targets } => self.joins += locals.saturating_mul(u64::from(targets.len())),
                Operator::End => loops -= usize::from(open.pop() == Some(true)),
                _ => {}
            }
            if open.len() > self.caps.block_depth {
                return Err(self.too_many(Counted::BlockDepth, self.caps.block_depth as u64, open.len() as u64, SPLIT));
            }
            if loops > self.caps.loop_depth {
                return Err(self.too_many(Counted::LoopDepth, self.caps.loop_depth as u64, loops as u64, SPLIT));
            }
            if self.joins > self.caps.joins {
                return Err(self.too_many(Counted::Joins, self.caps.joins, self.joins, SPLIT));
            }
        }
        Ok(())
    }
}
