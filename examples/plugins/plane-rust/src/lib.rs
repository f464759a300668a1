//! A forwarding-plane driver in Rust: `fib` is the driver, this file is its border.
//!
//! It keeps routes in memory and forwards nothing. Settings: `link NUMBER` says that an interface exists (none: all
//! do), `foreign ADDRESS` that somebody else's route stands there, `traffic PACKETS` how many packets of 1,000 octets
//! each way each route pretends to have carried since the last look.
//!
//! Build: `cargo build --release -p bindery-plane-rust` makes `libbindery_plane_rust.so`. A driver must be built with
//! `panic = "unwind"`, which is the default: with `abort` nothing can be caught.
#![allow(unsafe_code)]

mod fib;

use bindery_plane_abi as abi;
use fib::Fib;
use std::{
    ffi::{CStr, CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
};

/// What the host looks for.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static bindery_plane_driver_v2: abi::Driver = abi::Driver {
    magic: abi::MAGIC,
    abi_major: abi::ABI_MAJOR,
    abi_minor: abi::ABI_MINOR,
    struct_size: size_of::<abi::Driver>() as u32,
    name: c"memory-rust".as_ptr(),
    version: concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast(),
    create: Some(create),
    destroy: Some(destroy),
    apply: Some(apply),
    read_counters: Some(read_counters),
    dump: Some(dump),
    health: None,
};

/// An errno of Linux.
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EOPNOTSUPP: i32 = 95;
pub(crate) const EAFNOSUPPORT: i32 = 97;

/// Every function of the driver runs in here: a panic that left it would end the daemon.
fn guard(run: impl FnOnce() -> i32) -> i32 {
    // What the panic left half done the host never asks for again: after this status it ends the instance.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(abi::PANICKED)
}

unsafe extern "C" fn create(
    settings: *const abi::Setting,
    count: usize,
    host: *const abi::Host,
    instance: *mut *mut abi::Instance,
) -> i32 {
    guard(|| {
        // SAFETY: by the contract there are `count` settings, whose strings live through this call.
        let settings = unsafe { list(settings, count) }.iter().map(|setting| unsafe {
            (CStr::from_ptr(setting.key).to_string_lossy(), CStr::from_ptr(setting.value).to_string_lossy())
        });
        match Fib::new(settings) {
            Ok(fib) => {
                // SAFETY: by the contract it points to a pointer.
                unsafe { *instance = Box::into_raw(Box::new(fib)).cast() };
                abi::OK
            }
            Err(why) => {
                // SAFETY: by the contract the table is there.
                unsafe { log(host, abi::LOG_ERROR, &why) };
                EINVAL
            }
        }
    })
}

unsafe extern "C" fn destroy(instance: *mut abi::Instance) {
    guard(|| {
        // SAFETY: `create` made it, and the host calls nothing with it any more.
        drop(unsafe { Box::from_raw(instance.cast::<Fib>()) });
        abi::OK
    });
}

unsafe extern "C" fn apply(instance: *mut abi::Instance, ops: *const abi::Op, count: usize, results: *mut i32) -> i32 {
    guard(|| {
        // SAFETY: by the contract the instance is ours and in use by this call alone, and there are as many operations
        // and results as said.
        let (fib, ops, results) = unsafe { (fib(instance), list(ops, count), list_mut(results, count)) };
        for (op, result) in ops.iter().zip(results) {
            *result = fib.apply(op);
        }
        abi::OK
    })
}

unsafe extern "C" fn read_counters(
    instance: *mut abi::Instance,
    keys: *const abi::Key,
    count: usize,
    counters: *mut abi::Counters,
) -> i32 {
    guard(|| {
        // SAFETY: as in `apply`.
        let (fib, keys, counters) = unsafe { (fib(instance), list(keys, count), list_mut(counters, count)) };
        for (key, counted) in keys.iter().zip(counters) {
            *counted = fib.count(key);
        }
        abi::OK
    })
}

unsafe extern "C" fn dump(
    instance: *mut abi::Instance,
    cursor: *mut u64,
    entries: *mut abi::Entry,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: as in `apply`; cursor and count are one number each.
        unsafe {
            let (told, next) = fib(instance).dump(*cursor, list_mut(entries, capacity));
            *count = told;
            *cursor = next;
        }
        abi::OK
    })
}

/// # Safety
/// `instance` is one that `create` made and `destroy` has not ended, and no other call uses it.
unsafe fn fib<'a>(instance: *mut abi::Instance) -> &'a mut Fib {
    // SAFETY: the caller's promise.
    unsafe { &mut *instance.cast::<Fib>() }
}

/// # Safety
/// There are `count` elements at `start`.
unsafe fn list<'a, T>(start: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller's promise; an empty list may have any address.
    if count == 0 { &[] } else { unsafe { slice::from_raw_parts(start, count) } }
}

/// # Safety
/// There are `count` elements at `start`, which nobody else uses.
unsafe fn list_mut<'a, T>(start: *mut T, count: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise; an empty list may have any address.
    if count == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(start, count) } }
}

/// # Safety
/// `host` is the table that `create` got.
unsafe fn log(host: *const abi::Host, level: u32, text: &str) {
    // SAFETY: the caller's promise.
    let host = unsafe { &*host };
    let text = CString::new(text).unwrap_or_default();
    if let Some(log) = host.log {
        let start: *const c_char = text.as_ptr();
        // SAFETY: the text lives through the call.
        unsafe { log(host.context, level, start, text.as_bytes().len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_panic_leaves_the_driver() {
        assert_eq!(guard(|| panic!("on purpose")), abi::PANICKED);
        assert_eq!(guard(|| EINVAL), EINVAL);
    }
}
