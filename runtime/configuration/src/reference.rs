//! Writes the reference of every key from the schema, and holds `docs/configuration.md` against
//! it. `BLESS=1` writes what is found.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value};

use crate::{schema, structure::format::Format};

/// Above it a person writes, below it this test does.
const MARKER: &str = "<!-- From here on written by a test from the documented types. -->\n";

struct Reference {
    schema: Value,
    out: String,
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, written) = text.split_once(MARKER).expect("the marker");
    let reference = Reference::write();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{by_hand}{MARKER}{reference}")).unwrap();
        return;
    }
    assert!(
        written == reference,
        "docs/configuration.md is behind: BLESS=1 writes it"
    );
}

impl Reference {
    fn write() -> String {
        let mut this = Self {
            schema: schema::internal().clone(),
            out: String::new(),
        };
        let root = this.schema.clone();
        this.section("Top level", &root);
        for (key, property) in properties(&root) {
            this.of_property(key, property);
        }
        for (name, title) in [
            ("environment", "`[secrets]` with `use = \"environment\"`"),
            ("file", "`[secrets]` with `use = \"file\"`"),
        ] {
            this.section(title, &schema::secret_source(name).unwrap_or_default());
        }
        this.section("`{ secret = \"NAME\" }`", &schema::secret_reference());
        this.out
    }

    /// The sections that a key of the top level stands for.
    fn of_property(&mut self, key: &str, property: &Value) {
        let several = property.get("items").map(|items| self.resolve(items));
        let named = property
            .get("additionalProperties")
            .map(|named| self.resolve(named));
        let one = self.resolve(property);
        let infix = if named.is_some() { ".NAME" } else { "" };
        let (title, schema) = match (several, named) {
            (Some(item), _) => (format!("`[[{key}]]`"), item),
            (_, Some(item)) => (format!("`[{key}.NAME]`"), item),
            _ => (format!("`[{key}]`"), described(one, property)),
        };
        if properties(&schema).next().is_none() {
            return;
        }
        self.section(&title, &schema);
        for (inner, property) in properties(&schema) {
            let table = self.resolve(property);
            if properties(&table).next().is_some() && table.get("format").is_none() {
                self.section(&format!("`[{key}{infix}.{inner}]`"), &table);
            }
        }
    }

    fn section(&mut self, title: &str, schema: &Value) {
        let _ = writeln!(self.out, "\n## {title}\n");
        if let Some(description) = schema.get("description").and_then(Value::as_str) {
            let _ = writeln!(self.out, "{description}\n");
        }
        let _ = writeln!(
            self.out,
            "| key | value | without it | meaning |\n|---|---|---|---|"
        );
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut words = String::new();
        for (key, property) in properties(schema) {
            let meaning = property
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let default = match property.get("default") {
                _ if required.contains(&key.as_str()) => "*required*".into(),
                Some(Value::Array(items)) if items.first().is_none_or(Value::is_object) => {
                    String::new()
                }
                Some(Value::Null | Value::Object(_)) | None => String::new(),
                Some(default) => format!("`{default}`"),
            };
            let value = self.value(property);
            let meaning = meaning.replace('\n', " ");
            let _ = writeln!(self.out, "| `{key}` | {value} | {default} | {meaning} |");
            self.words(key, property, &mut words);
        }
        self.out.push_str(&words);
    }

    /// What a value may be, in a few words.
    fn value(&self, schema: &Value) -> String {
        let options = schema
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        if options
            .into_iter()
            .any(|option| option.get("items").is_some())
        {
            return "a table, or a list of tables".into();
        }
        let schema = self.resolve(schema);
        let format = schema
            .get("format")
            .and_then(Value::as_str)
            .and_then(Format::named);
        if let Some(format) = format {
            return format.expected.into();
        }
        if constants(&schema).next().is_some() {
            return "a word".into();
        }
        match (schema.get("items"), schema.get("additionalProperties")) {
            (Some(items), _) if properties(&self.resolve(items)).next().is_some() => {
                "a list of tables".into()
            }
            (Some(items), _) => format!("a list: {}", self.value(items)),
            (_, Some(named @ Value::Object(_))) => match named.get("type") {
                Some(Value::String(name)) if name == "string" => "a table of texts".into(),
                Some(Value::String(name)) if name == "number" => "a table of numbers".into(),
                _ => "a table of tables".into(),
            },
            _ => match schema.get("type").and_then(Value::as_str) {
                Some("string") => "a text".into(),
                Some("integer") => "a whole number".into(),
                Some("number") => "a number".into(),
                Some("boolean") => "true or false".into(),
                _ => "a table".into(),
            },
        }
    }

    /// The words that a value may be, each with its meaning.
    fn words(&self, key: &str, property: &Value, out: &mut String) {
        let schema = self.resolve(property);
        let schema = schema
            .get("items")
            .map_or(schema.clone(), |items| self.resolve(items));
        let mut words = constants(&schema).peekable();
        if words.peek().is_none() {
            return;
        }
        let _ = writeln!(out, "\n`{key}` is one of:\n");
        for (word, meaning) in words {
            let _ = writeln!(out, "- `{word}`: {}", meaning.replace('\n', " "));
        }
    }

    /// What references and options lead to.
    fn resolve(&self, schema: &Value) -> Value {
        let mut schema = schema;
        loop {
            let null = |option: &&Value| option.get("type").is_some_and(|name| name == "null");
            let option = schema
                .get("anyOf")
                .and_then(Value::as_array)
                .and_then(|options| options.iter().find(|option| !null(option)));
            let reference = schema.get("$ref").and_then(Value::as_str);
            let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
            match pointer
                .and_then(|pointer| self.schema.pointer(pointer))
                .or(option)
            {
                Some(next) => schema = next,
                None => break,
            }
        }
        let mut schema = schema.clone();
        // An option that may be left out says so by a second type.
        if let Some(types) = schema.get("type").and_then(Value::as_array) {
            schema["type"] = types[0].clone();
        }
        schema
    }
}

/// The schema with what the key says it is there for, which is nearer to the reader than what its
/// type says.
fn described(mut schema: Value, property: &Value) -> Value {
    if let Some(description) = property.get("description") {
        schema["description"] = description.clone();
    }
    schema
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

/// The words of an enumeration, with their meanings.
fn constants(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|option| {
            let meaning = option
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Some((option.get("const")?.as_str()?, meaning))
        })
}
