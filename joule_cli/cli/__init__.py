"""The `joule` program: click commands over a `Node`, nothing else.

A file without a leading underscore is one group of commands. `_run.with_node` opens the node and
turns errors into exit statuses, `_options` holds the arguments and options that commands share,
`_output` prints answers in every format, `_prompt` asks, `_progress` shows how far work got.
"""
