//! The C header, made from the definitions.

use crate::{
    SYMBOL,
    describe::{Constant, Described, Member},
    types,
};
use std::fmt::Write;

const WIDTH: usize = 100;

const INTRODUCTION: &str = "\
/* Forwarding-plane drivers of Bindery: the binary interface.
 *
 * Made from plugins/native/abi/src/types.rs; change it there, then run
 *     UPDATE_EXPECT=1 cargo test -p bindery-plane-abi
 * How to write a driver: plugins/native/README.md. Comments leave the prefix BINDERY_PLANE_ of constants out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BINDERY_PLANE_H
#define BINDERY_PLANE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#define BINDERY_PLANE_ASSERT static_assert
#else
#define BINDERY_PLANE_ASSERT _Static_assert
#endif
";

/// The text of `bindery_plane.h`.
pub fn header() -> String {
    let mut text = String::from(INTRODUCTION);
    for constant in types::constants() {
        add_constant(&mut text, &constant);
    }
    text.push_str(
        "\n/* An instance of a driver, of which the host knows the address only. */\nstruct bindery_plane;\n",
    );
    let structs = types::structs();
    for described in &structs {
        add_struct(&mut text, described);
    }
    add_layout(&mut text, &structs);
    text.push_str("\n/* What a driver exports, and nothing else. */\n");
    text.push_str("#if defined(__GNUC__)\n__attribute__((visibility(\"default\")))\n#endif\n");
    // A String takes whatever is written to it.
    let _ = writeln!(text, "extern const struct bindery_plane_driver {SYMBOL};");
    text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    text
}

fn add_constant(text: &mut String, constant: &Constant) {
    text.push('\n');
    add_comment(text, "", constant.docs);
    let _ = writeln!(text, "#define {} {}", constant.name, constant.value);
}

fn add_struct(text: &mut String, described: &Described) {
    text.push('\n');
    add_comment(text, "", described.docs);
    let _ = writeln!(text, "struct {} {{", described.name);
    for Member { docs, declaration, .. } in &described.members {
        add_comment(text, "    ", docs);
        let _ = writeln!(text, "    {declaration};");
    }
    text.push_str("};\n");
}

/// A compiler that lays the structs out in another way must say so, not crash the daemon.
fn add_layout(text: &mut String, structs: &[Described]) {
    text.push_str("\n#if UINTPTR_MAX == UINT64_MAX\n");
    for described in structs {
        let name = described.name;
        let mut check = |what: String, value: usize| {
            let _ = writeln!(text, "BINDERY_PLANE_ASSERT({what} == {value}, \"layout of {name}\");");
        };
        check(format!("sizeof(struct {name})"), described.size);
        for member in &described.members {
            check(format!("offsetof(struct {name}, {})", member.name), member.offset);
        }
    }
    text.push_str("#endif\n");
}

/// Doc lines as a C comment, filled anew: the names of constants are longer in C.
fn add_comment(text: &mut String, indent: &str, docs: &[&str]) {
    let mut lines = vec![String::new()];
    for doc in docs {
        let doc = doc.trim();
        if doc.is_empty() {
            lines.extend([String::new(), String::new()]);
        }
        for word in doc.split_whitespace() {
            let last = lines.last_mut();
            if let Some(last) = last.filter(|last| indent.len() + 4 + last.len() + word.len() < WIDTH) {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            } else {
                lines.push(word.into());
            }
        }
    }
    let body = lines.join(&format!("\n{indent} * ")).replace(" * \n", " *\n");
    let _ = writeln!(text, "{indent}/* {body} */");
}
