//! Decides whether a contract's wasm would be accepted by the chain, before it is uploaded.
//!
//! The rules are those of CosmWasm VM 3.0 (crate `cosmwasm-vm` 3.0.9: `config.rs`, `parsed_wasm.rs`,
//! `compatibility.rs`, `wasm_backend/gatekeeper.rs`) with two margins of our own: [`MAX_BYTES`] and
//! [`MAX_LOCALS`]. It must never accept what the VM refuses, and it never changes or runs the wasm.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use wasmparser::{
    BinaryReaderError, CompositeInnerType, FunctionBody, KnownCustom, MemoryType, Name, Operator, Parser,
    Payload, TableType, TypeRef, Validator, WasmFeatures,
};

/// Largest contract file we accept, in bytes. The chain takes 800 KiB.
pub const MAX_BYTES: usize = 500_000;
/// Most local variables a function may declare (parameters not counted). The chain takes 100.
pub const MAX_LOCALS: usize = 95;
/// From this many locals on a function is named, so that it is split before it fails.
pub const WARN_LOCALS: usize = 80;
/// Most locals of all functions together.
pub const MAX_TOTAL_LOCALS: usize = 10_000;
/// Most functions a module may define.
pub const MAX_FUNCTIONS: usize = 20_000;
/// Most functions a module may import.
pub const MAX_IMPORTS: usize = 100;
/// Most parameters of one function type.
pub const MAX_PARAMS: usize = 100;
/// Most parameters of all defined functions together.
pub const MAX_TOTAL_PARAMS: usize = 10_000;
/// Most results of one function type.
pub const MAX_RESULTS: usize = 1;
/// Largest maximum of the function table, in entries.
pub const MAX_TABLE: u64 = 2_500;
/// Largest initial memory, in pages of 64 KiB.
pub const MAX_MEMORY_PAGES: u64 = 512;

/// The marker by which a contract names the interface it was compiled for.
const INTERFACE: &str = "interface_version_8";
const INTERFACE_PREFIX: &str = "interface_version_";
const REQUIRES_PREFIX: &str = "requires_";

/// Exports the VM needs from every contract, and `instantiate`, without which none can be deployed.
const REQUIRED_EXPORTS: [&str; 3] = ["allocate", "deallocate", "instantiate"];

/// Capabilities announced by stock wasmd 0.61 (`x/wasm/keeper/capabilities.go`).
const CAPABILITIES: [&str; 11] = [
    "iterator",
    "staking",
    "stargate",
    "cosmwasm_1_1",
    "cosmwasm_1_2",
    "cosmwasm_1_3",
    "cosmwasm_1_4",
    "cosmwasm_2_0",
    "cosmwasm_2_1",
    "cosmwasm_2_2",
    "ibc2",
];

/// Host functions of VM 3.0.
const IMPORTS: [&str; 24] = [
    "env.abort",
    "env.db_read",
    "env.db_write",
    "env.db_remove",
    "env.db_scan",
    "env.db_next",
    "env.db_next_key",
    "env.db_next_value",
    "env.addr_validate",
    "env.addr_canonicalize",
    "env.addr_humanize",
    "env.bls12_381_aggregate_g1",
    "env.bls12_381_aggregate_g2",
    "env.bls12_381_pairing_equality",
    "env.bls12_381_hash_to_g1",
    "env.bls12_381_hash_to_g2",
    "env.secp256k1_verify",
    "env.secp256k1_recover_pubkey",
    "env.secp256r1_verify",
    "env.secp256r1_recover_pubkey",
    "env.ed25519_verify",
    "env.ed25519_batch_verify",
    "env.debug",
    "env.query_chain",
];

/// What the VM validates with. Reference types are let through here only for the encoding that rustc
/// emits; their instructions are refused by [`proposal`].
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::FLOATS
        | WasmFeatures::REFERENCE_TYPES
}

/// Proposals whose instructions the VM runs.
const ALLOWED_PROPOSALS: [&str; 3] = ["mvp", "sign_extension", "saturating_float_to_int"];

/// The bytes are not wasm at all, so there is nothing to judge.
#[derive(Debug, thiserror::Error)]
#[error("not a readable wasm module: {0}; build it again with scripts/contracts")]
pub struct Unreadable(#[from] BinaryReaderError);

/// One reason why a contract may not be uploaded. Its text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One function defined by the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Index in the module's function space (imports first).
    pub index: usize,
    /// From the name section, else the export, if either is there.
    pub name: Option<String>,
    /// Locals it declares, parameters not counted.
    pub locals: usize,
    /// Bytes of its body.
    pub bytes: usize,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "function {} ({name})", self.index),
            None => write!(f, "function {}", self.index),
        }
    }
}

/// What was found in one contract.
#[derive(Debug)]
pub struct Report {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// Its functions, most locals first.
    pub functions: Vec<Function>,
    /// Why it may not be uploaded; empty if it may.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Functions that are close to the limit on locals but within it.
    pub fn near_limit(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|f| (WARN_LOCALS..=MAX_LOCALS).contains(&f.locals))
    }

    /// The largest number of locals in one function.
    pub fn most_locals(&self) -> usize {
        self.functions.first().map_or(0, |f| f.locals)
    }
}

/// Judges one contract.
///
/// # Errors
/// [`Unreadable`] if the bytes cannot be read as a wasm module. Everything that can be read but not
/// uploaded is listed in [`Report::violations`].
pub fn inspect(wasm: &[u8]) -> Result<Report, Unreadable> {
    let mut module = Module::read(wasm)?;
    module.name_functions();
    module.functions.sort_by_key(|f| (std::cmp::Reverse(f.locals), f.index));
    let mut violations = Vec::new();
    module.check_size(wasm.len(), &mut violations);
    module.check_table_and_memory(&mut violations);
    module.check_exports(&mut violations);
    module.check_imports(&mut violations);
    module.check_functions(&mut violations);
    module.check_instructions(&mut violations);
    // Last and whatever was found above: the validator sees what no list of ours does.
    if let Err(error) = Validator::new_with_features(features()).validate_all(wasm) {
        violations.push(Violation(format!(
            "the VM's validator refuses it: {error}; the lowering by Binaryen must remove this feature"
        )));
    }
    Ok(Report { bytes: wasm.len(), functions: module.functions, violations })
}

/// Where an instruction outside the VM's set was met.
struct Refused {
    first: usize,
    count: usize,
    example: String,
}

#[derive(Default)]
struct Module {
    imports: Vec<(String, bool)>,
    exports: Vec<(String, Option<usize>)>,
    names: HashMap<usize, String>,
    tables: Vec<TableType>,
    memories: Vec<MemoryType>,
    /// (parameters, results) of each type.
    types: Vec<(usize, usize)>,
    total_params: usize,
    functions: Vec<Function>,
    refused: BTreeMap<&'static str, Refused>,
}

impl Module {
    fn read(wasm: &[u8]) -> Result<Self, Unreadable> {
        let mut module = Self::default();
        let mut imported = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group?.into_types() {
                            module.types.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(f) => (f.params().len(), f.results().len()),
                                // Not reachable by an accepted module: the validator refuses these types.
                                _ => (0, 0),
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports {
                        let import = import?;
                        let is_function = matches!(import.ty, TypeRef::Func(_));
                        imported += usize::from(is_function);
                        module.imports.push((format!("{}.{}", import.module, import.name), is_function));
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        // An unknown type counts nothing here and is refused by the validator.
                        module.total_params += module.types.get(ty? as usize).map_or(0, |t| t.0);
                    }
                }
                Payload::TableSection(tables) => {
                    for table in tables {
                        module.tables.push(table?.ty);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        module.memories.push(memory?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let function = matches!(export.kind, wasmparser::ExternalKind::Func)
                            .then_some(export.index as usize);
                        module.exports.push((export.name.to_owned(), function));
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let index = imported + module.functions.len();
                    module.read_body(index, &body)?;
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        module.read_names(names)?;
                    }
                }
                _ => {}
            }
        }
        Ok(module)
    }

    fn read_body(&mut self, index: usize, body: &FunctionBody<'_>) -> Result<(), Unreadable> {
        let mut locals = 0usize;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(group?.0 as usize);
        }
        self.functions.push(Function { index, name: None, locals, bytes: body.range().len() });
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            let proposal = proposal(&operator);
            if !ALLOWED_PROPOSALS.contains(&proposal) {
                self.refused
                    .entry(proposal)
                    .or_insert_with(|| Refused { first: index, count: 0, example: format!("{operator:?}") })
                    .count += 1;
            }
        }
        Ok(())
    }

    fn read_names(&mut self, names: wasmparser::NameSectionReader<'_>) -> Result<(), Unreadable> {
        for name in names {
            if let Name::Function(functions) = name? {
                for naming in functions {
                    let naming = naming?;
                    self.names.insert(naming.index as usize, naming.name.to_owned());
                }
            }
        }
        Ok(())
    }

    fn name_functions(&mut self) {
        for (name, function) in &self.exports {
            if let Some(index) = function {
                self.names.entry(*index).or_insert_with(|| name.clone());
            }
        }
        for function in &mut self.functions {
            function.name = self.names.get(&function.index).cloned();
        }
    }

    fn check_size(&self, bytes: usize, violations: &mut Vec<Violation>) {
        at_most("bytes in the file", bytes, MAX_BYTES, "move code out of the contract", violations);
    }

    fn check_table_and_memory(&self, violations: &mut Vec<Violation>) {
        match self.tables.as_slice() {
            [] => {}
            [table] => match table.maximum {
                Some(maximum) if maximum <= MAX_TABLE => {}
                Some(maximum) => violations.push(Violation(format!(
                    "its table may grow to {maximum} entries, at most {MAX_TABLE} are allowed; use fewer trait objects"
                ))),
                None => violations
                    .push(Violation("its table has no maximum; link it without --growable-table".into())),
            },
            more => violations.push(Violation(format!(
                "it has {} tables, one is allowed; build it for wasm32-unknown-unknown",
                more.len()
            ))),
        }
        match self.memories.as_slice() {
            [memory] => {
                if memory.initial > MAX_MEMORY_PAGES {
                    violations.push(Violation(format!(
                        "it asks for {} pages of memory, at most {MAX_MEMORY_PAGES} are allowed; shrink its static data",
                        memory.initial
                    )));
                }
                if memory.maximum.is_some() {
                    violations.push(Violation(
                        "its memory has a maximum, which only the chain may set; link it without --max-memory".into(),
                    ));
                }
            }
            other => violations.push(Violation(format!(
                "it defines {} memories, exactly one is needed; build it for wasm32-unknown-unknown",
                other.len()
            ))),
        }
    }

    fn check_exports(&self, violations: &mut Vec<Violation>) {
        let functions: Vec<&str> =
            self.exports.iter().filter(|(_, f)| f.is_some()).map(|(name, _)| name.as_str()).collect();
        let markers: Vec<&&str> =
            functions.iter().filter(|name| name.starts_with(INTERFACE_PREFIX)).collect();
        if markers != [&INTERFACE] {
            violations.push(Violation(format!(
                "its interface marker is {markers:?} instead of {INTERFACE}; build it without feature `library` and with cosmwasm-std 3"
            )));
        }
        for required in REQUIRED_EXPORTS {
            if !functions.contains(&required) {
                violations.push(Violation(format!(
                    "it does not export `{required}`; build it without feature `library`"
                )));
            }
        }
        for name in functions {
            if let Some(capability) = name.strip_prefix(REQUIRES_PREFIX)
                && !CAPABILITIES.contains(&capability)
            {
                violations.push(Violation(format!(
                    "it needs capability `{capability}`, which wasmd 0.61 does not announce; remove that feature of cosmwasm-std"
                )));
            }
        }
    }

    fn check_imports(&self, violations: &mut Vec<Violation>) {
        at_most("imports", self.imports.len(), MAX_IMPORTS, "remove wasm-bindgen or similar", violations);
        for (name, is_function) in &self.imports {
            if !*is_function || !IMPORTS.contains(&name.as_str()) {
                violations.push(Violation(format!(
                    "it imports `{name}`, which the VM does not offer; find the crate that needs it with `cargo tree`"
                )));
            }
        }
    }

    fn check_functions(&self, violations: &mut Vec<Violation>) {
        let split = "split it, or mark a callee #[inline(never)]";
        for function in self.functions.iter().filter(|f| f.locals > MAX_LOCALS) {
            violations.push(Violation(format!(
                "{function} has {} locals, at most {MAX_LOCALS} are allowed; {split}",
                function.locals
            )));
        }
        let total = self.functions.iter().fold(0usize, |sum, f| sum.saturating_add(f.locals));
        at_most("locals in all functions", total, MAX_TOTAL_LOCALS, "use less generated code", violations);
        at_most("functions", self.functions.len(), MAX_FUNCTIONS, "use less generated code", violations);
        at_most(
            "parameters in all functions",
            self.total_params,
            MAX_TOTAL_PARAMS,
            "pass structs",
            violations,
        );
        let params = self.types.iter().map(|t| t.0).max().unwrap_or(0);
        at_most("parameters of one function", params, MAX_PARAMS, "pass structs", violations);
        let results = self.types.iter().map(|t| t.1).max().unwrap_or(0);
        at_most("results of one function", results, MAX_RESULTS, "build it for the plain target", violations);
    }

    fn check_instructions(&self, violations: &mut Vec<Violation>) {
        for (proposal, refused) in &self.refused {
            violations.push(Violation(format!(
                "it uses {} instructions of `{proposal}`, which VM 3.0 refuses, first {} in function {}; lower them with Binaryen",
                refused.count, refused.example, refused.first
            )));
        }
    }
}

fn at_most(what: &str, found: usize, limit: usize, remedy: &str, violations: &mut Vec<Violation>) {
    if found > limit {
        violations.push(Violation(format!("{found} {what}, at most {limit} are allowed; {remedy}")));
    }
}

/// The WebAssembly proposal that brought an instruction, in wasmparser's words.
fn proposal(operator: &Operator<'_>) -> &'static str {
    macro_rules! proposals {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {
            match operator {
                $(Operator::$op { .. } => stringify!($proposal),)*
                _ => "unknown",
            }
        };
    }
    wasmparser::for_each_operator!(proposals)
}
