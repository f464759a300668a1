//! From a core module, as a compiler makes it, to a component.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The component of a core module that carries its interfaces, as the binding generators put them in.
pub(crate) fn component(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(core)?.encode()
}

/// Make `to` from `from`. A file that is already right is left alone. Says whether it was written.
pub(crate) fn file(from: &Path, to: &Path) -> Result<bool> {
    let core = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let component =
        component(&core).with_context(|| format!("{} is no core module with interfaces of its own", from.display()))?;
    if fs::read(to).is_ok_and(|found| found == component) {
        return Ok(false);
    }
    fs::write(to, component).with_context(|| format!("{} cannot be written", to.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest core module.
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn writes_once() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("core.wasm"), dir.path().join("component.wasm"));
        fs::write(&from, EMPTY).unwrap();
        assert!(file(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap()[..8], *b"\0asm\x0d\0\x01\0");
        assert!(!file(&from, &to).unwrap());
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("core.wasm"), dir.path().join("component.wasm"));
        let message = |result: Result<bool>| format!("{:#}", result.unwrap_err());
        assert!(message(file(&from, &to)).contains("core.wasm cannot be read"));
        fs::write(&from, "no module").unwrap();
        assert!(message(file(&from, &to)).contains("core.wasm is no core module"));
        fs::write(&from, EMPTY).unwrap();
        assert!(message(file(&from, &dir.path().join("absent/c.wasm"))).contains("c.wasm cannot be written"));
    }
}
