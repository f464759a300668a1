//! Classes of users.

use super::hint;
use crate::error::{Fault, Faults};
use crate::model::Model;
use crate::model::login::PREDEFINED;

/// Every user's class is there, and none takes the name of one that is there without a statement.
pub(super) fn login(model: &Model, faults: &mut Faults) {
    let predefined = |name: &str| PREDEFINED.iter().any(|(it, _)| *it == name);
    for class in &model.login.classes {
        let name = &class.name;
        if predefined(&name.value) {
            let path = format!("system login class {}", name.value);
            let fault = Fault::new(format!("class `{}` is predefined", name.value), name.span, path);
            faults.push(fault.help("give it another name"));
        }
    }
    let names: Vec<_> = model.login.classes.iter().map(|class| class.name.clone()).collect();
    for user in &model.login.users {
        let Some(class) = &user.class else { continue };
        if predefined(&class.value) || names.iter().any(|name| name.value == class.value) {
            continue;
        }
        let help = hint(&class.value, &names, faults).map_or_else(
            || "`system { login { class NAME { permissions ... } } }` defines it".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let path = format!("system login user {} class", user.name.value);
        faults.push(Fault::new(format!("there is no class `{}`", class.value), class.span, path).help(help));
    }
}
