//! Other people's tools over `/openapi.json`: one reads it by the rules, one asks the server all that it promises.

use crate::harness::{
    Server,
    program::{Program, Runner},
};

#[tokio::test(flavor = "multi_thread")]
async fn redocly_has_nothing_to_say_against_it() {
    let server = Server::demo(&[]).await;
    let url = format!("http://{}", server.address);
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/redocly.yaml");
    let Some(program) = Program::start(Runner::Node, "openapi_lint.mjs", "@redocly/cli", &[&url, rules]) else {
        return;
    };
    let said = program.ends_well().await;
    assert!(said.contains("0 errors, 0 warnings"), "{said}");
}

/// Whatever fits the document is taken, whatever does not is refused, and every answer is one that it lists.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_that_is_not_promised() {
    let server = Server::demo(&[]).await;
    let url = format!("http://{}", server.address);
    let Some(program) = Program::start(Runner::Python, "openapi_schemathesis.py", "schemathesis", &[&url]) else {
        return;
    };
    let said = program.ends_well().await;
    assert!(said.contains("No issues found"), "{said}");
}
