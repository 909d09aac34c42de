"""Who may ask: API keys, tokens, passwords, the demo key."""

import hashlib
from dataclasses import dataclass
from typing import Any

from capstone.parts import auth
from capstone.settings import Settings


@dataclass
class Access:
    """What lesson 08's dependencies ask: `principal_of` a credential, and who is suspended."""

    settings: Settings
    keys: Any
    tokens: Any
    suspended: frozenset[str] = frozenset()

    async def principal_of(self, credential: str) -> Any:
        """Return whose key or token this is; None if it is nobody's."""
        if credential == "demo" and self.settings.is_demo:
            return self.demo
        return await self.keys.verify(credential) if credential.startswith("sk_") else self.tokens.verify(credential)

    def __post_init__(self) -> None:
        self.demo = auth.Principal(
            id="key:demo", tenant="demo", scopes=frozenset(auth.SCOPES), token_limit=self.settings.tokens_per_day
        )
