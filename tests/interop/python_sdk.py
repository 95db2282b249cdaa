"""The official Python SDK as a client, from nothing to a tool that needs more than was asked for at first.

python python_sdk.py http://127.0.0.1:PORT/mcp
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

try:
    import httpx2 as httpx
    from mcp.shared.auth import AuthorizationCodeResult
except ImportError:
    import httpx

    AuthorizationCodeResult = None

MCP = sys.argv[1]
REDIRECT_URI = "http://localhost:8124/callback"
PERSON = Path(__file__).with_name("person.mjs")
NAME = "made by Python"


class Kept(TokenStorage):
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    def scopes(self):
        return " ".join(sorted(set(self.tokens.scope.split()) - {"offline_access"}))


class Browser:
    """Lets the person log in and consent, and remembers what was asked of them."""

    def __init__(self):
        self.asked = []
        self.back = {}

    async def open(self, address):
        self.asked.append({name: values[0] for name, values in parse_qs(urlparse(address).query).items()})
        person = await asyncio.to_thread(
            subprocess.run, ["node", str(PERSON), address, REDIRECT_URI], check=True, capture_output=True, text=True
        )
        self.back = {name: values[0] for name, values in parse_qs(urlparse(person.stdout.strip()).query).items()}

    async def answer(self):
        assert "error" not in self.back, self.back
        code, state = self.back["code"], self.back["state"]
        if AuthorizationCodeResult is None:
            return code, state
        return AuthorizationCodeResult(code=code, state=state, iss=self.back["iss"])


def told(what, detail=""):
    print(f"   {what} {detail}", flush=True)


def text(result):
    return "".join(part.text for part in result.content)


async def main():
    kept, browser = Kept(), Browser()
    metadata = OAuthClientMetadata(
        client_name="Python probe",
        redirect_uris=[REDIRECT_URI],
        token_endpoint_auth_method=os.environ.get("AUTH_METHOD", "none"),
    )
    auth = OAuthClientProvider(
        MCP, metadata, kept, browser.open, browser.answer, client_metadata_url=os.environ.get("DOCUMENT")
    )
    async with httpx.AsyncClient(auth=auth, follow_redirects=True, timeout=30) as http:
        async with streamable_http_client(MCP, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                assert kept.scopes() == "projects:read projects:write", kept.scopes()
                told("got", kept.scopes())
                tools = sorted(tool.name for tool in (await session.list_tools()).tools)
                assert tools == ["create_project", "delete_project", "list_projects"], tools
                created = await session.call_tool("create_project", {"name": NAME})
                assert text(created) == f"created {NAME}", text(created)
                assert NAME in text(await session.call_tool("list_projects", {}))
                told("called", "list_projects, create_project")

                assert len(browser.asked) == 1
                deleted = await session.call_tool("delete_project", {"name": NAME})
                assert text(deleted) == f"deleted {NAME}", text(deleted)
                assert len(browser.asked) == 2, "the tool that deletes is asked for"
                assert kept.scopes() == "projects:delete projects:read projects:write", kept.scopes()
                told("stepped up", kept.scopes())

                before = kept.tokens
                auth.context.token_expiry_time = time.time() - 1
                await session.list_tools()
                assert kept.tokens.access_token != before.access_token
                assert kept.tokens.refresh_token != before.refresh_token, "refresh tokens are rotated"
                assert len(browser.asked) == 2, "nobody is asked for a refresh"
                told("refreshed", kept.scopes())
    if document := os.environ.get("DOCUMENT"):
        assert browser.asked[0]["client_id"] == document


asyncio.run(main())
