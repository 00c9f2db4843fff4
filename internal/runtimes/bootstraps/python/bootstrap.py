"""Runs a Python function as AWS Lambda's Python runtimes do.

Started as: python bootstrap.py OPT, OPT being the folder of the layers. The
rest of it is in the package beside this file, so that Python finds it compiled.
"""

from _paddock import runtime

runtime.main()
