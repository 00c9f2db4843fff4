"""Runs a Python function as AWS Lambda's Python runtimes do.

Started as: python bootstrap.py [DESCRIPTOR [ahead]], DESCRIPTOR being that of the
socket to the daemon (without it, it speaks HTTP), and ahead that the function is
not known yet. The rest of it is in the package beside this file, so that Python
finds it compiled.
"""

from _paddock import runtime

runtime.main()
