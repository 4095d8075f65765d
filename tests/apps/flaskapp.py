# SPDX-License-Identifier: MIT
"""A Flask application that touches most of what Flask has."""

import hashlib

import flask
from flask import (Flask, jsonify, redirect, request, send_file, session,
                   stream_with_context, url_for)

app = Flask(__name__)
app.secret_key = "a test has no secrets"


@app.route("/")
def index():
    return f"Hello, {request.args.get('name', 'nobody')}!"


@app.route("/form", methods=["POST"])
def form():
    return jsonify({"fields": request.form.to_dict(flat=False)})


@app.route("/json", methods=["PUT"])
def as_json():
    return jsonify(request.get_json())


@app.route("/upload", methods=["POST"])
def upload():
    data = request.files["file"].read()
    return jsonify({"size": len(data),
                    "sha256": hashlib.sha256(data).hexdigest()})


@app.route("/raw", methods=["POST"])
def raw():
    return str(len(request.get_data()))


@app.route("/stream")
def stream():
    def lines():
        for n in range(1000):
            yield f"{request.path} {n}\n"
    return stream_with_context(lines())


@app.route("/file")
def file():
    return send_file(request.args["path"], mimetype="text/plain",
                     conditional=True)


@app.route("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.route("/old")
def old():
    return redirect(url_for("item", name="caf\xe9 au lait"))


@app.route("/item/<path:name>")
def item(name):
    return jsonify({"name": name, "root": request.script_root,
                    "url": request.url})


@app.route("/fail")
def fail():
    raise RuntimeError("a Flask failure")


@app.errorhandler(404)
def missing(error):
    return jsonify({"missing": flask.request.path}), 404
