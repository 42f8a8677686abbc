//! What the pages' client promises in words: the rule of replacement, how long it waits, and a page of a dozen lines.

use std::{path::Path, process::Command};

use serde_json::json;

use super::{Stage, somebody};
use crate::harness::{program, until};

fn of_the_project(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

#[test]
fn the_client_keeps_the_table_of_replacement_and_waits_as_it_says() {
    if let Err(missing) = program::runs("node", "--version") {
        return program::skip("tests/browser/words.mjs", &missing);
    }
    let arguments = ["tests/browser/words.mjs", "static/allim.js", "tests/replacement.json"].map(of_the_project);
    let ended = Command::new("node").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("rows of the table hold"), "{said}{ended:?}");
}

/// The page as somebody would write it who has read the names and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_dozen_lines_is_a_bell() {
    let Some(stage) = Stage::set(&[]).await else { return };
    assert!(super::DOZEN.lines().count() <= 12);
    let tab = stage.page().await;
    let go = "sessionStorage.token = arg.token; setTimeout(() => location.assign('/dozen.html?allim=' + arg.allim));";
    tab.run(go, json!({"token": somebody(), "allim": stage.url()})).await;
    tab.until("document.querySelector('#state').textContent === 'live'").await;
    stage.tell("하나").await;
    stage.tell("둘").await;
    tab.until("document.querySelectorAll('#list li').length === 2").await;
    let shown = tab.value("[...document.querySelectorAll('#list li')].map((row) => row.textContent).sort()").await;
    assert_eq!(shown, json!(["둘", "하나"]));
    assert_eq!(tab.value("document.querySelector('#bell').textContent").await, "2");
    stage.profile.done().await;
}

/// The lines that our pages show beside themselves, as they stand there.
#[tokio::test(flavor = "multi_thread")]
async fn the_code_that_the_pages_show_works() {
    let Some(stage) = Stage::set(&[]).await else { return };
    for path in ["/", "/sse.html", "/websocket.html"] {
        let tab = stage.profile.open(&format!("{}{path}", stage.url())).await;
        tab.until(
            "document.querySelector('details:last-of-type pre')?.textContent.includes('/allim.js') \
                   || document.querySelector('details:last-of-type pre')?.textContent.includes('/tickets')",
        )
        .await;
        let code = tab.value("document.querySelector('.pane details:last-of-type pre').textContent").await;
        let code = code
            .as_str()
            .unwrap()
            .lines()
            .map(|line| match line.strip_prefix("import ").and_then(|line| line.split_once(" from ")) {
                Some((names, from)) => format!("const {names} = await import({});\n", from.trim_end_matches(';')),
                None => format!("{line}\n"),
            })
            .collect::<String>();
        assert!(code.lines().count() <= 18, "{code}");
        let around = format!(
            "globalThis.shown = []; globalThis.painted = [];
             const token = arg, session = {{ token }}, paint = (state) => painted.push(state),
               show = (some) => shown.push(...[some].flat().map((one) => (one.n ?? one).title)), progress = () => {{}};
             {code}"
        );
        tab.run(&around, json!(somebody())).await;
        // Until its stream is open nothing is sure to be heard; one of these is.
        until("something is shown", async || {
            let title = format!("{path} is heard");
            stage.tell(&title).await;
            tab.run("return shown.includes(arg)", json!(title)).await == true
        })
        .await;
    }
    stage.profile.done().await;
}
