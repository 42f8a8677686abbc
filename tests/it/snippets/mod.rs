//! What the publisher's contract tells teams to paste, taken out of `kafka/README.md` and run as it stands.

mod outbox;
mod published;

use std::{fs, path::Path};

/// A block that is named in the comment above it.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    name: String,
    language: String,
    text: String,
}

/// All blocks of a page. One without a name would be run by nobody.
fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("a page");
    let (mut blocks, mut lines, mut name) = (Vec::new(), text.lines(), None);
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let name: Option<&str> = name.take();
            let name = name.unwrap_or_else(|| panic!("{page}: a block without a name:\n{}", inside.join("\n")));
            blocks.push(Block { name: name.to_owned(), language: language.to_owned(), text: inside.join("\n") + "\n" });
        } else {
            name = line.strip_prefix("<!-- snippet: ").and_then(|rest| rest.strip_suffix(" -->"));
        }
    }
    blocks
}

/// The text of one.
fn snippet(name: &str) -> String {
    let mut named = blocks("kafka/README.md").into_iter().filter(|block| block.name == name);
    let (Some(block), None) = (named.next(), named.next()) else { panic!("not one snippet is called {name}") };
    block.text
}

#[test]
fn both_languages_have_the_same_blocks() {
    let (english, korean) = (blocks("kafka/README.md"), blocks("kafka/README.ko.md"));
    assert!(english.len() > 10, "the pages are read wrongly: {english:?}");
    assert_eq!(english, korean);
}

#[test]
fn both_languages_have_the_same_chapters_in_the_same_order() {
    let levels = |page: &str| -> Vec<usize> {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("a page");
        let (mut levels, mut in_block) = (Vec::new(), false);
        for line in text.lines() {
            in_block ^= line.starts_with("```");
            let level = line.find(|letter| letter != '#').unwrap_or(0);
            levels.extend((!in_block && level > 0).then_some(level));
        }
        levels
    };
    let english = levels("kafka/README.md");
    assert!(english.len() > 10, "the page is read wrongly: {english:?}");
    assert_eq!(english, levels("kafka/README.ko.md"));
}
