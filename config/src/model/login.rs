//! Who may do what: `system login`.

use super::build::name;
use super::read::{At, Spanned};
use crate::value::Typed;

/// What a user may do; each has what is before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Permission {
    /// Looks only.
    View,
    /// Ends sessions, resets counters.
    Clear,
    /// Changes the configuration or ends the daemon.
    Configure,
}

/// The classes that are there without a statement, and what they may.
pub const PREDEFINED: [(&str, Option<Permission>); 4] = [
    ("super-user", Some(Permission::Configure)),
    ("operator", Some(Permission::Clear)),
    ("read-only", Some(Permission::View)),
    ("unauthorized", None),
];

/// `system login`.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// `class NAME`, in order.
    pub classes: Vec<LoginClass>,
    /// `user NAME`, in order.
    pub users: Vec<LoginUser>,
}

/// `class NAME`.
#[derive(Clone, Debug)]
pub struct LoginClass {
    /// Its name.
    pub name: Spanned<String>,
    /// The most of its `permissions`; none where none is written.
    pub permission: Option<Permission>,
}

/// `user NAME`.
#[derive(Clone, Debug)]
pub struct LoginUser {
    /// The name, as the system has it.
    pub name: Spanned<String>,
    /// `class`; absent only where the text is at fault.
    pub class: Option<Spanned<String>>,
}

/// The most that `user` may do: what its class says. Whoever has no class may look; none is not even that.
///
/// Root and the user that the daemon runs as are the caller's matter: they may do everything.
pub fn permission_of(login: &Login, user: &str) -> Option<Permission> {
    let Some(user) = login.users.iter().find(|it| it.name.value == user) else { return Some(Permission::View) };
    let class = user.class.as_ref()?.value.as_str();
    match PREDEFINED.iter().find(|(name, _)| *name == class) {
        Some((_, permission)) => *permission,
        None => login.classes.iter().find(|it| it.name.value == class)?.permission,
    }
}

/// `login` in `system`.
pub(super) fn login(system: At<'_>) -> Option<Login> {
    let at = system.child("login")?;
    let class = |at: At<'_>| {
        let words = at.list("permissions").into_iter().filter_map(|word| word.value.word());
        Some(LoginClass { name: name(at)?, permission: words.filter_map(permission).max() })
    };
    let user =
        |at: At<'_>| Some(LoginUser { name: name(at)?, class: at.leaf("class").and_then(|it| it.map(Typed::text)) });
    Some(Login {
        classes: at.all("class").filter_map(class).collect(),
        users: at.all("user").filter_map(user).collect(),
    })
}

fn permission(word: &str) -> Option<Permission> {
    match word {
        "view" => Some(Permission::View),
        "clear" => Some(Permission::Clear),
        "configure" => Some(Permission::Configure),
        _ => None,
    }
}
