# Reads YAML from the argument and prints it as JSON.
import json
import sys

from ruamel.yaml import YAML

print(json.dumps(YAML(typ="safe", pure=True).load(sys.argv[1])))
