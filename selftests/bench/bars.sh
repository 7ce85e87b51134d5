#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bars.sh [--json] FIGURES: figures, lines of NAME|VALUE, against the bars in the tables of Documentation/SPECIFICATION.md, rows of
# | NAME | >= or <= BAR | ... |: met, or missed by how much of the bar, or not measured. Figures without a bar are not shown.
set -euo pipefail
json=
[ "${1:-}" != --json ] || { json=1; shift; }
[ $# -eq 1 ] || { echo "usage: bars.sh [--json] FIGURES" >&2; exit 1; }

awk -F'|' -v json=$json '
	FILENAME == ARGV[1] { value[$1] = $2; next }
	/^\| .* \| [<>]= [0-9.]+ \|/ {
		name = substr($2, 2, length($2) - 2)
		split($3, limit, " ")
		bar = limit[2] + 0
		measured = name in value
		v = value[name] + 0
		short = limit[1] == ">=" ? bar - v : v - bar
		if (json) {
			if (measured)
				printf "%s{\"bar\": \"%s\", \"value\": %s, \"%s\": %s, \"met\": %s}", comma, name, v,
					limit[1] == ">=" ? "min" : "max", bar, short <= 0 ? "true" : "false"
			comma = measured ? ", " : comma
		} else {
			printf "  %-58s %10s   %s %-6s %s\n", name, measured ? sprintf("%.3f", v) : "-", limit[1], limit[2],
				!measured ? "NOT MEASURED" : short <= 0 ? "met" : bar ? sprintf("MISSED by %.0f%%", 100 * short / bar) : "MISSED"
		}
	}
' "$1" "$(dirname "$0")/../../Documentation/SPECIFICATION.md"
