//! Whether a component fits the contract, and if not, why, in words that say whose turn it is.

use std::fmt;

use bindings::{CONTRACT, Kind, PACKAGE};
use wasmtime::{Engine, component::Component};

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incompatible {
    /// The file is a core module.
    CoreModule,
    /// The file is not WebAssembly at all.
    NotWasm,
    /// It exports no manifest.
    NoManifest,
    /// It was built against another version of the contract.
    Version {
        /// The interface that shows it.
        interface: String,
        /// The version it wants.
        theirs: String,
        /// Whether theirs is the newer one.
        newer: bool,
    },
    /// It exports nothing that makes it one of the kinds.
    NoKind,
    /// It exports more than one kind, and none of them is the one that is asked for.
    SeveralKinds(Vec<Kind>),
    /// It is of another kind than where it is used.
    OtherKind {
        /// What it is.
        found: Kind,
        /// What it is used as.
        wanted: Kind,
    },
    /// It imports something that a plugin of its kind cannot have.
    Import {
        /// What.
        import: String,
        /// What it is.
        kind: Kind,
    },
    /// It imports an interface of this contract that this program does not know.
    UnknownInterface(String),
    /// An interface does not have the contract's shape.
    Shape(String),
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoreModule => write!(
                f,
                "it is a core WebAssembly module, not a component; make one of it with \
                 `wasm-tools component new`, or build it for wasm32-wasip2"
            ),
            Self::NotWasm => write!(f, "it is not a WebAssembly component"),
            Self::NoManifest => write!(
                f,
                "it exports no `{PACKAGE}/manifest@{CONTRACT}`, which every plugin has; its \
                 author has to build it as a plugin"
            ),
            Self::Version {
                interface,
                theirs,
                newer: true,
            } => write!(
                f,
                "it was built for version {theirs} of the contract (`{interface}`) and this \
                 program speaks {CONTRACT}; upgrade this program, or use an older version of the \
                 plugin"
            ),
            Self::Version {
                interface,
                theirs,
                newer: false,
            } => write!(
                f,
                "it was built for version {theirs} of the contract (`{interface}`) and this \
                 program speaks {CONTRACT}; its author has to build it against {CONTRACT}"
            ),
            Self::NoKind => {
                write!(f, "it exports none of")?;
                for (index, kind) in Kind::ALL.into_iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma} `{}` ({kind})", kind.interface())?;
                }
                write!(f, "; its author has to say which kind of plugin it is")
            }
            Self::SeveralKinds(kinds) => {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                write!(
                    f,
                    "it is of several kinds ({}); ask for one",
                    names.join(", ")
                )
            }
            Self::OtherKind { found, wanted } => {
                write!(f, "it is a {found} plugin, and is used as a {wanted}")
            }
            Self::Import { import, kind } => write!(
                f,
                "it imports `{import}`, which a {kind} plugin cannot have; its author has to do \
                 without"
            ),
            Self::UnknownInterface(interface) => write!(
                f,
                "it imports `{interface}`, which version {CONTRACT} of the contract does not have; \
                 upgrade this program"
            ),
            Self::Shape(what) => write!(
                f,
                "it says that it was built for version {CONTRACT} of the contract, and differs \
                 from it ({what}); its author has to build it against {CONTRACT} as released"
            ),
        }
    }
}

/// Finds out what kind of plugin a component is, and whether all that it imports can be had.
pub(crate) fn examine(
    engine: &Engine,
    component: &Component,
    wanted: Option<Kind>,
) -> Result<(Kind, Vec<String>), Incompatible> {
    let shape = component.component_type();
    let exports: Vec<String> = shape
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let imports: Vec<String> = shape
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in exports.iter().chain(&imports) {
        same_version(name)?;
    }
    let has = |interface: &str| {
        exports
            .iter()
            .any(|name| interface_of(name) == Some(interface))
    };
    if !has("manifest") {
        return Err(Incompatible::NoManifest);
    }
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| has(kind.interface()))
        .collect();
    let kind = match (wanted, kinds.as_slice()) {
        (Some(wanted), kinds) if kinds.contains(&wanted) => wanted,
        (_, []) => return Err(Incompatible::NoKind),
        (Some(wanted), [found, ..]) => {
            return Err(Incompatible::OtherKind {
                found: *found,
                wanted,
            });
        }
        (None, [kind]) => *kind,
        (None, _) => return Err(Incompatible::SeveralKinds(kinds)),
    };
    for import in &imports {
        importable(import, kind)?;
    }
    Ok((kind, imports))
}

fn importable(import: &str, kind: Kind) -> Result<(), Incompatible> {
    let refused = || Incompatible::Import {
        import: import.to_owned(),
        kind,
    };
    match interface_of(import) {
        Some(interface) if kind.imports().contains(&interface) => Ok(()),
        Some(interface) => {
            let known = Kind::ALL
                .iter()
                .any(|kind| kind.imports().contains(&interface));
            Err(if known {
                refused()
            } else {
                Incompatible::UnknownInterface(import.to_owned())
            })
        }
        // An empty one stands behind all of it.
        None if import.starts_with("wasi:") => Ok(()),
        None => Err(refused()),
    }
}

/// The interface's name, where it is one of the contract's.
fn interface_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(
        rest.split_once('@')
            .map_or(rest, |(interface, _)| interface),
    )
}

/// Versions fit as long as major and minor are the same, as the linker sees it, and the patch
/// is not newer than ours.
fn same_version(name: &str) -> Result<(), Incompatible> {
    if interface_of(name).is_none() {
        return Ok(());
    }
    let theirs = name.split_once('@').map_or("", |(_, version)| version);
    let (their_number, our_number) = (number(theirs), number(CONTRACT));
    let fits = match their_number {
        Some(number) => number[..2] == our_number.unwrap_or_default()[..2],
        None => false,
    };
    if fits {
        return Ok(());
    }
    Err(Incompatible::Version {
        interface: name.to_owned(),
        theirs: if theirs.is_empty() {
            "none".to_owned()
        } else {
            theirs.to_owned()
        },
        newer: their_number > our_number,
    })
}

fn number(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|part| part.parse().ok());
    let number = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(number)
}
