"""Holds documents against JSON Schemas (draft 2020-12), both from standard input: a list of {name, schema, document}.

Prints what does not fit. It runs with the Python of schemathesis, which has this library.
"""

import json
import sys

import jsonschema_rs

failures = 0
for case in json.load(sys.stdin):
    validator = jsonschema_rs.Draft202012Validator(case["schema"], validate_formats=True)
    for error in validator.iter_errors(case["document"]):
        failures += 1
        print(f"{case['name']}: {'/'.join(map(str, error.instance_path))}: {error.message}")
sys.exit(1 if failures else 0)
