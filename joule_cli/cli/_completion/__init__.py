"""What the shell offers when TAB is pressed.

=============  =======================================================================
``words``      command lines as shells write them: quotes off, quotes on
``shells``     what each shell says and wants to hear; `complete` answers it
``scripts``    the scripts that shells load
``kinds``      which values each argument and option takes
``values``     those values, as the words on the line and the node have them
``files``      files and directories
``cache``      the names of a node, kept for a short time
``fetch``      the names of a node, asked for
=============  =======================================================================

The program is asked through the variable ``_JOULE_COMPLETE`` (``bash_complete`` and so on), with
the words on the line as its arguments. Nothing on the line is evaluated.
"""

from __future__ import annotations
