//! Each rule of the gate, at its limit and one past it.

use wasm_gate::{
    MAX_BYTES, MAX_FUNCTIONS, MAX_IMPORTS, MAX_LOCALS, MAX_MEMORY_PAGES, MAX_PARAMS, MAX_TABLE,
    MAX_TOTAL_LOCALS, MAX_TOTAL_PARAMS, Report, WARN_LOCALS, inspect,
};

const MEMORY: &str = "(memory (export \"memory\") 17)";
const EXPORTS: &str = r#"
    (func (export "interface_version_8"))
    (func (export "allocate") (param i32) (result i32) local.get 0)
    (func (export "deallocate") (param i32))
    (func (export "instantiate") (param i32 i32 i32) (result i32) local.get 0)
    (func (export "requires_cosmwasm_2_2"))
"#;
/// What [`EXPORTS`] uses up of the limits on sums.
const BASE_FUNCTIONS: usize = 5;
const BASE_PARAMS: usize = 5;

fn report(fields: &str) -> Report {
    inspect(&wat::parse_str(format!("(module {fields})")).unwrap()).unwrap()
}

/// A contract that is accepted, with `extra` added (imports must come first, so they are apart).
fn contract(imports: &str, extra: &str) -> Report {
    report(&format!("{imports} {MEMORY} {EXPORTS} {extra}"))
}

fn refusals(report: &Report) -> Vec<String> {
    report.violations.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_accepted(report: &Report) {
    assert_eq!(refusals(report), Vec::<String>::new());
}

#[track_caller]
fn assert_refused(report: &Report, reason: &str) {
    let refusals = refusals(report);
    assert!(refusals.iter().any(|r| r.contains(reason)), "{reason:?} not in {refusals:?}");
}

fn locals(count: usize) -> String {
    format!("(func (local {}))", "i32 ".repeat(count))
}

#[test]
fn a_minimal_contract_is_accepted() {
    let imports = r#"(import "env" "db_read" (func (param i32) (result i32)))"#;
    let report = contract(imports, "");
    assert_accepted(&report);
    assert_eq!(report.functions.len(), BASE_FUNCTIONS);
}

#[test]
fn bytes_that_are_not_wasm_are_an_error() {
    let error = inspect(b"not wasm").unwrap_err().to_string();
    assert!(error.contains("scripts/contracts"), "{error}");
    let whole = wat::parse_str(format!("(module {MEMORY} {EXPORTS})")).unwrap();
    assert!(inspect(&whole[..whole.len() - 1]).is_err());
}

#[test]
fn size_of_the_file() {
    let base = wat::parse_str(format!("(module {MEMORY} {EXPORTS})")).unwrap();
    // A custom section: id 0, LEB length (3 bytes here), name "x" (2 bytes), content.
    let padded = |total: usize| {
        let content = total - base.len() - 4 - 2;
        let length = content + 2;
        let mut wasm = base.clone();
        wasm.push(0);
        wasm.extend([
            (length & 0x7f) as u8 | 0x80,
            (length >> 7 & 0x7f) as u8 | 0x80,
            (length >> 14 & 0x7f) as u8,
        ]);
        wasm.extend(b"\x01x");
        wasm.resize(total, 0);
        inspect(&wasm).unwrap()
    };
    assert_accepted(&padded(MAX_BYTES));
    assert_refused(&padded(MAX_BYTES + 1), "bytes in the file");
}

#[test]
fn locals_of_one_function() {
    let last = contract("", &locals(MAX_LOCALS));
    assert_accepted(&last);
    assert_eq!(last.near_limit().count(), 1);
    assert_eq!(last.most_locals(), MAX_LOCALS);
    let past = contract("", &locals(MAX_LOCALS + 1));
    assert_refused(&past, "function 5 has 96 locals");
    assert_eq!(past.near_limit().count(), 0);
}

#[test]
fn locals_near_the_limit_are_named() {
    assert_eq!(contract("", &locals(WARN_LOCALS - 1)).near_limit().count(), 0);
    let report = contract("", &format!("(func $busy (local {}))", "i64 ".repeat(WARN_LOCALS)));
    assert_accepted(&report);
    let near: Vec<String> = report.near_limit().map(ToString::to_string).collect();
    assert_eq!(near, ["function 5 (busy)"]);
}

#[test]
fn parameters_are_not_locals() {
    let report = contract("", &format!("(func (param {}))", "i32 ".repeat(MAX_PARAMS)));
    assert_accepted(&report);
    assert_eq!(report.most_locals(), 0);
}

#[test]
fn locals_of_all_functions() {
    let hundred = locals(50).repeat(MAX_TOTAL_LOCALS / 50);
    assert_accepted(&contract("", &hundred));
    assert_refused(&contract("", &format!("{hundred} {}", locals(1))), "locals in all functions");
}

#[test]
fn number_of_functions() {
    let most = "(func)".repeat(MAX_FUNCTIONS - BASE_FUNCTIONS);
    assert_accepted(&contract("", &most));
    assert_refused(&contract("", &format!("{most} (func)")), "functions, at most");
}

#[test]
fn parameters() {
    let params = |n: usize| format!("(func (param {}))", "i32 ".repeat(n));
    assert_refused(&contract("", &params(MAX_PARAMS + 1)), "parameters of one function");
    let most = params(MAX_PARAMS).repeat((MAX_TOTAL_PARAMS - BASE_PARAMS) / MAX_PARAMS);
    let rest = (MAX_TOTAL_PARAMS - BASE_PARAMS) % MAX_PARAMS;
    assert_accepted(&contract("", &format!("{most} {}", params(rest))));
    let past = contract("", &format!("{most} {}", params(rest + 1)));
    assert_refused(&past, "parameters in all functions");
}

#[test]
fn results_of_a_function() {
    assert_refused(
        &contract("", "(func (result i32 i32) i32.const 0 i32.const 0)"),
        "results of one function",
    );
}

#[test]
fn table() {
    assert_accepted(&contract("", &format!("(table 1 {MAX_TABLE} funcref)")));
    assert_refused(&contract("", &format!("(table 1 {} funcref)", MAX_TABLE + 1)), "table may grow");
    assert_refused(&contract("", "(table 1 funcref)"), "no maximum");
    assert_refused(&contract("", "(table 1 1 funcref) (table 1 1 funcref)"), "2 tables");
    assert_refused(&contract("", "(table 1 1 externref)"), "validator refuses");
}

#[test]
fn memory() {
    let with = |memory: &str| report(&format!("{memory} {EXPORTS}"));
    assert_accepted(&with(&format!("(memory {MAX_MEMORY_PAGES})")));
    assert_refused(&with(&format!("(memory {})", MAX_MEMORY_PAGES + 1)), "513 pages");
    assert_refused(&with("(memory 1 2)"), "has a maximum");
    assert_refused(&with(""), "0 memories");
    assert_refused(&with("(memory 1) (memory 1)"), "2 memories");
}

#[test]
fn imports() {
    let known = r#"(import "env" "debug" (func))"#;
    assert_accepted(&contract(&known.repeat(MAX_IMPORTS), ""));
    assert_refused(&contract(&known.repeat(MAX_IMPORTS + 1), ""), "101 imports");
    assert_refused(
        &contract(r#"(import "wbg" "__wbindgen_throw" (func))"#, ""),
        "imports `wbg.__wbindgen_throw`",
    );
    assert_refused(&contract(r#"(import "env" "debug" (global i32))"#, ""), "imports `env.debug`");
}

#[test]
fn exports() {
    for missing in ["allocate", "deallocate", "instantiate"] {
        let exports = EXPORTS.replace(&format!("\"{missing}\""), "\"other\"");
        assert_refused(&report(&format!("{MEMORY} {exports}")), &format!("does not export `{missing}`"));
    }
    let older = EXPORTS.replace("interface_version_8", "interface_version_7");
    assert_refused(&report(&format!("{MEMORY} {older}")), "interface marker");
    assert_refused(&contract("", "(func (export \"interface_version_9\"))"), "interface marker");
    assert_refused(
        &contract("", "(func (export \"requires_cosmwasm_3_0\"))"),
        "needs capability `cosmwasm_3_0`",
    );
}

#[test]
fn instructions_outside_the_vm() {
    for (proposal, body) in [
        ("bulk_memory", "i32.const 0 i32.const 0 i32.const 0 memory.copy"),
        ("bulk_memory", "i32.const 0 i32.const 0 i32.const 0 memory.fill"),
        ("reference_types", "ref.null func drop"),
        ("simd", "v128.const i32x4 0 0 0 0 drop"),
        ("threads", "atomic.fence"),
        ("tail_call", "return_call 0"),
        ("exceptions", "unreachable throw_ref"),
    ] {
        let report = contract("", &format!("(func {body})"));
        assert_refused(&report, &format!("1 instructions of `{proposal}`"));
    }
}

#[test]
fn reference_type_instructions_pass_the_validator_but_not_the_gate() {
    let report = contract("", "(table 1 1 funcref) (func i32.const 0 table.get 0 drop)");
    assert_eq!(refusals(&report).len(), 1, "{:?}", refusals(&report));
    assert_refused(&report, "`reference_types`");
}

#[test]
fn floats_and_sign_extension_are_accepted() {
    assert_accepted(&contract("", "(func (param f64) local.get 0 i32.trunc_sat_f64_s i32.extend8_s drop)"));
}

#[test]
fn an_invalid_body_is_refused() {
    assert_refused(&contract("", "(func (result i32))"), "validator refuses");
}
