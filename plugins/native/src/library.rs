//! A driver's file: opened, and its descriptor checked before anything of it is called.
#![allow(unsafe_code)]

use crate::{
    Fault, LoadError, LoadReason, NativePlane, Report,
    context::Context,
    plane::{Calls, Maker},
};
use bindery_plane_abi as abi;
use libloading::os::unix::{Library as Opened, RTLD_LOCAL, RTLD_NOW};
use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char},
    fs,
    mem::{ManuallyDrop, MaybeUninit, offset_of},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

/// Octets of the shortest descriptor of this major version: up to and with `health`, which 2.0 ended with.
const SIZE_MIN: u32 = (offset_of!(abi::Driver, health) + size_of::<usize>()) as u32;

/// Octets that are read to know the rest: magic, versions and size.
const HEAD: usize = offset_of!(abi::Driver, name);

/// Device, inode and time of change of a file.
type Identity = (u64, u64, i64, i64);

/// Every file that was ever loaded, refused ones too. As many as the operator has named, each once.
static LOADED: Mutex<BTreeMap<PathBuf, Identity>> = Mutex::new(BTreeMap::new());

/// A driver that is loaded and fits. It stays loaded for the life of the process: threads that it has started and
/// destructors of its thread-local data may run at any time until then, and unloading would take their code away. A
/// new version can be loaded beside an old one under another path.
#[derive(Clone)]
pub struct Library {
    path: PathBuf,
    calls: Calls,
    name: String,
    version: String,
}

impl Library {
    /// Loads the driver in `path`. Loading runs the file's constructors, as with any library; nothing else of it is
    /// called.
    ///
    /// # Errors
    /// [`LoadError`], with the file and what to do.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::read(path).map_err(|reason| LoadError { path: path.into(), reason })
    }

    fn read(path: &Path) -> Result<Self, LoadReason> {
        // The linker would look for a name without a slash somewhere else.
        let path = fs::canonicalize(path).map_err(LoadReason::File)?;
        let metadata = fs::metadata(&path).map_err(LoadReason::File)?;
        check_trust(&path, &metadata)?;
        let identity = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        // The linker goes by the path and would hand out the old file again.
        if loaded.get(&path).is_some_and(|before| *before != identity) {
            return Err(LoadReason::Replaced);
        }
        // SAFETY: the file is trusted, which was checked as far as permissions tell.
        let opened = unsafe { Opened::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
        let opened = ManuallyDrop::new(opened.map_err(|error| LoadReason::Link(chain(&error)))?);
        loaded.insert(path.clone(), identity);
        drop(loaded);
        // SAFETY: only the address is taken here.
        let symbol = unsafe { opened.get::<*const u8>(abi::SYMBOL.as_bytes()) };
        let start = symbol.map_err(|_| LoadReason::NoSymbol)?.as_raw_ptr().cast::<u8>();
        if start.is_null() || !start.cast::<abi::Driver>().is_aligned() {
            return Err(LoadReason::NoSymbol);
        }
        // SAFETY: it is an object of a library that is never unloaded, and aligned. Whether it is long enough its own
        // head says; that it has a head is what the symbol's name promises.
        let driver = unsafe { descriptor(start) }?;
        for (name, there) in [
            ("create", driver.create.is_some()),
            ("destroy", driver.destroy.is_some()),
            ("apply", driver.apply.is_some()),
            ("dump", driver.dump.is_some()),
        ] {
            if !there {
                return Err(LoadReason::Missing(name));
            }
        }
        // SAFETY: both are null or strings that end with a 0, by the contract of a descriptor whose head is right.
        let (name, version) = unsafe { (words(driver.name, "name")?, words(driver.version, "version")?) };
        let calls = Calls::of(&driver).ok_or(LoadReason::Missing("create"))?;
        Ok(Self { path, calls, name, version })
    }

    /// The driver's name, as it says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver's version, as it says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file, with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an instance with `settings` (key and value; a key may come again). What the driver says goes to `listen`,
    /// on any thread; it should hand on and return.
    ///
    /// # Errors
    /// [`LoadError`]: a setting that cannot be handed over, or the driver refuses.
    pub fn open(
        &self,
        settings: &[(String, String)],
        listen: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<NativePlane, LoadError> {
        let refuse = |reason| LoadError { path: self.path.clone(), reason };
        let mut strings = Vec::with_capacity(settings.len());
        for (key, value) in settings {
            let refuse = |_| refuse(LoadReason::Setting(key.escape_debug().to_string()));
            strings.push((CString::new(key.as_str()).map_err(refuse)?, CString::new(value.as_str()).map_err(refuse)?));
        }
        let (context, host) = Context::leak(Arc::new(listen));
        let maker = Maker { settings: strings, host };
        NativePlane::make(self.calls, self.name.clone(), context, maker)
            .map_err(|fault: Fault| refuse(LoadReason::Create(fault)))
    }
}

/// Copies as much of a descriptor as both sides know; what only a newer one has is null.
///
/// # Safety
/// `start` is aligned and has a head, and as many octets as the head says.
unsafe fn descriptor(start: *const u8) -> Result<abi::Driver, LoadReason> {
    let mut driver = MaybeUninit::<abi::Driver>::zeroed();
    // SAFETY: the head is there; all members are numbers and pointers, for which zero is a value.
    let head = unsafe {
        ptr::copy_nonoverlapping(start, driver.as_mut_ptr().cast::<u8>(), HEAD);
        driver.assume_init()
    };
    if head.magic != abi::MAGIC {
        return Err(LoadReason::Magic { found: head.magic });
    }
    if head.abi_major != abi::ABI_MAJOR {
        return Err(LoadReason::Version { major: head.abi_major, minor: head.abi_minor });
    }
    if head.struct_size < SIZE_MIN {
        return Err(LoadReason::Size { found: head.struct_size, least: SIZE_MIN });
    }
    let size = usize::try_from(head.struct_size).unwrap_or(usize::MAX).min(size_of::<abi::Driver>());
    // SAFETY: the driver has that many octets, by its own word, and so has ours.
    unsafe {
        ptr::copy_nonoverlapping(start, driver.as_mut_ptr().cast::<u8>(), size);
        Ok(driver.assume_init())
    }
}

/// # Safety
/// `text` is null or a string that ends with a 0.
unsafe fn words(text: *const c_char, what: &'static str) -> Result<String, LoadReason> {
    if text.is_null() {
        return Err(LoadReason::Words(what));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(LoadReason::Words(what)),
    }
}

/// Whether nobody but root and the daemon's user could have put other code there.
fn check_trust(path: &Path, file: &fs::Metadata) -> Result<(), LoadReason> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let us = fs::metadata("/proc/self").map_err(LoadReason::File)?.uid();
    let directory = fs::metadata(path.parent().unwrap_or(Path::new("/"))).map_err(LoadReason::File)?;
    let owned = |metadata: &fs::Metadata| metadata.uid() == 0 || metadata.uid() == us;
    // In a sticky directory others can make files, but not replace this one.
    let open = directory.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE;
    if owned(file) && owned(&directory) && file.mode() & OTHERS_WRITE == 0 && !open {
        Ok(())
    } else {
        Err(LoadReason::Untrusted)
    }
}

/// An error with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
