# SPDX-License-Identifier: MIT
"""One server for many behaviours: /NAME/FUNCTION calls that function of
NAME.py, as the server would have. The rest of the path is its own."""

import importlib


def application(environ, start_response):
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    _, module, function, *_ = path.split("/")
    app = getattr(importlib.import_module(module), function)
    return app(environ, start_response)
