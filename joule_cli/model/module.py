"""Programs that a node runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class ModuleStatistics:
    """What the process of a module uses; every value is `None` while no process runs.

    Parameters
    ----------
    pid
        Id of the process.
    create_time
        When it was started, in seconds since the epoch.
    cpu_percent
        Use of one core, averaged over a short time.
    memory_percent
        Resident memory as a share of the machine's.
    """

    pid: int | None
    create_time: float | None
    cpu_percent: float | None
    memory_percent: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "pid": self.pid,
            "create_time": self.create_time,
            "cpu_percent": self.cpu_percent,
            "memory_percent": self.memory_percent,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModuleStatistics:
        """Build statistics from their wire form."""
        return cls(data["pid"], data["create_time"], data["cpu_percent"], data["memory_percent"])

    def __repr__(self) -> str:
        cpu, memory = (
            "None" if value is None else f"{value:.2f}"
            for value in (self.cpu_percent, self.memory_percent)
        )
        return (
            f"<joule.api.ModuleStatistics pid={self.pid} create_time={self.create_time} "
            f"cpu_percent={cpu} memory_percent={memory}>"
        )


@dataclass(slots=True, eq=False)
class Module:
    """A program that a node runs between its streams.

    Parameters
    ----------
    id
        Fixed only while the node runs.
    is_app
        Whether it has a web interface.
    inputs, outputs
        Names of pipes, and the paths of the streams they are connected to now; both are empty
        while the module does not run.
    statistics
        `None` unless they were asked for.

    Notes
    -----
    Source: Joule API reference, "Module Actions".
    """

    id: int
    name: str
    description: str = ""
    is_app: bool = False
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    statistics: ModuleStatistics | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form; it has statistics only if the module has."""
        value: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "is_app": self.is_app,
            "inputs": self.inputs,
            "outputs": self.outputs,
        }
        if self.statistics is not None:
            value["statistics"] = self.statistics.to_json()
        return value

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Module:
        """Build a module from its wire form."""
        statistics = data.get("statistics")
        return cls(
            id=data["id"],
            name=data["name"],
            description=data["description"],
            is_app=data["is_app"],
            inputs=data["inputs"],
            outputs=data["outputs"],
            statistics=None if statistics is None else ModuleStatistics.from_json(statistics),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.Module id={self.id} name={self.name!r} "
            f"description={self.description!r} is_app={self.is_app}>"
        )
