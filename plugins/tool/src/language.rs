//! The languages that projects are made in.

/// A language with a template and a way to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// By Debian's `rustc-web`.
    Rust,
    /// By clang and wasi-libc.
    C,
    /// By componentize-js (SpiderMonkey).
    JavaScript,
    /// By componentize-py.
    Python,
}

impl Language {
    /// All of them.
    pub(crate) const ALL: [Language; 4] = [Language::Rust, Language::C, Language::JavaScript, Language::Python];

    /// The word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
            Language::JavaScript => "js",
            Language::Python => "python",
        }
    }

    /// How its sources end.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Language::Rust => "rs",
            Language::C => "c",
            Language::JavaScript => "js",
            Language::Python => "py",
        }
    }

    /// The language of that name.
    pub(crate) fn of(name: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.name() == name)
    }
}
