//! Definitions that know their own C text.
//!
//! The macros here write a Rust item and, from the same tokens, its description for the header, so that the two cannot
//! differ.

use std::ffi::{c_char, c_void};

/// A type that may cross the border, as C declares something of it.
pub(crate) trait CType {
    /// The declaration of `name`, without a semicolon.
    fn declare(name: &str) -> String;
}

/// A struct as the header shows it.
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static [&'static str],
    pub(crate) members: Vec<Member>,
    pub(crate) size: usize,
}

pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static [&'static str],
    pub(crate) declaration: String,
    pub(crate) offset: usize,
}

/// A constant as the header shows it.
pub(crate) struct Constant {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static [&'static str],
    pub(crate) value: String,
}

macro_rules! scalar {
    ($($rust:ty => $c:literal),* $(,)?) => {
        $(impl CType for $rust {
            fn declare(name: &str) -> String {
                format!(concat!($c, " {}"), name)
            }
        })*
    };
}

scalar! {
    () => "void",
    u8 => "uint8_t",
    u16 => "uint16_t",
    u32 => "uint32_t",
    u64 => "uint64_t",
    i32 => "int32_t",
    usize => "size_t",
    c_void => "void",
    c_char => "char",
}

impl<T: CType> CType for *const T {
    fn declare(name: &str) -> String {
        format!("const {}", T::declare(&format!("*{name}")))
    }
}

impl<T: CType> CType for *mut T {
    fn declare(name: &str) -> String {
        T::declare(&format!("*{name}"))
    }
}

impl<T: CType, const N: usize> CType for [T; N] {
    fn declare(name: &str) -> String {
        T::declare(&format!("{name}[{N}]"))
    }
}

/// A constant's value as C writes it.
pub(crate) trait CValue {
    fn value(&self) -> String;
}

impl CValue for u16 {
    fn value(&self) -> String {
        format!("{self}")
    }
}

impl CValue for u32 {
    fn value(&self) -> String {
        format!("{self}u")
    }
}

impl CValue for u64 {
    fn value(&self) -> String {
        format!("0x{self:016x}ull")
    }
}

impl CValue for i32 {
    fn value(&self) -> String {
        match *self {
            // C has no literal of the smallest number.
            i32::MIN => "INT32_MIN".into(),
            number if number < 0 => format!("({number})"),
            number => format!("{number}"),
        }
    }
}

/// Constants, and a function that describes them all.
macro_rules! abi_constants {
    ($($(#[doc = $doc:literal])* $name:ident = $c:literal : $type:ty = $value:expr;)*) => {
        $($(#[doc = $doc])* pub const $name: $type = $value;)*

        pub(crate) fn constants() -> Vec<Constant> {
            vec![$(Constant { name: $c, docs: &[$($doc),*], value: CValue::value(&$name) }),*]
        }
    };
}

/// A struct of data members, and after them, where there are any, of function pointers. A null function is one that is
/// not there.
macro_rules! abi_struct {
    (
        $(#[doc = $doc:literal])*
        struct $name:ident = $c:literal derive($($derive:ident),*) {
            $($(#[doc = $field_doc:literal])* $field:ident: $type:ty,)*
        }
        $(functions {
            $($(#[doc = $fn_doc:literal])* fn $function:ident($($parameter:ident: $ptype:ty),* $(,)?) $(-> $ret:ty)?;)*
        })?
    ) => {
        $(#[doc = $doc])*
        #[repr(C)]
        #[derive(Clone, Copy, $($derive),*)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
            $($($(#[doc = $fn_doc])* pub $function: Option<unsafe extern "C" fn($($parameter: $ptype),*) $(-> $ret)?>,)*)?
        }

        impl CType for $name {
            fn declare(name: &str) -> String {
                format!(concat!("struct ", $c, " {}"), name)
            }
        }

        impl $name {
            pub(crate) fn describe() -> Described {
                let members = vec![
                    $(Member {
                        name: stringify!($field),
                        docs: &[$($field_doc),*],
                        declaration: <$type as CType>::declare(stringify!($field)),
                        offset: std::mem::offset_of!($name, $field),
                    },)*
                    $($(Member {
                        name: stringify!($function),
                        docs: &[$($fn_doc),*],
                        declaration: {
                            let parameters = [$(<$ptype as CType>::declare(stringify!($parameter))),*].join(", ");
                            abi_return!($($ret)?)(&format!("(*{})({parameters})", stringify!($function)))
                        },
                        offset: std::mem::offset_of!($name, $function),
                    },)*)?
                ];
                Described { name: $c, docs: &[$($doc),*], members, size: size_of::<$name>() }
            }
        }
    };
}

/// What declares a function that returns this.
macro_rules! abi_return {
    () => {
        <() as CType>::declare
    };
    ($ret:ty) => {
        <$ret as CType>::declare
    };
}
