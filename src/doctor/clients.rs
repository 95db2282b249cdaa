//! The clients that are known, and how each of them comes: the one table that all else here goes by.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// A client that is known to come to MCP endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KnownClient {
    /// Claude on the web, on the desktop and on phones.
    Claude,
    /// Claude Code.
    ClaudeCode,
    /// ChatGPT.
    ChatGpt,
    /// Codex, and what else is built on the crate `rmcp`.
    Codex,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// The MCP Inspector, which runs in a page.
    Inspector,
    /// The npm package `mcp-remote`.
    McpRemote,
    /// OpenCode.
    OpenCode,
    /// Zed.
    Zed,
    /// Goose.
    Goose,
    /// Gemini CLI.
    GeminiCli,
}

/// How a client makes itself known.
pub(super) struct Habits {
    pub(super) name: &'static str,
    /// Whether it has a metadata document.
    pub(super) has_document: bool,
    /// Where that is, if it is the same for all of its users.
    pub(super) document: Option<&'static str>,
    /// The name that it registers.
    pub(super) registers_as: &'static str,
    pub(super) redirect_uris: &'static [&'static str],
    /// Whether it names the origin in place of the endpoint.
    pub(super) asks_for_origin: bool,
}

pub(super) const ALL: &[KnownClient] = &[
    KnownClient::Claude,
    KnownClient::ClaudeCode,
    KnownClient::ChatGpt,
    KnownClient::Codex,
    KnownClient::Cursor,
    KnownClient::VsCode,
    KnownClient::Inspector,
    KnownClient::McpRemote,
    KnownClient::OpenCode,
    KnownClient::Zed,
    KnownClient::Goose,
    KnownClient::GeminiCli,
];

/// Those that run on their maker's machines and reach nothing but the public internet.
pub(super) const HOSTED: &[KnownClient] = &[KnownClient::Claude, KnownClient::ChatGpt];
/// Those without a metadata document.
pub(super) const WITHOUT_DOCUMENT: &[KnownClient] =
    &[KnownClient::Cursor, KnownClient::McpRemote, KnownClient::GeminiCli];

const USUAL: Habits = Habits {
    name: "",
    has_document: true,
    document: None,
    registers_as: "",
    redirect_uris: &[],
    asks_for_origin: false,
};

const CLAUDE: Habits = Habits {
    name: "Claude",
    document: Some("https://claude.ai/oauth/mcp-oauth-client-metadata"),
    registers_as: "Claude",
    redirect_uris: &["https://claude.ai/api/mcp/auth_callback"],
    ..USUAL
};
const CLAUDE_CODE: Habits = Habits {
    name: "Claude Code",
    document: Some("https://claude.ai/oauth/claude-code-client-metadata"),
    registers_as: "Claude Code",
    redirect_uris: &["http://localhost:54212/callback"],
    ..USUAL
};
const CHAT_GPT: Habits = Habits {
    name: "ChatGPT",
    registers_as: "ChatGPT",
    redirect_uris: &["https://chatgpt.com/connector_platform_oauth_redirect"],
    asks_for_origin: true,
    ..USUAL
};
const CODEX: Habits = Habits {
    name: "Codex",
    registers_as: "Codex",
    redirect_uris: &["http://127.0.0.1:41337/callback/6f1e2d"],
    ..USUAL
};
const CURSOR: Habits = Habits {
    name: "Cursor",
    has_document: false,
    registers_as: "Cursor",
    redirect_uris: &[
        "http://localhost:8787/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ],
    ..USUAL
};
const VS_CODE: Habits = Habits {
    name: "VS Code",
    document: Some("https://vscode.dev/oauth/client-metadata.json"),
    registers_as: "Visual Studio Code",
    redirect_uris: &["http://127.0.0.1:33418/", "http://127.0.0.1/", "https://vscode.dev/redirect"],
    ..USUAL
};
const INSPECTOR: Habits = Habits {
    name: "MCP Inspector",
    registers_as: "MCP Inspector",
    redirect_uris: &["http://localhost:6274/oauth/callback"],
    ..USUAL
};
const MCP_REMOTE: Habits = Habits {
    name: "mcp-remote",
    has_document: false,
    registers_as: "MCP CLI Proxy",
    redirect_uris: &["http://localhost:3334/oauth/callback"],
    ..USUAL
};
const OPEN_CODE: Habits = Habits {
    name: "OpenCode",
    registers_as: "OpenCode",
    redirect_uris: &["http://127.0.0.1:19876/mcp/oauth/callback"],
    ..USUAL
};
const ZED: Habits =
    Habits { name: "Zed", registers_as: "Zed", redirect_uris: &["http://127.0.0.1:47001/callback"], ..USUAL };
const GOOSE: Habits =
    Habits { name: "Goose", registers_as: "goose", redirect_uris: &["http://localhost:47002/oauth_callback"], ..USUAL };
const GEMINI_CLI: Habits = Habits {
    name: "Gemini CLI",
    has_document: false,
    registers_as: "Gemini CLI MCP Client",
    redirect_uris: &["http://localhost:7777/oauth/callback"],
    ..USUAL
};

impl KnownClient {
    /// The name that its users know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.habits().name
    }

    pub(super) const fn habits(self) -> &'static Habits {
        match self {
            Self::Claude => &CLAUDE,
            Self::ClaudeCode => &CLAUDE_CODE,
            Self::ChatGpt => &CHAT_GPT,
            Self::Codex => &CODEX,
            Self::Cursor => &CURSOR,
            Self::VsCode => &VS_CODE,
            Self::Inspector => &INSPECTOR,
            Self::McpRemote => &MCP_REMOTE,
            Self::OpenCode => &OPEN_CODE,
            Self::Zed => &ZED,
            Self::Goose => &GOOSE,
            Self::GeminiCli => &GEMINI_CLI,
        }
    }

    /// What it sends to a registration endpoint.
    pub(super) fn registration(self) -> Value {
        let habits = self.habits();
        let mut metadata = json!({
            "client_name": habits.registers_as,
            "redirect_uris": habits.redirect_uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        if let (Value::Object(own), Some(metadata)) = (self.peculiarities(), metadata.as_object_mut()) {
            metadata.extend(own);
        }
        metadata
    }

    fn peculiarities(self) -> Value {
        match self {
            Self::Claude => json!({ "scope": "claudeai" }),
            Self::ChatGpt => json!({
                "token_endpoint_auth_method": ["none", "private_key_jwt"], "token_endpoint_auth_signing_alg": "RS256",
                "jwks_uri": "https://chatgpt.com/oauth/jwks.json", "application_type": "web",
            }),
            Self::VsCode => json!({
                "client_uri": "https://code.visualstudio.com", "application_type": "native",
                "grant_types":
                    ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            }),
            Self::Inspector => {
                json!({ "scope": "", "client_uri": "https://github.com/modelcontextprotocol/inspector" })
            }
            Self::McpRemote => json!({
                "scope": "openid email profile", "client_uri": "https://github.com/modelcontextprotocol/mcp-cli",
                "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d", "software_version": "0.1.31",
            }),
            Self::GeminiCli => json!({ "scope": "" }),
            Self::ClaudeCode | Self::Codex | Self::Cursor | Self::OpenCode | Self::Zed | Self::Goose => Value::Null,
        }
    }
}

impl fmt::Display for KnownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
