# Reads each argument as Prometheus would: an expression of its language, or the end with what is wrong.
import sys

import promql_parser

for expression in sys.argv[1:]:
    try:
        promql_parser.parse(expression)
    except Exception as error:
        sys.exit(f"{expression}: {error}")
try:
    promql_parser.parse("rate(allim_streams[5m]")
except Exception:
    print(f"{len(sys.argv) - 1} expressions read, a wrong one refused")
