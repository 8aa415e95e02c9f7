# SPDX-License-Identifier: Apache-2.0
"""Groups of commands that know what a mistyped command may have meant."""

from __future__ import annotations

from difflib import get_close_matches

import click


class Group(click.Group):
    """A group that names near commands where one does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name."""
        named = args[0] if args else ""
        if not named or named.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, named) is not None:
            return super().resolve_command(ctx, args)
        near = get_close_matches(named.lower(), self.list_commands(ctx))
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise click.UsageError(f"No such command {named!r}.{meant}", ctx)
