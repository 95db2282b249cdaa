//! The smallest MCP server: JSON-RPC 2.0 over POST, one tool, no stream.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use grantor::Principal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::App;
use crate::api::Projects;

const VERSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

#[derive(Deserialize)]
struct Message {
    jsonrpc: String,
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

/// An error of JSON-RPC 2.0 §5.1.
struct RpcError(i32, &'static str);

/// `POST /mcp`
pub(crate) async fn message(State(app): State<App>, principal: Principal, body: Bytes) -> Response {
    let message = match parse(&body) {
        Ok(message) => message,
        Err(error) => return (StatusCode::BAD_REQUEST, answer(&Value::Null, Err(error))).into_response(),
    };
    // JSON-RPC 2.0 §4.1: what has no id is a notification and gets no answer.
    let Some(id) = &message.id else { return StatusCode::ACCEPTED.into_response() };
    answer(id, call(&message, &app.projects, &principal)).into_response()
}

fn parse(body: &[u8]) -> Result<Message, RpcError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| RpcError(-32700, "Parse error"))?;
    let message: Result<Message, _> = serde_json::from_value(value);
    message.ok().filter(|message| message.jsonrpc == "2.0").ok_or(RpcError(-32600, "Invalid Request"))
}

fn call(message: &Message, projects: &Projects, principal: &Principal) -> Result<Value, RpcError> {
    match message.method.as_str() {
        "initialize" => Ok(initialize(message.params["protocolVersion"].as_str())),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": [{
            "name": "list_projects",
            "description": "Lists the user's projects.",
            "inputSchema": { "type": "object" },
        }] })),
        "tools/call" if message.params["name"] == "list_projects" => {
            let projects = principal.subject().map(|user| projects.of(user)).unwrap_or_default();
            let text = projects.into_iter().map(|project| format!("{}. {}\n", project.id, project.name));
            Ok(json!({ "content": [{ "type": "text", "text": text.collect::<String>() }] }))
        }
        "tools/call" => Err(RpcError(-32602, "Unknown tool")),
        _ => Err(RpcError(-32601, "Method not found")),
    }
}

fn initialize(asked: Option<&str>) -> Value {
    let version = asked.filter(|asked| VERSIONS.contains(asked)).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "planwerk", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn answer(id: &Value, result: Result<Value, RpcError>) -> Json<Value> {
    Json(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(RpcError(code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    })
}
