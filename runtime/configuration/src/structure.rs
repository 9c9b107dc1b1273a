//! Holds a tree against a JSON Schema: keys, types and forms, all mistakes in one pass. The same
//! schema is what editors get, so what is documented is what is checked.
//!
//! A library would do the checking, but not the telling: each mistake needs its place, the nearest
//! known key, and words for people. What this does not understand of a schema it lets pass.

use serde_json::{Map, Value};

use crate::{
    nearest::suggestion,
    problem::Problem,
    tree::{Kind, Node, Table},
};

pub(crate) mod format;
mod shape;
mod words;

use shape::{alternatives, format_of, has_type, types};
use words::{rewritten, type_name, unknown_key};

/// Checks values against parts of one schema.
struct Structure<'a> {
    /// The whole schema, for `$ref`.
    root: &'a Value,
    /// Where a text is expected, a secret may stand.
    secrets: bool,
    problems: Vec<Problem>,
}

/// Every mistake of the tree.
pub(crate) fn check(node: &Node, schema: &Value) -> Vec<Problem> {
    let mut structure = Structure {
        root: schema,
        secrets: false,
        problems: Vec::new(),
    };
    structure.value(node, schema, "");
    structure.problems
}

/// Every mistake of a plugin's settings in its section, but for the keys that are not its own.
pub(crate) fn check_settings(section: &Node, schema: &Value, not_its_own: &[&str]) -> Vec<Problem> {
    let mut structure = Structure {
        root: schema,
        secrets: true,
        problems: Vec::new(),
    };
    let mut section = section.clone();
    if let Some(table) = section.table_mut() {
        table.retain(|key, _| !not_its_own.contains(&key.as_str()));
    }
    // Not by way of `value`: the section itself is no secret, even with just a key `secret`.
    structure.typed(&section, structure.resolve(schema), "");
    structure.problems
}

impl<'a> Structure<'a> {
    fn value(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let schema = self.resolve(schema);
        if self.secrets && crate::secret::is_reference(node) {
            return self.secret(node, schema, name);
        }
        self.typed(node, schema, name);
    }

    /// A value that is no secret, against a schema that is no reference.
    fn typed(&mut self, node: &Node, schema: &'a Value, name: &str) {
        if let Some(options) = alternatives(schema) {
            return self.alternatives(node, schema, &options, name);
        }
        if !has_type(node, schema) {
            return self.wrong_type(node, schema, name);
        }
        match &node.kind {
            Kind::Table(table) => self.table(node, table, schema, name),
            Kind::List(items) => self.list(node, items, schema, name),
            Kind::Text(text) => self.text(node, text, schema, name),
            Kind::Integer(number) => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "only compared with small limits"
                )]
                self.number(node, *number as f64, schema, name);
            }
            Kind::Float(number) => self.number(node, *number, schema, name),
            Kind::Boolean(_) | Kind::Date(_) => {}
        }
    }

    /// What a `$ref` leads to, and the one way left where the other is null: TOML has no null.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        /// Longer chains of references are circles.
        const REFERENCES_MAX: usize = 32;
        let mut schema = schema;
        for _ in 0..REFERENCES_MAX {
            let next = match schema.get("$ref").and_then(Value::as_str) {
                Some(reference) => reference
                    .strip_prefix('#')
                    .and_then(|pointer| self.root.pointer(pointer)),
                None => alternatives(schema).and_then(|options| match options[..] {
                    [only] => Some(only),
                    _ => None,
                }),
            };
            match next {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    fn table(&mut self, node: &Node, table: &Table, schema: &'a Value, name: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        for (key, entry) in table {
            match properties.and_then(|properties| properties.get(key)) {
                Some(schema) => self.value(&entry.node, schema, key),
                None => match additional {
                    Some(Value::Bool(false)) => {
                        let problem = unknown_key(key, name, &entry.node, properties);
                        self.problems
                            .push(problem.at(entry.key.clone(), "not known here"));
                    }
                    Some(schema @ Value::Object(_)) => self.value(&entry.node, schema, key),
                    _ => {}
                },
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(key) {
                self.missing(node, key, name, properties);
            }
        }
    }

    fn missing(
        &mut self,
        node: &Node,
        key: &str,
        name: &str,
        properties: Option<&'a Map<String, Value>>,
    ) {
        let schema = properties.and_then(|properties| properties.get(key));
        let section = schema.is_some_and(|schema| {
            types(self.resolve(schema)).is_some_and(|types| types.contains(&"object"))
        });
        let shown = match (section, name) {
            (true, "") => format!("the section `[{key}]`"),
            _ => format!("`{key}`"),
        };
        let problem = Problem::new("missing-key", format!("{shown} is missing"));
        let label = if name.is_empty() {
            String::new()
        } else {
            format!("needs `{key}`")
        };
        let problem = problem.at(node.place.clone(), label);
        self.problems
            .push(match schema.and_then(|schema| self.summary(schema)) {
                Some(summary) => problem.help(format!("`{key}`: {summary}")),
                None => problem,
            });
    }

    /// The first sentence of what is documented.
    fn summary(&self, schema: &'a Value) -> Option<String> {
        let described = |schema: &'a Value| schema.get("description").and_then(Value::as_str);
        let text = described(schema).or_else(|| described(self.resolve(schema)))?;
        let line = text.split("\n\n").next()?.replace('\n', " ");
        let end = line.find(". ").map_or(line.len(), |end| end + 1);
        Some(line[..end].trim_end_matches('.').to_owned())
    }

    fn list(&mut self, node: &Node, items: &[Node], schema: &'a Value, name: &str) {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let title = match least {
                1 => format!("`{name}` must not be empty"),
                _ => format!("`{name}` must have at least {least} items"),
            };
            let problem = Problem::new("too-few", title);
            self.problems
                .push(problem.at(node.place.clone(), format!("{} here", items.len())));
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.value(item, schema, &format!("{name}[{index}]"));
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, name: &str) {
        let wrong = |code, label: String| {
            Problem::new(code, format!("`{name}` cannot be `{text}`")).at(node.place.clone(), label)
        };
        let allowed: Option<Vec<&str>> = schema
            .get("enum")
            .and_then(Value::as_array)
            .map(|allowed| allowed.iter().filter_map(Value::as_str).collect());
        if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&text)) {
            let problem = wrong("unknown-word", "not known here".into());
            self.problems.push(match suggestion(text, &allowed) {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
        if let Some(format) = format_of(schema)
            && let Err(label) = format.check(text)
        {
            let title = format!("`{name}` must be {}", format.expected);
            let problem = Problem::new("wrong-form", title).at(node.place.clone(), label);
            self.problems.push(problem.help(format.help));
        }
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        if (text.chars().count() as u64) < least {
            let title = format!("`{name}` must not be empty");
            self.problems
                .push(Problem::new("too-few", title).at(node.place.clone(), ""));
        }
    }

    fn number(&mut self, node: &Node, number: f64, schema: &Value, name: &str) {
        let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
        let integer_max = match schema.get("format").and_then(Value::as_str) {
            Some("uint8") => Some(f64::from(u8::MAX)),
            Some("uint16") => Some(f64::from(u16::MAX)),
            Some("uint32") => Some(f64::from(u32::MAX)),
            _ => None,
        };
        let must = if limit("minimum").is_some_and(|least| number < least) {
            limit("minimum").map(|least| format!("at least {least}"))
        } else if limit("exclusiveMinimum").is_some_and(|least| number <= least) {
            limit("exclusiveMinimum").map(|least| format!("more than {least}"))
        } else if limit("exclusiveMaximum").is_some_and(|most| number >= most) {
            limit("exclusiveMaximum").map(|most| format!("less than {most}"))
        } else {
            let most = limit("maximum")
                .or(integer_max)
                .filter(|most| number > *most);
            most.map(|most| format!("at most {most}"))
        };
        if let Some(must) = must {
            let title = format!("`{name}` must be {must}");
            self.problems
                .push(Problem::new("out-of-range", title).at(node.place.clone(), ""));
        }
    }

    fn alternatives(&mut self, node: &Node, schema: &'a Value, options: &[&'a Value], name: &str) {
        let words: Option<Vec<&str>> = options
            .iter()
            .map(|option| option.get("const").and_then(Value::as_str))
            .collect();
        if let Some(words) = words {
            return self.words(node, &words, schema, name);
        }
        let mut closest: Vec<Vec<Problem>> = Vec::new();
        for option in options {
            let option = self.resolve(option);
            let mut inner = Self {
                root: self.root,
                secrets: self.secrets,
                problems: Vec::new(),
            };
            inner.value(node, option, name);
            if inner.problems.is_empty() {
                return;
            }
            if alternatives(option).is_none() && has_type(node, option) {
                closest.push(inner.problems);
            }
        }
        match (closest.pop(), closest.is_empty()) {
            // Only one has the right type: its problems are what is wrong.
            (Some(problems), true) => self.problems.extend(problems),
            _ => self.wrong_type(node, schema, name),
        }
    }

    fn words(&mut self, node: &Node, words: &[&str], schema: &'a Value, name: &str) {
        let Some(text) = node.text() else {
            return self.wrong_type(node, schema, name);
        };
        if words.contains(&text) {
            return;
        }
        let title = format!("`{name}` cannot be `{text}`");
        let problem = Problem::new("unknown-word", title).at(node.place.clone(), "not known here");
        self.problems.push(match suggestion(text, words) {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    fn secret(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let takes_text =
            |schema: &Value| types(schema).is_none_or(|types| types.contains(&"string"));
        let takes_text = match alternatives(schema) {
            Some(options) => options
                .iter()
                .any(|option| takes_text(self.resolve(option))),
            None => takes_text(schema),
        };
        if !takes_text && !has_type(node, schema) {
            let problem = self.mistyped(schema, name);
            self.problems
                .push(problem.at(node.place.clone(), "a secret is a text"));
        }
    }

    fn wrong_type(&mut self, node: &Node, schema: &'a Value, name: &str) {
        let label = format!("this is {}", node.kind_name());
        let problem = self.mistyped(schema, name).at(node.place.clone(), label);
        self.problems.push(match rewritten(node, schema, name) {
            Some(help) if problem.help.is_none() => problem.help(help),
            _ => problem,
        });
    }

    fn mistyped(&self, schema: &'a Value, name: &str) -> Problem {
        let name = if name.is_empty() {
            "this"
        } else {
            &format!("`{name}`")
        };
        let title = format!("{name} must be {}", self.expected(schema));
        let problem = Problem::new("wrong-type", title);
        match format_of(schema) {
            Some(format) => problem.help(format.help),
            None => problem,
        }
    }

    /// What a schema expects, in a sentence.
    fn expected(&self, schema: &'a Value) -> String {
        if let Some(format) = format_of(schema) {
            return format.expected.into();
        }
        if let Some(options) = alternatives(schema) {
            let mut all: Vec<_> = options
                .iter()
                .map(|option| self.expected(self.resolve(option)))
                .collect();
            all.dedup();
            return all.join(" or ");
        }
        if schema.get("const").is_some() {
            return "a text".into();
        }
        let names: Vec<_> = types(schema)
            .unwrap_or_default()
            .into_iter()
            .filter_map(type_name)
            .collect();
        if names.is_empty() {
            "something else".into()
        } else {
            names.join(" or ")
        }
    }
}
