r"""The examples of the Joule API reference, typed into ``python -m asyncio`` as they stand there.

One console runs them all against one served node, which `joule.api.get_node` and
``joule.api.Node(url)`` find as the reference says. What the reference shows must be printed, apart
from ids, which a node gives out, and from blanks. Below an assignment it shows the value.

Where an example cannot be as the reference has it, it is changed here, and its `change` says why.
These have no example that could run:

- the installation of Jupyter, which is another program;
- `master_add`, `master_list` and `follower_list`, where the reference has the word "todo";
- `data_stream_annotation_delete`, `event_stream_remove`, `master_remove`, `follower_remove`,
  `db_connect`, `db_connection_info` and the models and utilities, which have none.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from joule_cli.errors import ModuleNotFound
from joule_cli.model import Module, ModuleStatistics
from joule_cli.server.proxy_config import make_proxies
from joule_cli.server.settings import ServerSettings
from tests.cli.serving import running
from tests.console import Step, read_listing, run_console
from tests.nodes import FileNode
from tests.serving import KEY, serve

ROOT = Path(__file__).parent.parent
#: Where the reference has its node; it is put in place of the address that was free here.
URL = "http://localhost:8088"


@dataclass(frozen=True)
class Example:
    """One example.

    Parameters
    ----------
    name
        The heading it stands under, with a word more if there are several.
    listing
        Its lines.
    before
        Statements that make what it takes for granted; the node is empty before them.
    change
        How it differs from the reference, and why; empty if it does not.
    """

    name: str
    listing: str
    before: str = ""
    change: str = ""


STREAM = """<joule.api.DataStream id=2627 name='stream' description='' datatype='int32'
 is_configured=False is_source=False is_destination=False locked=False decimate=True>"""
PATH_TO_STREAM = "stream = await make_stream(node, '/path/to/stream')"
SLASHES = "the URLs end with a slash, as those of folders do"
ONE_ELEMENT = "the data of one element are a column of their own, as those of more elements are"
FOLDER_STREAM = "stream = await make_stream(node, '/parent/my_folder/stream')"

EXAMPLES = [
    Example(
        "Node",
        """
>>> my_node = joule.api.Node("http://localhost:8088", asyncio.get_running_loop())
>>> (await my_node.info()).name
'demo'
>>> joule.api.Node()
<joule.api.Node name='localhost:8088' url='http://localhost:8088'>
""",
        change="the reference has the signature alone",
    ),
    Example(
        "a module",
        """
>>> class Reader:
...     def __init__(self):
...         self.node = node
...     async def run(self, parsed_args, output):
...         node_info = await self.node.info()
...         # other run code
...         return node_info
>>> (await Reader().run(None, None)).name
'demo'
""",
        change="a class of its own, as joule.client belongs to another package; it returns what "
        "it read",
    ),
    Example(
        "get_node",
        """
>>> import joule_cli as joule
>>> my_node = joule.api.get_node()
>>> my_node.url
'http://localhost:8088'
""",
        change="the name of the package; the address is asked for",
    ),
    Example(
        "folder_root",
        """
>>> root = await node.folder_root()
>>> root
<joule.api.Folder id=2728 name='root' description=None locked=True>
>>> root.children
[<joule.api.Folder id=2729 name='archive' description=None locked=True>,
 <joule.api.Folder id=2730 name='live' description=None locked=True>,
 <joule.api.Folder id=3123 name='tmp' description=None locked=False>]
""",
        before="""
>>> folder = await node.folder_create("/tmp")
>>> for path in ["/archive/stream", "/live/stream"]:
...     stream = await make_stream(node, path)
...     opened.append(await node.data_write(stream))
""",
        change="folders come in the order of their names",
    ),
    Example(
        "folder_get",
        """
>>> folder = await node.folder_get("/parent/my_folder")  # query by path
<joule.api.Folder id=2729 name='my_folder' description=None locked=True>

>>> live = await node.folder_get(folder.id) # query by ID
<joule.api.Folder id=2730 name='my_folder' description=None locked=True>

>>> await node.folder_get("/does/not/exist") # raises ApiError
joule.errors.ApiError: folder does not exist [404]
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> opened.append(await node.data_write('/parent/my_folder/stream'))
""",
        change="the folder has the name of its path, not 'archive'; the id is the one it has here",
    ),
    Example(
        "folder_move",
        """
>>> await node.folder_move("/parent1/my_folder","/parent2")
>>> parent2 = await node.folder_get("/parent2")
>>> parent2.children
[<joule.api.Folder id=3321 name='my_folder' description=None locked=False>]

>>> await node.folder_move("/parent1/missing_folder","/parent2") # rasises ApiError
joule.errors.ApiError: folder does not exist [404]
""",
        before=">>> await node.folder_create('/parent1/my_folder')",
    ),
    Example(
        "folder_update",
        """
>>> folder = await node.folder_get("/parent/my_folder")
<joule.api.Folder id=3329 name='my_folder' description=None locked=False>
>>> folder.name="new name"
>>> await node.folder_update(folder) # save the change
>>> parent = await node.folder_get("/parent")
>>> parent.children # folder 3329 has a new name
[<joule.api.Folder id=3329 name='new name' description=None locked=False>]
""",
        before=">>> await node.folder_create('/parent/my_folder')",
    ),
    Example(
        "folder_delete",
        """
>>> folder = await node.folder_get("/parent")
>>> folder.children
[<joule.api.Folder id=3331 name='my_folder' description=None locked=False>]
>>> await node.folder_delete(folder, False) # raises ApiError because of child folder
joule.errors.ApiError: specify [recursive] or remove child folders first [400]
>>> await node.folder_delete(folder, True) # successfully removes /parent
""",
        before=">>> await node.folder_create('/parent/my_folder')",
    ),
    Example(
        "data_stream_get",
        f"""
>>> stream = await node.data_stream_get("/parent/my_folder/stream")
{STREAM}

>>> stream = await node.data_stream_get(stream.id)
{STREAM}

>>> await node.data_stream_get("/does/not/exist") # raises ApiError
joule.errors.ApiError: stream does not exist [404]
""",
        before=f">>> {FOLDER_STREAM}",
        change="the id is the one it has here",
    ),
    Example(
        "data_stream_move",
        f"""
>>> await node.data_stream_move("/parent1/my_folder/stream","/parent2")
>>> parent2 = await node.folder_get("/parent2")
>>> parent2.data_streams
[{STREAM}]

>>> await node.data_stream_move("/does/not/exist","/parent2") # raises ApiError
joule.errors.ApiError: stream does not exist [404]
""",
        before=">>> await make_stream(node, '/parent1/my_folder/stream')",
    ),
    Example(
        "data_stream_update",
        """
>>> stream = await node.data_stream_get("/parent/my_folder/stream")
>>> stream.elements # Element name is "Element1"
[<joule.api.Element id=3192 index=0, name='Element1' units=None
 plottable=True display_type='CONTINUOUS'>]
>>> stream.elements[0].name="New Name"
>>> await node.data_stream_update(stream) # send updated values to Joule
>>> updated_stream = await node.data_stream_get(stream) # refresh local copy
>>> updated_stream.elements # Element name is now "New Name"
[<joule.api.Element id=3192 index=0, name='New Name' units=None
 plottable=True display_type='CONTINUOUS'>]
""",
        before=f">>> {FOLDER_STREAM}",
    ),
    Example(
        "data_stream_delete",
        f"""
>>> folder = await node.folder_get("/parent/my_folder")
>>> folder.data_streams # my_folder has one stream
[{STREAM}]
>>> await node.data_stream_delete("/parent/my_folder/stream") # delete the stream
>>> folder = await node.folder_get("/parent/my_folder")
>>> folder.data_streams # my_folder is now empty
[]
""",
        before=f">>> {FOLDER_STREAM}",
    ),
    Example(
        "data_stream_create",
        """
>>> new_stream = joule.api.DataStream(name="New Stream")
>>> new_stream.elements = [joule.api.Element(name="Element1")]
>>> await node.data_stream_create(new_stream,"/parent/new_folder")
<joule.api.DataStream id=2628 name='New Stream' description='' datatype='float32'
 is_configured=False is_source=False is_destination=False locked=False decimate=True>
""",
    ),
    Example(
        "data_stream_info",
        """
>>> await node.data_stream_info("/parent/my_folder/stream")
<joule.api.DataStreamInfo start=1551730769556442 end=1551751402742424
 rows=61440, total_time=20633185982>
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> times = np.linspace(1551730769556442, 1551751402742424, 61440).astype(int)
>>> await fill(node, '/parent/my_folder/stream', times)
""",
    ),
    Example(
        "data_read",
        """
>>> pipe = await node.data_read("/parent/my_folder/stream")
>>> data = await pipe.read() # for large data run in a loop
array([(1551730769556442, [     0]), (1551730769657062, [    10]),
       (1551730769757882, [    20]), ..., (1551751850688250, [661380]),
       (1551751850795677, [661390]), (1551751850896756, [661400])],
      dtype=[('timestamp', '<i8'), ('data', '<i4', (1,))])
>>> pipe.consume(len(data)) # flush the pipe
>>> await pipe.close() # close the data connection
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> await fill(node, "/parent/my_folder/stream", TIMES, VALUES)
""",
        change=ONE_ELEMENT,
    ),
    Example(
        "data_subscribe",
        """
>>> pipe = await node.data_read("/live/stream")
>>> data = await pipe.read() # run in a loop for continuous updates
array([(1551730769556442, [     0]), (1551730769657062, [    10]),
       (1551730769757882, [    20]), ..., (1551751850688250, [661380]),
       (1551751850795677, [661390]), (1551751850896756, [661400])],
      dtype=[('timestamp', '<i8'), ('data', '<i4', (1,))])
>>> pipe.consume(len(data)) # flush the pipe
>>> await pipe.close() # close the data connection
""",
        before="""
>>> stream = await make_stream(node, "/live/stream")
>>> await fill(node, "/live/stream", TIMES, VALUES)
""",
        change=ONE_ELEMENT,
    ),
    Example(
        "data_subscribe, live",
        """
>>> pipe = await node.data_subscribe("/live/stream")
>>> await producer.write(list(zip(TIMES, VALUES)))
>>> data = await pipe.read() # run in a loop for continuous updates
array([(1551730769556442, [     0]), (1551730769657062, [    10]),
       (1551730769757882, [    20]), ..., (1551751850688250, [661380]),
       (1551751850795677, [661390]), (1551751850896756, [661400])],
      dtype=[('timestamp', '<i8'), ('data', '<i4', (1,))])
>>> pipe.consume(len(data)) # flush the pipe
>>> await pipe.close() # close the data connection
""",
        before="""
>>> stream = await make_stream(node, "/live/stream")
>>> producer = await node.data_write("/live/stream")
>>> opened.append(producer)
""",
        change=f"the reference calls data_read; the producer is here; {ONE_ELEMENT}",
    ),
    Example(
        "data_write",
        """
>>> import numpy as np
>>> pipe_out = await node.data_write("/parent/my_folder/stream")
>>> for i in range(4):
...   await pipe_out.write(np.array([[joule.utilities.time_now(), i]]))
>>> await pipe_out.close()
>>> pipe_in = await node.data_read("/parent/my_folder/stream") # read the data back
>>> await pipe_in.read()
array([(1551758297114942, [0.]), (1551758297115062, [1.]),
       (1551758297115090, [2.]), (1551758297115111, [3.])],
      dtype=[('timestamp', '<i8'), ('data', '<f4', (1,))])
""",
        before="""
>>> stream = await make_stream(node, "/parent/my_folder/stream", datatype="float32")
>>> set_clock(1551758297114942, 1551758297115062, 1551758297115090, 1551758297115111)
""",
        change=ONE_ELEMENT,
    ),
    Example(
        "data_delete",
        """
>>> await node.data_intervals("/parent/my_folder/stream")
[[1551759387204004, 1551863787204004]]
>>> left=1551795387204004  # Tue, 05 Mar 2019 08:16:27
>>> right=1551831387204004 # Tue, 05 Mar 2019 19:16:27
>>> await node.data_delete("/parent/my_folder/stream", start=left, end=right)
>>> await node.data_intervals("/parent/my_folder/stream")
[[1551759387204004, 1551791787204004],
 [1551831387204004, 1551863787204004]]
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> first, hour = 1551759387204004, 3_600_000_000
>>> times = [first, *range(first + hour - 1, first + 9 * hour, hour), first + 15 * hour]
>>> times += [1551831387204004, 1551863787204003]
>>> await fill(node, "/parent/my_folder/stream", times)
""",
    ),
    Example(
        "data_intervals",
        """
>>> await node.data_intervals("/parent/my_folder/stream") # unbroken data stream
[[1551759387204004, 1551863787204004]]
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> await fill(node, "/parent/my_folder/stream", [1551759387204004, 1551863787204003])
""",
    ),
    Example(
        "data_intervals, missing",
        """
>>> await node.data_intervals("/parent/my_folder/stream") # one segment of missing data
[[1551730769556442, 1551757125630201],
 [1551758221956119, 1551811071052711]]
""",
        before=f"""
>>> {FOLDER_STREAM}
>>> await fill(node, "/parent/my_folder/stream", [1551730769556442, 1551757125630200])
>>> await fill(node, "/parent/my_folder/stream", [1551758221956119, 1551811071052710])
""",
    ),
    Example(
        "data_intervals, none",
        """
>>> await node.data_intervals("/parent/my_folder/stream") # no stream data
[]
""",
        before=f">>> {FOLDER_STREAM}",
    ),
    Example(
        "annotation_create",
        """
>>> from joule_cli import utilities
>>> event_note = Annotation(title='Event Annotation',
                       start=utilities.human_to_timestamp('now'))
>>> await node.annotation_create(event_note, '/path/to/stream')
>>> range_note = Annotation(title='Range Annotation',
                       start=utilities.human_to_timestamp('1 minute ago'),
                       end=utilities.human_to_timestamp('now'))
>>> await node.annotation_create(range_note, '/path/to/stream')
>>> [note.title for note in await node.annotation_get('/path/to/stream')]
['Range Annotation', 'Event Annotation']
""",
        before=f">>> {PATH_TO_STREAM}",
        change="the name of the package; what is stored is asked for",
    ),
    Example(
        "annotation_delete",
        """
>>> await node.annotation_delete(annotation.id) # assuming 5 is a valid annotation ID
>>> await node.annotation_get('/path/to/stream')
[]
""",
        before=f"""
>>> {PATH_TO_STREAM}
>>> annotation = Annotation(title="Demo Annotation", start=1)
>>> annotation = await node.annotation_create(annotation, "/path/to/stream")
""",
        change="the id is the one it has here; what is left is asked for",
    ),
    Example(
        "annotation_update",
        """
>>> await node.annotation_update(annotation) # assuming annotation already exists on the stream
>>> [note.title for note in await node.annotation_get('/path/to/stream')]
['new title']
""",
        before=f"""
>>> {PATH_TO_STREAM}
>>> annotation = Annotation(title="Demo Annotation", start=1)
>>> annotation = await node.annotation_create(annotation, "/path/to/stream")
>>> annotation.title = "new title"
""",
        change="what is stored is asked for",
    ),
    Example(
        "annotation_get",
        """
>>> annotations = await node.annotation_get("/path/to/stream")
>>> print(annotations[0].name)
Demo Annotation
""",
        before=f"""
>>> {PATH_TO_STREAM}
>>> note = await node.annotation_create(Annotation("Demo Annotation", 1), "/path/to/stream")
""",
        change="print() puts no quotes around a text",
    ),
    Example(
        "event_stream_get",
        """
>>> await node.event_stream_get("/folder/event_stream", create=True,
    description="example event stream",
    event_fields={"Property A": "string", "Property B": "numeric"})

>>> await node.event_stream_get("/folder/event_stream") # exception if stream does not exist
<joule.api.EventStream id=1 name='event_stream' description='example event stream'>
>>> (await node.event_stream_get("/folder/event_stream")).event_fields
{'Property A': 'string', 'Property B': 'numeric'}
>>> await node.event_stream_get("/folder/missing") # exception if stream does not exist
joule.errors.ApiError: stream does not exist [404]
""",
        change="what was created is shown, and what a missing stream gives",
    ),
    Example(
        "event_stream_move",
        """
>>> await node.event_stream_move("/parent1/my_folder/stream","/parent2")
>>> parent2 = await node.folder_get("/parent2")
>>> parent2.event_streams
[<joule.api.EventStream id=2627 name='stream' description=''>]

>>> await node.event_stream_move("/does/not/exist","/parent2") # raises ApiError
joule.errors.ApiError: stream does not exist [404]
""",
        before="""
>>> await node.event_stream_create(EventStream("stream"), "/parent1/my_folder")
""",
        change="the reference shows a data stream",
    ),
    Example(
        "event_stream_update",
        """
>>> stream = await node.event_stream_get("/parent/my_folder/stream")
>>> stream.name="New Name"
>>> await node.event_stream_update(stream) # send updated values to Joule
>>> updated_stream = await node.event_stream_get(stream) # refresh local copy
<joule.api.EventStream id=3192 name='New Name' description=''>
""",
        before="""
>>> await node.event_stream_create(EventStream("stream"), "/parent/my_folder")
""",
        change="the reference has the example of a data stream; an event stream has no elements",
    ),
    Example(
        "event_stream_delete",
        """
>>> folder = await node.folder_get("/parent/my_folder")
>>> folder.event_streams # my_folder has one stream
[<joule.api.EventStream id=39 name='stream' description='example'>]
>>> await node.event_stream_delete("/parent/my_folder/stream") # delete the stream
>>> folder = await node.folder_get("/parent/my_folder")
>>> folder.event_streams # my_folder is now empty
[]
""",
        before="""
>>> await node.event_stream_create(EventStream("stream", "example"), "/parent/my_folder")
""",
        change="the list has its end",
    ),
    Example(
        "event_stream_create",
        """
>>> new_stream = joule.api.EventStream(name="New Stream")
>>> await node.event_stream_create(new_stream,"/parent/new_folder")
<joule.api.EventStream id=38 name='New Stream' description=''>
""",
    ),
    Example(
        "event_stream_info",
        """
>>> await node.event_stream_info("/parent/my_folder/stream")
<joule.api.EventStreamInfo start=1643858892000000 end=1643891982000000
    events=10, total_time=33090000000>
""",
        before="""
>>> await node.event_stream_create(EventStream("stream"), "/parent/my_folder")
>>> first, last = 1643858892000000, 1643891982000000
>>> events = [Event(time, time + 1) for time in range(first, first + 9)]
>>> events.append(Event(last - 1, last))
>>> await node.event_stream_write("/parent/my_folder/stream", events)
""",
    ),
    Example(
        "event_stream_write",
        """
>>> from joule_cli.utilities import time_now
>>> e1 = Event(start_time=time_now()-1e6, end_time = time_now(), content={'name': 'event1'})
>>> await asyncio.sleep(2)
>>> e2 = Event(start_time=time_now()-1e6, end_time = time_now(), content={'name': 'event2'})
>>> await node.event_stream_write("/plugs/events",[e1,e2])
>>> [event.content async for event in node.event_stream_read("/plugs/events")]
[{'name': 'event1'}, {'name': 'event2'}]
""",
        before=">>> await node.event_stream_create(EventStream('events'), '/plugs')",
        change="the name of the package; what is stored is asked for",
    ),
    Example(
        "event_stream_read",
        """
>>>  #       ((-------- test ----------)  OR (------test------ AND ------test-------))
>>> filter = [[['name','like','sample']]   , [['value','gt',0],    ['value','lt',10]]]
>>> await node.event_stream_read(stream,limit=100,json_filter=json.dumps(filter))
[<joule.api.Event id=1 start_time=10 end_time=11 content={'name': 'sample'}>,
 <joule.api.Event id=2 start_time=20 end_time=21 content={'name': 'other', 'value': 5}>]
""",
        before="""
>>> stream = await node.event_stream_create(EventStream("events"), "/plugs")
>>> contents = [{"name": "sample"}, {"name": "other", "value": 5}, {"value": 10}]
>>> events = [Event(10 * n, 10 * n + 1, each) for n, each in enumerate(contents, 1)]
>>> await node.event_stream_write(stream, events)
""",
        change="the events are shown",
    ),
    Example(
        "module_list",
        """
>>> await node.module_list()
[<joule.api.Module id=0 name='plus1' description='adds 1 to the input' is_app=False>,
 <joule.api.Module id=1 name='counter' description='counts up by 10s' is_app=False>]
""",
    ),
    Example(
        "module_get",
        """
>>> my_module = await node.module_get("plus1")
<joule.api.Module id=0 name='plus1' description='adds 1 to the input' is_app=False>
>>> my_module.statistics
<joule.api.ModuleStatistics pid=1460 create_time=1551805343.4 cpu_percent=5.60 memory_percent=6.23>
""",
        change="the module has the name that the list has",
    ),
    Example(
        "module_logs",
        """
>>> await node.module_logs("plus1")
['[2019-03-04T22:57:01.049266]: ---starting module---',
 '[2019-03-04T22:59:02.089463]: serial input restarted',
 '[2019-03-04T23:04:36.948160]: WARNING: temperature > 98.6']
""",
        change="the module has the name that the list has",
    ),
    Example(
        "proxy_list",
        """
>>> await node.proxy_list()
[<joule.api.Proxy id=0 name='flask_app' proxied_url='http://localhost:8088/interface/p0/'
  target_url='http://localhost:5000/'>,
 <joule.api.Proxy id=1 name='intranet_host' proxied_url='http://localhost:8088/interface/p1/'
  target_url='http://internal.domain.com/'>]
""",
        change=SLASHES,
    ),
    Example(
        "proxy_get",
        """
>>> await node.proxy_get("flask_app")
<joule.api.Proxy id=0 name='flask_app' proxied_url='http://localhost:8088/interface/p0/'
 target_url='http://localhost:5000/'>
""",
        change=f"the proxy has the name that the list has; {SLASHES}",
    ),
]

MODULES = [
    Module(
        0,
        "plus1",
        "adds 1 to the input",
        statistics=ModuleStatistics(1460, 1551805343.4, 5.6, 6.23),
    ),
    Module(1, "counter", "counts up by 10s"),
]
LOGS = [
    "[2019-03-04T22:57:01.049266]: ---starting module---",
    "[2019-03-04T22:59:02.089463]: serial input restarted",
    "[2019-03-04T23:04:36.948160]: WARNING: temperature > 98.6",
]
PROXIES = make_proxies(
    [("flask_app", "http://localhost:5000"), ("intranet_host", "http://internal.domain.com")]
)
SETUP = """
>>> import joule_cli as joule
>>> import json
>>> import numpy as np
>>> from joule_cli.api import Annotation, Event, EventStream
>>> from tests.reference_setup import TIMES, VALUES, clear, fill, make_stream, set_clock
>>> node = joule.api.Node("http://localhost:8088")
>>> opened = []
"""
CLEAR = """
>>> await clear(node, opened)
"""


@dataclass(frozen=True)
class Console:
    """Everything that the console printed.

    Parameters
    ----------
    beginning, end
        Before the first and after the last step.
    steps
        Name of the example, empty for what prepares one; the step; what it printed.
    """

    beginning: str
    steps: list[tuple[str, Step, str]]
    end: str


class NodeWithModules(FileNode):
    """A node that runs the modules of the reference."""

    async def module_list(self, statistics=False):
        return MODULES

    async def module_get(self, module, statistics=False):
        for each in MODULES:
            if module in {each.id, each.name}:
                return each
        raise ModuleNotFound("module does not exist")

    async def module_logs(self, module):
        await self.module_get(module)
        return LOGS


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """The console after all examples: what it printed, and which step belongs to which example."""
    place = tmp_path_factory.mktemp("reference")
    (place / "config").mkdir()
    named = [("", step) for step in read_listing(SETUP)]
    for each in EXAMPLES:
        named += [("", step) for step in read_listing(CLEAR + each.before)]
        named += [(each.name, step) for step in read_listing(each.listing)]

    async def start(stack):
        node = await stack.enter_async_context(NodeWithModules("demo", place / "demo.db"))
        settings = ServerSettings(name="demo", proxies=PROXIES, stop_timeout_s=1)
        return await stack.enter_async_context(serve(node, settings=settings))

    with running(start) as served:
        entry = {"name": "demo", "url": served.url, "key": KEY}
        (place / "config" / "nodes.json").write_text(json.dumps([entry]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOULE_")}
        environment = {
            **kept,
            "JOULE_USER_CONFIG_DIR": str(place / "config"),
            "PYTHONPATH": str(ROOT),
        }
        steps = [Step(step.source.replace(URL, served.url), step.shown) for _, step in named]
        transcript = run_console(steps, environment)
    outputs = [text.replace(served.url, URL) for text in transcript.outputs]
    return Console(
        transcript.beginning,
        [(name, step, output) for (name, step), output in zip(named, outputs, strict=True)],
        transcript.end,
    )


def plain(text):
    """A printed text without ids and blanks, and without what NumPy 2 adds to a long array."""
    text = re.sub(r"\bshape=\(\d+,\), ", "", text)
    return " ".join(re.sub(r"\bid=\d+", "id=0", text).split())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_example(console, example):
    steps = [(step, output) for name, step, output in console.steps if name == example.name]
    assert steps
    for step, output in steps:
        reason = f"{step.source}\n{output}\n{example.change}"
        if step.shown.startswith("joule.errors."):
            # the class is one of ours below the one that the reference names
            kind, _, message = step.shown.removeprefix("joule.errors.").partition(": ")
            *_, last, caught = output.splitlines()
            assert last.partition(": ")[2] == message, reason
            assert kind in caught.removeprefix("Caught: ").split(), reason
        elif step.shown:
            assert plain(output) == plain(step.shown), reason
        else:
            assert "Traceback" not in output, reason


def test_nothing_else_is_printed(console):
    """Not by what prepares the examples, and not at the end, though no node was closed."""
    assert re.match(r"asyncio REPL .*\nimport asyncio\n", console.beginning, re.DOTALL)
    troubles = [out for name, _, out in console.steps if not name and "Traceback" in out]
    assert troubles == []
    assert console.end.split() == ["exiting", "asyncio", "REPL..."]
