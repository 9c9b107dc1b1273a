//! The reference of the contract, `docs/contract.md`, made of `wit/`: this fails where it is not
//! what `wit/` says now. With `UPDATE_CONTRACT` in the environment it is written instead.

use std::{env, fmt::Write as _, fs, path::Path};

use wit_parser::{
    Docs, Function, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, World,
    WorldItem, WorldKey,
};

const HEAD: &str = "\
# The plugin contract

Made of [wit/](../wit) by a test of the SDK; what stands there counts. [plugins.md](plugins.md) is the guide.

A plugin is a WebAssembly component that exports `manifest` and the interface of its kind, and imports what it
uses of the others. Any language that makes components will do.
";

#[test]
fn the_reference_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root.join("wit")).expect("wit/ is well");
    let text = Reference(&resolve).whole(package);
    let path = root.join("docs/contract.md");
    if env::var_os("UPDATE_CONTRACT").is_some() {
        fs::write(&path, &text).expect("docs/ can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/contract.md is not what wit/ says; run this test with UPDATE_CONTRACT=1"
    );
}

struct Reference<'a>(&'a Resolve);

impl Reference<'_> {
    fn whole(&self, package: wit_parser::PackageId) -> String {
        let package = &self.0.packages[package];
        let mut text = format!(
            "{HEAD}\nThis is `{}`.\n\n## Kinds of plugin\n",
            package.name
        );
        for world in package.worlds.values() {
            self.world(&mut text, &self.0.worlds[*world]);
        }
        text.push_str("\n## Interfaces\n");
        for interface in package.interfaces.values() {
            self.interface(&mut text, &self.0.interfaces[*interface]);
        }
        text
    }

    fn world(&self, text: &mut String, world: &World) {
        let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| -> String {
            let links = items.filter_map(|(_, item)| match item {
                WorldItem::Interface { id, .. } => {
                    let name = self.0.interfaces[*id].name.as_deref()?;
                    Some(format!("[`{name}`](#{name})"))
                }
                _ => None,
            });
            links.collect::<Vec<_>>().join(", ")
        };
        line(text, &format!("\n### World `{}`\n", world.name));
        docs(text, &world.docs, "");
        line(
            text,
            &format!("- exports {}", names(&mut world.exports.iter())),
        );
        line(
            text,
            &format!("- may import {}", names(&mut world.imports.iter())),
        );
    }

    fn interface(&self, text: &mut String, interface: &Interface) {
        line(
            text,
            &format!("\n### {}\n", interface.name.as_deref().unwrap_or_default()),
        );
        docs(text, &interface.docs, "");
        let own = |definition: &TypeDef| !matches!(definition.kind, TypeDefKind::Type(Type::Id(_)));
        for (name, id) in &interface.types {
            let definition = &self.0.types[*id];
            if own(definition) {
                self.definition(text, name, definition);
            }
        }
        for function in interface.functions.values() {
            line(text, &format!("\n- `{}`", self.signature(function)));
            text.push('\n');
            docs(text, &function.docs, "  ");
        }
    }

    fn definition(&self, text: &mut String, name: &str, definition: &TypeDef) {
        match &definition.kind {
            TypeDefKind::Record(record) => {
                line(text, &format!("\n#### Record `{name}`\n"));
                docs(text, &definition.docs, "");
                for field in &record.fields {
                    line(
                        text,
                        &format!("- `{}: {}`", field.name, self.named(&field.ty)),
                    );
                    if !field.docs.is_empty() {
                        text.push('\n');
                        docs(text, &field.docs, "  ");
                    }
                }
            }
            TypeDefKind::Enum(cases) => {
                let names: Vec<String> = cases
                    .cases
                    .iter()
                    .map(|case| format!("`{}`", case.name))
                    .collect();
                line(
                    text,
                    &format!("\n#### Enum `{name}`: {}\n", names.join(", ")),
                );
                docs(text, &definition.docs, "");
            }
            TypeDefKind::Type(kind) => {
                line(
                    text,
                    &format!("\n#### Type `{name}`: `{}`\n", self.named(kind)),
                );
                docs(text, &definition.docs, "");
            }
            _ => {
                line(
                    text,
                    &format!("\n#### {} `{name}`\n", definition.kind.as_str()),
                );
                docs(text, &definition.docs, "");
            }
        }
    }

    fn signature(&self, function: &Function) -> String {
        let one = |(name, kind): (&str, &Type)| format!("{name}: {}", self.named(kind));
        let parameters: Vec<String> = function
            .params
            .iter()
            .map(|each| one((&each.name, &each.ty)))
            .collect();
        let answer = match &function.result {
            Some(result) => format!(" -> {}", self.named(result)),
            None => String::new(),
        };
        // A method is called as `[method]lock.name` there.
        let name = function.name.rsplit(']').next().unwrap_or_default();
        format!("{name}: func({}){answer}", parameters.join(", "))
    }

    fn named(&self, kind: &Type) -> String {
        let plain = match kind {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(id) => return self.composed(*id),
        };
        plain.to_owned()
    }

    fn composed(&self, id: TypeId) -> String {
        let definition = &self.0.types[id];
        if let Some(name) = &definition.name {
            return name.clone();
        }
        match &definition.kind {
            TypeDefKind::Option(inner) => format!("option<{}>", self.named(inner)),
            TypeDefKind::List(inner) => format!("list<{}>", self.named(inner)),
            TypeDefKind::Tuple(tuple) => {
                let parts: Vec<String> = tuple.types.iter().map(|each| self.named(each)).collect();
                format!("tuple<{}>", parts.join(", "))
            }
            TypeDefKind::Result(result) => {
                let part = |part: &Option<Type>| match part {
                    Some(kind) => self.named(kind),
                    None => "_".to_owned(),
                };
                format!("result<{}, {}>", part(&result.ok), part(&result.err))
            }
            TypeDefKind::Handle(Handle::Own(inner)) => self.composed(*inner),
            TypeDefKind::Handle(Handle::Borrow(inner)) => {
                format!("borrow<{}>", self.composed(*inner))
            }
            other => other.as_str().to_owned(),
        }
    }
}

fn docs(text: &mut String, docs: &Docs, indent: &str) {
    let Some(contents) = &docs.contents else {
        return;
    };
    for each in contents.trim_end().lines() {
        line(text, format!("{indent}{each}").trim_end());
    }
    text.push('\n');
}

fn line(text: &mut String, line: &str) {
    // Writing to a text does not fail.
    _ = writeln!(text, "{line}");
}
