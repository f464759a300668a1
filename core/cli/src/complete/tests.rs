use super::*;

/// A daemon that knows a few things.
struct Fake;

impl Live for Fake {
    fn values(&self, value: Value, begun: &str) -> Vec<Item> {
        let all: &[&str] = match value {
            Value::Pool => &["res-v4", "res-v6"],
            Value::Interface => &["eth1"],
            Value::Rollback | Value::RollbackOrRescue => &["0", "1"],
            _ => &[],
        };
        all.iter().filter(|word| word.starts_with(begun)).map(|word| Item::literal(word, "live")).collect()
    }

    fn statements(&self, place: &Place, line: &str) -> Option<CompletionList> {
        let start = line.rfind(' ')? + 1;
        let begun = &line[start..];
        let verb = line.split(' ').next()?;
        let words = ["access", "policy", "system"].into_iter().filter(|word| word.starts_with(begun));
        let completion = |word: &str| bindery_api::Completion {
            word: word.to_owned(),
            help: format!("{verb} at [{}]", place.path),
            literal: true,
        };
        let hint = |word: &str| bindery_api::Completion { word: word.to_owned(), ..Default::default() };
        let words = words.map(completion);
        Some(CompletionList {
            start: start as u64,
            completions: words.chain(line.contains(" interface ").then(|| hint("<interface>"))).collect(),
            cut: false,
            complete: begun.is_empty() && verb != "set",
        })
    }
}

fn shown(line: &str) -> String {
    let (mode, path) = match line.strip_prefix('#') {
        Some(_) => (Mode::Configure, "top level"),
        None => (Mode::Operational, ""),
    };
    let line = line.trim_start_matches('#');
    let place = Place { mode, session: None, path: path.to_owned() };
    let found = complete(line, &place, &Fake);
    format!("==== {line}[{}]\n-> {:?}\n{}", found.start, found.extension(line), found.help(100))
}

#[test]
fn lines_and_how_they_go_on() {
    let lines = [
        "",
        "s",
        "sh",
        "show d",
        "show dhcp server binding ",
        "show dhcp server binding det",
        "show dhcp server binding interface ",
        "show dhcp server binding detail ",
        "clear dhcp server binding ",
        "clear dhcp server binding pool res",
        "show network-access address-assignment pool res-v4",
        "show system commit ",
        "show configuration ",
        "show configuration sys",
        "show system rollback 1 compare ",
        "monitor dhcp server ",
        "configure ",
        "nope ",
        "show version | ",
        "show version | m",
        "show version | match ",
        "show configuration | display ",
        "show configuration | compare ",
        "show configuration | compare rollback ",
        "show version | count ",
        "#",
        "#set ",
        "#set po",
        "#set interface e",
        "#wild",
        "#top ",
        "#top set sy",
        "#run sh",
        "#run show version ",
        "#commit ",
        "#commit confirmed ",
        "#commit renumber ",
        "#commit com",
        "#rollback ",
        "#load merge terminal ",
        "#edit ",
        "#show ",
    ];
    let text: String = lines.into_iter().map(shown).collect();
    expect_test::expect_file!["../../tests/completion.txt"].assert_eq(&text);
}

#[test]
fn every_word_of_every_command_is_completed() {
    for mode in [Mode::Operational, Mode::Configure] {
        for entry in mode.table() {
            let mut line = String::new();
            for word in entry.words.split(' ') {
                let place = Place { mode, ..Place::default() };
                let found = complete(&line, &place, &Fake);
                let item = found.items.iter().find(|item| item.word == word);
                assert!(item.is_some_and(|item| !item.help.is_empty()), "{line:?} goes on with {word}");
                line.push_str(word);
                line.push(' ');
            }
        }
    }
}

#[test]
fn only_what_is_certain_is_typed() {
    let found = |items: Vec<Item>, start| Completions { start, items, cut: false, enter: false };
    let literal = |word: &str| Item::literal(word, "");
    assert_eq!(found(vec![literal("binding")], 0).extension("bi"), Some("binding ".into()));
    assert_eq!(found(vec![literal("res-v4"), literal("res-v6")], 0).extension("r"), Some("res-v".into()));
    assert_eq!(found(vec![literal("res-v4"), literal("res-v6")], 0).extension("res-v"), None);
    assert_eq!(found(vec![literal("etc/")], 0).extension("e"), Some("etc/".into()));
    assert_eq!(found(vec![literal("a b")], 0).extension("a"), Some("\"a b\" ".into()));
    assert_eq!(found(vec![Item::hint("<name>", ""), literal("old")], 0).extension("o"), Some("old".into()));
    assert_eq!(found(Vec::new(), 0).extension("x"), None);
}

#[test]
fn help_fits_the_terminal() {
    let items = vec![Item::hint("<x>", "One sentence. And another."), Item::hint("<y>", "One that is long")];
    let found = Completions { items, ..Completions::default() };
    let lines = |columns| found.help(columns).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let begin = |word: &str| format!("  {word:<20} ");
    assert_eq!(lines(80), [begin("<x>") + "One sentence. And another.", begin("<y>") + "One that is long"]);
    assert_eq!(lines(37), [begin("<x>") + "One sentence.", begin("<y>") + "One that is..."]);
}
