//! Every sample configuration: those in `valid` and in the examples load, and are what they were;
//! those in `invalid`, each named after its mistake, give exactly the problems written beside
//! them. `BLESS=1` writes what is found.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use configuration::{Configuration, Overrides, Problems, Sources};
use libtest_mimic::{Arguments, Failed, Trial};

/// Reads files below one directory; paths in messages are relative to it on every machine.
struct Directory(PathBuf);

impl Sources for Directory {
    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(self.0.join(path))
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "REGION" => Some("eu-west".into()),
            "PORT" => Some("8080".into()),
            _ => None,
        }
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut trials = Vec::new();
    for path in tomls(&here.join("tests/invalid")) {
        trials.push(trial(&path, invalid));
    }
    for path in tomls(&here.join("tests/valid")) {
        trials.push(trial(&path, valid));
    }
    for path in tomls(&here.join("../../config")) {
        // What others extend is no configuration by itself.
        if path.file_stem().is_some_and(|name| name != "base") {
            trials.push(trial(&path, example));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(path: &Path, run: fn(&Path) -> Result<(), Failed>) -> Trial {
    let name = path.with_extension("");
    let shown: Vec<_> = name
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy())
        .collect();
    let path = path.to_owned();
    Trial::test(format!("{}/{}", shown[1], shown[0]), move || run(&path))
}

/// Every TOML file of a directory but those whose name says that they are a part of another.
fn tomls(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let toml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let part = |path: &PathBuf| path.to_string_lossy().ends_with(".part.toml");
    let mut files: Vec<_> = files.filter(|path| toml(path) && !part(path)).collect();
    files.sort();
    files
}

/// Loads a file with the overrides that its lines `#! --set key=value` ask for.
fn load(path: &Path) -> Result<Configuration, Problems> {
    let text = fs::read_to_string(path).unwrap();
    let mut overrides = Overrides::default();
    for line in text.lines() {
        if let Some(set) = line.strip_prefix("#! --set ") {
            overrides.set.push(set.into());
        } else if let Some(strategy) = line.strip_prefix("#! --strategy ") {
            overrides.strategy = Some(strategy.into());
        }
    }
    let sources = Directory(path.parent().unwrap().into());
    configuration::load(Path::new(path.file_name().unwrap()), &sources, &overrides)
}

fn invalid(path: &Path) -> Result<(), Failed> {
    match load(path) {
        Ok(_) => Err("nothing was found wrong".into()),
        Err(problems) => golden(&path.with_extension("err"), &format!("{problems}\n")),
    }
}

fn valid(path: &Path) -> Result<(), Failed> {
    let configuration = load(path).map_err(|problems| problems.to_string())?;
    let canonical = configuration.canonical();
    let again = Configuration::from_canonical(path, &canonical)?;
    if again.canonical() != canonical || again.contents.uses() != configuration.contents.uses() {
        return Err("it is another one when it is read back from its canonical form".into());
    }
    let canonical = serde_json::to_string_pretty(&canonical)?;
    golden(&path.with_extension("json"), &format!("{canonical}\n"))
}

/// An example is what operators copy: the settings of the plugins that come with the program must
/// be right in it, too.
fn example(path: &Path) -> Result<(), Failed> {
    let configuration = load(path).map_err(|problems| problems.to_string())?;
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    for (kind, section) in configuration.contents.uses() {
        let kind = serde_json::to_value(kind)?.as_str().map(str::to_owned);
        let folder = plugins.join(kind.unwrap_or_default()).join(&section.name);
        let Ok(schema) = fs::read_to_string(folder.join("settings.json")) else {
            continue;
        };
        let schema = serde_json::from_str(&schema)?;
        let found = configuration.check_settings(section, &schema, &section.name);
        if let Some(problems) = Problems::new(path, found) {
            return Err(problems.to_string().into());
        }
    }
    Ok(())
}

fn golden(path: &Path, found: &str) -> Result<(), Failed> {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found)?;
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!("{} differs (BLESS=1 writes it):\n{found}", path.display()).into())
}
