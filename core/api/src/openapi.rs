//! The OpenAPI document: made of the table of verbs and of the types.

use crate::{
    AaaStatistics, ApiError, BindingList, BindingSummary, CapabilityList, Cleared, Commit, CommitHistory,
    CommitProgress, Committed, CompleteQuery, CompletionList, Edit, Edited, EditingSession, EditingSessionList, Empty,
    Event, EventQuery, HistoryList, HistoryQuery, Import, Imported, Load, LockoutList, LockoutQuery, Method, Notice,
    OfInterface, OfSession, Open, PluginList, PoolList, RadiusServerList, ReconfigureQuery, Reconfigured, Reload,
    Reloaded, Rescue, Reset, RogueServerList, Rollback, RouteList, RouteQuery, Selector, ShowQuery, Shutdown,
    Statistics, Synced, Text, Verb, Version, VlanDeviceList,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The document, OpenAPI 3.1, with the schemas of JSON Schema 2020-12.
pub fn openapi() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for verb in Verb::ALL {
        let method = match verb.method() {
            Method::Get => "get",
            Method::Post => "post",
        };
        paths.insert(verb.path().to_owned(), json!({ method: operation(verb, &mut schemas) }));
    }
    let error = schemas.reply::<ApiError>();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bindery",
            "version": "1",
            "description": "The operator's API. HTTP/1.1 on a UNIX socket; the peer's credentials decide what it may \
                do. Field names are those of Junos's XML where it has one. Fields are only added.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The control socket." }],
        "paths": paths,
        "components": { "schemas": schemas.definitions(), "responses": responses(&error) },
    });
    bound_integers(&mut document);
    unlink(&mut document);
    document
}

/// What one verb takes and gives.
struct Operation {
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    reply: Value,
    /// Statuses beside those that every verb may have.
    errors: &'static [u16],
}

/// A verb of the configuration may be refused, not find what it names, or come while somebody else has it.
const EDITING: &[u16] = &[404, 409, 422];

fn operation(verb: Verb, schemas: &mut Schemas) -> Value {
    let operation = described(verb, schemas);
    let mut responses = Map::new();
    let content = match verb {
        Verb::Events => "text/event-stream",
        Verb::Metrics => "text/plain",
        _ => "application/json",
    };
    responses.insert(
        "200".to_owned(),
        json!({ "description": "Done.", "content": { content: { "schema": operation.reply } } }),
    );
    let posts = verb.method() == Method::Post;
    let takes = operation.body.is_some() || !operation.parameters.is_empty();
    let given = [(400, takes || posts), (403, true), (408, posts), (413, posts), (503, true)];
    let common = given.into_iter().filter_map(|(status, may)| may.then_some(status));
    for status in common.chain(operation.errors.iter().copied()) {
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    let mut value = json!({
        "operationId": format!("{verb:?}"),
        "summary": operation.summary,
        "x-permission": verb.permission().name(),
        "responses": responses,
    });
    if !operation.parameters.is_empty() {
        value["parameters"] = Value::Array(operation.parameters);
    }
    if let Some(body) = operation.body {
        value["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    value
}

/// Takes nothing.
fn plain(summary: &'static str, reply: Value) -> Operation {
    Operation { summary, parameters: Vec::new(), body: None, reply, errors: &[] }
}

fn described(verb: Verb, schemas: &mut Schemas) -> Operation {
    let with_query = |summary, parameters, reply| Operation { parameters, ..plain(summary, reply) };
    match verb {
        Verb::Version => plain("The daemon, its release and its active revision.", schemas.reply::<Version>()),
        Verb::Bindings => {
            with_query("Bindings of clients.", schemas.query::<Selector>(), schemas.reply::<BindingList>())
        }
        Verb::BindingSummary => plain("Clients by their state.", schemas.reply::<BindingSummary>()),
        Verb::ClearBindings => with_query("Ends bindings.", schemas.query::<Selector>(), schemas.reply::<Cleared>()),
        Verb::ImportBindings => Operation {
            body: Some(schemas.request::<Import>()),
            ..plain("Takes over bindings that another server gave.", schemas.reply::<Imported>())
        },
        Verb::Events => events(schemas),
        Verb::Statistics => plain("Packets and their drops.", schemas.reply::<Statistics>()),
        Verb::ClearStatistics => plain("Sets the statistics to zero.", schemas.reply::<Empty>()),
        Verb::DhcpStatistics => Operation {
            errors: &[404],
            ..with_query(
                "Packets and their drops, of all interfaces or of one.",
                schemas.query::<OfInterface>(),
                schemas.reply::<Statistics>(),
            )
        },
        Verb::ClearDhcpStatistics => Operation {
            errors: &[404],
            ..with_query("Sets statistics to zero.", schemas.query::<OfInterface>(), schemas.reply::<Empty>())
        },
        Verb::History => with_query(
            "What happened to a subscriber since the daemon's start.",
            schemas.query::<HistoryQuery>(),
            schemas.reply::<HistoryList>(),
        ),
        Verb::Metrics => plain(
            "Numbers for Prometheus, in its text format 0.0.4.",
            json!({ "type": "string", "description": "The text format 0.0.4 of Prometheus." }),
        ),
        Verb::Reconfigure => with_query(
            "Makes clients renew by FORCERENEW (RFC 3203).",
            schemas.query::<ReconfigureQuery>(),
            schemas.reply::<Reconfigured>(),
        ),
        Verb::ReconfigureCapability => {
            plain("How clients were seen to answer a FORCERENEW.", schemas.reply::<CapabilityList>())
        }
        Verb::Routes => {
            with_query("Routes of subscribers.", schemas.query::<RouteQuery>(), schemas.reply::<RouteList>())
        }
        Verb::Plugins => plain("Plugins with their counters.", schemas.reply::<PluginList>()),
        Verb::Pools => plain("Address pools and their usage.", schemas.reply::<PoolList>()),
        Verb::Lockouts => with_query(
            "Clients that short-cycle-protection locks out or watches.",
            schemas.query::<LockoutQuery>(),
            schemas.reply::<LockoutList>(),
        ),
        Verb::ClearLockouts => with_query(
            "Forgets clients of short-cycle-protection.",
            schemas.query::<LockoutQuery>(),
            schemas.reply::<Cleared>(),
        ),
        Verb::RogueServers | Verb::ClearRogueServers | Verb::Liveness | Verb::VlanDevices => segments(verb, schemas),
        Verb::RadiusServers => plain("RADIUS servers and their state.", schemas.reply::<RadiusServerList>()),
        Verb::AaaStatistics => plain("What was asked of RADIUS, and by it.", schemas.reply::<AaaStatistics>()),
        Verb::Reload => Operation {
            errors: &[422],
            ..with_query("Loads the configuration file again.", schemas.query::<Reload>(), schemas.reply::<Reloaded>())
        },
        Verb::Shutdown => with_query("Ends the daemon.", schemas.query::<Shutdown>(), schemas.reply::<Empty>()),
        _ => Operation { errors: EDITING, ..configuration(verb, schemas) },
    }
}

fn configuration(verb: Verb, schemas: &mut Schemas) -> Operation {
    let (summary, parameters, body, reply) = match verb {
        Verb::ConfigurationShow => (
            "A configuration, or how it differs from another.",
            schemas.query::<ShowQuery>(),
            None,
            schemas.reply::<Text>(),
        ),
        Verb::ConfigurationComplete => (
            "How an editing command may go on.",
            schemas.query::<CompleteQuery>(),
            None,
            schemas.reply::<CompletionList>(),
        ),
        Verb::ConfigurationSessions => ("Who edits what.", Vec::new(), None, schemas.reply::<EditingSessionList>()),
        Verb::ConfigurationOpen => posted::<Open, EditingSession>("Begins an editing session.", schemas),
        Verb::ConfigurationClose => posted::<OfSession, Empty>("Ends an editing session.", schemas),
        Verb::ConfigurationEdit => posted::<Edit, Edited>("Edits a candidate by commands.", schemas),
        Verb::ConfigurationLoad => posted::<Load, Edited>("Loads a text into a candidate.", schemas),
        Verb::ConfigurationRollback => posted::<Rollback, Empty>("Makes a candidate an earlier revision.", schemas),
        Verb::ConfigurationUpdate => {
            posted::<OfSession, Empty>("Merges what others committed into a private candidate.", schemas)
        }
        Verb::ConfigurationCommit => posted::<Commit, Committed>("Checks or commits a candidate.", schemas),
        Verb::CommitHistory => ("Revisions, newest first.", Vec::new(), None, schemas.reply::<CommitHistory>()),
        Verb::CommitClear => ("Drops the commit that waits for its time.", Vec::new(), None, schemas.reply::<Empty>()),
        Verb::CommitStop => ("Ends a paced renumbering.", Vec::new(), None, schemas.reply::<CommitProgress>()),
        Verb::Rescue => posted::<Rescue, Empty>("Saves or deletes the rescue configuration.", schemas),
        _ => ("Progress of a paced renumbering.", Vec::new(), None, schemas.reply::<CommitProgress>()),
    };
    Operation { summary, parameters, body, reply, errors: &[] }
}

/// What is there on subscribers' segments.
fn segments(verb: Verb, schemas: &mut Schemas) -> Operation {
    match verb {
        Verb::RogueServers => {
            plain("Foreign DHCP servers seen on served interfaces.", schemas.reply::<RogueServerList>())
        }
        Verb::Liveness => {
            plain("Bindings whose clients have not answered liveness-detection.", schemas.reply::<BindingList>())
        }
        Verb::VlanDevices => plain("VLAN devices that were made for clients.", schemas.reply::<VlanDeviceList>()),
        _ => plain("Forgets the foreign DHCP servers seen so far.", schemas.reply::<Empty>()),
    }
}

type Posted = (&'static str, Vec<Value>, Option<Value>, Value);

fn posted<Body: JsonSchema, Reply: JsonSchema>(summary: &'static str, schemas: &mut Schemas) -> Posted {
    (summary, Vec::new(), Some(schemas.request::<Body>()), schemas.reply::<Reply>())
}

/// Server-sent events: the data of each kind is in the schemas, what is sent is text.
fn events(schemas: &mut Schemas) -> Operation {
    let data =
        [schemas.reply::<Event>(), schemas.reply::<Synced>(), schemas.reply::<Reset>(), schemas.reply::<Notice>()];
    let mut parameters = schemas.query::<EventQuery>();
    parameters.push(json!({
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last `id` that the reader has; it comes before `resume`.",
        "schema": { "type": "string" },
    }));
    Operation {
        summary: "What happens to bindings: the full state, then changes.",
        parameters,
        body: None,
        reply: json!({
            "type": "string",
            "description": "Server-sent events `binding`, `ended`, `synced`, `reset` and `notice`; their data is JSON.",
            "x-events": {
                "binding": data[0], "ended": data[0], "synced": data[1], "reset": data[2], "notice": data[3]
            },
        }),
        errors: &[],
    }
}

/// The error replies, by status.
fn responses(error: &Value) -> Value {
    let text = |status: u16| match status {
        400 => "The query or the body is not what the verb wants.",
        403 => "The peer has not the permission that the verb needs.",
        404 => "There is no such interface, editing session, revision or pending commit.",
        408 => "The body was not there in time.",
        409 => "Somebody else has it now: an exclusive session, an unconfirmed commit, a conflict.",
        413 => "The body is too large.",
        422 => "The configuration or a constraint is at fault: nothing has changed.",
        _ => "The daemon is ending, or its storage cannot be written, or no answer came in time.",
    };
    let response = |status: u16| {
        let content = json!({ "application/json": { "schema": error } });
        (status.to_string(), json!({ "description": text(status), "content": content }))
    };
    Value::Object([400, 403, 404, 408, 409, 413, 422, 503].into_iter().map(response).collect())
}

/// Collects the schemas of types: what is read may leave out what has a default, what is written has it.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings
        };
        Self { read: settings().for_deserialize().into(), written: settings().for_serialize().into() }
    }

    fn request<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    fn reply<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// The fields of `T` as parameters of a query. None is ever null there: it is absent.
    fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let schema = T::json_schema(&mut self.read).to_value();
        let required = |name: &str| {
            let names = schema.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|it| it == name))
        };
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let parameter = |(name, field): (&String, &Value)| {
            let mut field = field.clone();
            let description = field.as_object_mut().and_then(|field| field.remove("description"));
            without_null(&mut field);
            let mut parameter = json!({ "name": name, "in": "query", "required": required(name), "schema": field });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        };
        fields.map(parameter).collect()
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.written.take_definitions(true));
        all
    }
}

/// Takes null out of what a value may be.
fn without_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| it != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|it| it.get("type").is_none_or(|it| it != "null"));
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            schema.extend(one);
        }
    }
}

/// JSON Schema says nothing of the width of an integer: its format becomes its bounds.
fn bound_integers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        Value::Object(fields) => {
            let bounds = match fields.get("format").and_then(Value::as_str) {
                Some("uint32") => Some((json!(0), json!(u32::MAX))),
                Some("uint64") => Some((json!(0), json!(u64::MAX))),
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                fields.insert("minimum".to_owned(), least);
                fields.insert("maximum".to_owned(), most);
            }
            fields.values_mut().for_each(bound_integers);
        }
        _ => {}
    }
}

/// Docstrings link to types: a description has only their names.
fn unlink(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(unlink),
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = without_links(text);
            }
            fields.values_mut().for_each(unlink);
        }
        _ => {}
    }
}

/// The text with names in place of links to them, with or without a path in parentheses.
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("`]").unwrap_or((part, ""));
        let rest = rest.strip_prefix('(').and_then(|rest| Some(rest.split_once(')')?.1)).unwrap_or(rest);
        plain.extend(["`", name, "`", rest]);
    }
    plain
}
