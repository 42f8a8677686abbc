//! The documents are true: their links lead somewhere, their commands are run, their settings, names and pages work.

mod commands;
mod embedding;
mod links;
mod migration;
mod names;
mod settings;
mod walk;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Whose commands other chapters run as they stand there.
const RUN_ELSEWHERE: [(&str, &str); 2] = [("kafka/README.md", "snippets"), ("kafka/README.ko.md", "snippets")];

/// What is not ours, or is made.
const NOT_OURS: [&str; 4] = [".git", "target", "node_modules", "proptest-regressions"];

pub struct Document {
    /// From the package's folder on.
    pub path: String,
    pub text: String,
}

/// What stands between two fences.
pub struct Block {
    pub language: String,
    pub line: usize,
    pub text: String,
}

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the repository.
pub fn all() -> Vec<Document> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(package().join(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = folder.join(&name);
            if package().join(&path).is_dir() {
                folders.extend((!NOT_OURS.contains(&name.as_str())).then_some(path));
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(package().join(&path)).unwrap();
                found.push(Document { path: path.to_str().unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let seen = |path: &str| found.iter().any(|document| document.path == path);
    assert!(seen("README.md") && seen("docs/operate.md") && found.len() > 8, "they are looked for elsewhere");
    found
}

/// Those whose commands and settings this chapter answers for.
pub fn ours() -> Vec<Document> {
    let mut all = all();
    all.retain(|document| !RUN_ELSEWHERE.iter().any(|(path, _)| *path == document.path));
    all
}

impl Document {
    pub fn new(path: &str, text: &str) -> Document {
        Document { path: path.to_owned(), text: text.to_owned() }
    }

    /// Each line with its number, and whether it stands within fences (or is one).
    fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let mut fence = "";
        self.text.lines().enumerate().map(move |(n, line)| {
            let begins = line.trim_start();
            let ticks = &begins[..begins.len() - begins.trim_start_matches('`').len()];
            if fence.is_empty() && ticks.len() >= 3 {
                fence = ticks;
                return (n + 1, line, true);
            }
            let within = !fence.is_empty();
            if within && ticks.len() >= fence.len() && begins.trim_matches('`').trim().is_empty() {
                fence = "";
            }
            (n + 1, line, within)
        })
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (line, text, within) in self.lines() {
            if !within {
                open = false;
            } else if !open {
                let language = text.trim().trim_start_matches('`').to_owned();
                blocks.push(Block { language, line, text: String::new() });
                open = true;
            } else if text.trim_start().starts_with("```") {
                open = false;
            } else {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(text);
                block.text.push('\n');
            }
        }
        blocks
    }

    /// Of these languages, with where they stand.
    pub fn blocks_of(&self, languages: &[&str]) -> Vec<Block> {
        let mut blocks = self.blocks();
        blocks.retain(|block| languages.contains(&block.language.as_str()));
        blocks
    }

    /// What stands outside of fences, line by line.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        self.lines().filter(|(_, _, within)| !within).map(|(n, line, _)| (n, line)).collect()
    }

    /// What stands between backticks in it; those that a line's end interrupts are one.
    pub fn spans(&self) -> Vec<(usize, String)> {
        let (mut spans, mut paragraph, mut first, mut last) = (Vec::new(), String::new(), 0, 0);
        let mut end = |paragraph: &mut String, first: usize| {
            let text = std::mem::take(paragraph);
            let mut rest = text.as_str();
            while let Some(at) = rest.find('`') {
                let line = first + text[..text.len() - rest.len() + at].matches('\n').count();
                let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
                let (fence, behind) = rest[at..].split_at(ticks);
                let Some(length) = behind.find(fence) else { break };
                spans.push((line, behind[..length].trim().replace('\n', " ")));
                rest = &behind[length + ticks..];
            }
        };
        for (n, line) in self.prose() {
            if line.trim().is_empty() || line.starts_with(['|', '#', '-']) || n != last + 1 {
                end(&mut paragraph, first);
                first = n;
            }
            paragraph.push_str(line);
            paragraph.push('\n');
            last = n;
        }
        end(&mut paragraph, first);
        spans
    }
}

/// The location of nginx that begins with this line in docs/embed.md, before this server.
pub fn of_nginx(begins: &str, server: SocketAddr) -> String {
    let blocks = names::page("docs/embed.md").blocks_of(&["nginx"]);
    let block = blocks.into_iter().find(|block| block.text.starts_with(begins)).expect("it is on the page");
    assert!(block.text.contains("http://allim:8080"), "{}", block.text);
    block.text.replace("allim:8080", &server.to_string())
}

/// Fails with all of them at once.
pub fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn blocks_spans_and_prose_are_told_apart() {
    let page =
        Document::new("a.md", "# A `b`\n\n```sh\nc `d`\n```\ne `f\ng` h\n````md\n```\nx\n```\n````\n- ``i ` j``\n");
    let blocks: Vec<_> = page.blocks().into_iter().map(|b| (b.language, b.line, b.text)).collect();
    assert_eq!(blocks[0], ("sh".to_owned(), 3, "c `d`\n".to_owned()));
    let spans: Vec<_> = page.spans();
    assert_eq!(spans, [(1, "b".to_owned()), (6, "f g".to_owned()), (13, "i ` j".to_owned())]);
    assert!(page.prose().iter().all(|(_, line)| !line.contains("c `d`") && !line.contains('x')));
}

/// What somebody else runs is run there: by a chapter that reads that very file.
#[test]
fn pages_that_other_chapters_run_are_read_there() {
    let chapters = package().join("tests/it");
    for (page, chapter) in RUN_ELSEWHERE.iter().filter(|(page, _)| package().join(page).exists()) {
        let mut files = vec![chapters.join(format!("{chapter}.rs"))];
        files.extend(fs::read_dir(chapters.join(chapter)).into_iter().flatten().map(|entry| entry.unwrap().path()));
        let reads = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains("README"));
        assert!(files.iter().any(reads), "nobody in the chapter `{chapter}` reads {page}");
    }
}
