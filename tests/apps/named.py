# SPDX-License-Identifier: MIT
"""Applications by every kind of name. Each answers with what it is."""


def answer(text):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]
    return app


application = answer("default")


class site:
    class deep:
        application = staticmethod(answer("dotted"))

    @staticmethod
    def make(*args, **kwargs):
        return factory(*args, **kwargs)


def factory(*args, **kwargs):
    return answer(repr((args, kwargs)))


class Instance:
    def __call__(self, environ, start_response):
        return answer("instance")(environ, start_response)

    def method(self, environ, start_response):
        return answer("bound method")(environ, start_response)


instance = Instance()
text = "not callable"
