"""Runs with the Python that has Joule 1.0.1, and carries out what it reads from standard input.

Each line is a JSON object, and is answered with one: a script in Python, which is given a node of
the original client, or the arguments of a command.
"""

import asyncio
import dataclasses
import json
import logging
import os
import sys
import textwrap
import traceback

import joule
import numpy as np
from click.testing import CliRunner
from joule.api.node import TcpNode, UnixNode
from joule.cli.__main__ import main

#: What was standard output; what the original prints goes to standard error.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
# sessions that commands leave open are told whenever they are collected
logging.getLogger("asyncio").disabled = True


def plain(value):
    """Return what JSON can tell of a value."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            rows = zip(value["timestamp"].tolist(), value["data"].tolist(), strict=True)
            return [[time, *(data if isinstance(data, list) else [data])] for time, data in rows]
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    return {key.lstrip("_"): plain(each) for key, each in vars(value).items() if key != "session"}


def open_node(place):
    if "unix" in place:
        return UnixNode(place["name"], place["unix"])
    return TcpNode(place["name"], place["url"], place["key"], place["ca_file"])


async def run_script(text, helpers, place, arguments):
    source = "async def script(node, arguments):\n"
    source += "".join(f"    {name} = arguments[{name!r}]\n" for name in arguments)
    source += textwrap.indent(textwrap.dedent(text), "    ")
    names = {"asyncio": asyncio, "joule": joule, "np": np, "json": json}
    exec(compile(helpers + source, "script", "exec"), names)
    node = open_node(place)
    try:
        return plain(await names["script"](node, arguments))
    finally:
        await node.close()


def run_command(arguments, text):
    result = CliRunner().invoke(main, arguments, input=text)
    failed = result.exception is not None and not isinstance(result.exception, SystemExit)
    return {
        "code": result.exit_code,
        "out": result.stdout,
        "err": result.stderr,
        "exception": "".join(traceback.format_exception(result.exception)) if failed else "",
    }


def carry_out(order):
    os.environ["JOULE_USER_CONFIG_DIR"] = order["config"]
    try:
        if "command" in order:
            return {"result": run_command(order["command"], order["input"])}
        script = run_script(order["script"], order["helpers"], order["place"], order["arguments"])
        return {"result": asyncio.run(script)}
    except Exception as exc:  # noqa: BLE001 - told to who gave the order
        name = type(exc).__name__
        return {"error": name, "text": str(exc), "traceback": traceback.format_exc()}


if __name__ == "__main__":
    for line in sys.stdin:
        json.dump(carry_out(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()
