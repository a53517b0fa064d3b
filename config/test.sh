#!/usr/bin/env bash
# Tests of the Prometheus, Alertmanager and Grafana configuration, without any running service but an Alertmanager of its own
# on a loopback port. Exit 0: all passed; 1: a check failed, all of them are shown; 2: a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly RULES=config/prometheus/rules TESTS=config/prometheus/tests RUNBOOKS=docs/runbooks
readonly ALERTMANAGER=config/alertmanager/alertmanager.yml DASHBOARD=config/grafana/dashboards/health-monitor.json
failures=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  printf 'FAIL %s\n' "$*" >&2
  failures=$((failures + 1))
}

need() { # need TOOL PACKAGE
  command -v "$1" >/dev/null || {
    printf '%s is missing: apt-get install --no-install-recommends %s\n' "$1" "$2" >&2
    exit 2
  }
}

# Runs a tool, shows its output only when it fails.
quietly() { # quietly WHAT COMMAND...
  local what=$1
  shift
  if "$@" >"$scratch/out" 2>&1; then printf 'ok   %s\n' "$what"; else
    cat "$scratch/out" >&2
    fail "$what"
  fi
}

# Every alert rule as lines of ALERT<tab>KEY<tab>VALUE. Reads the block style that the rules are written in; a rule that it
# overlooked would show in the comparison with promtool's own count.
rule_fields() {
  awk '
    /^ *- alert: /                                            { alert = $3; print alert "\talert\t" alert }
    /^ *(expr|severity|summary|description|runbook_url): /    {
      key = $1; sub(":", "", key); value = $0; sub(/^ *[a-z_]+: /, "", value); gsub(/^"|"$/, "", value)
      print alert "\t" key "\t" value
    }' "$RULES"/*.yml
}

# What the unit tests assert, as lines of ALERT<tab>fires|quiet.
tested() {
  awk '
    /^ *alertname: / { alert = $2 }
    /^ *exp_alerts:/ {
      if (alert == "") { print FILENAME ":" FNR ": exp_alerts without an alertname before it" > "/dev/stderr"; exit 1 }
      print alert "\t" ($0 ~ /\[\] *$/ ? "quiet" : "fires"); alert = ""
    }' "$TESTS"/*.yml
}

check_rules() {
  local alert key counted promtools
  rule_fields >"$scratch/fields"
  tested >"$scratch/tested" || fail "unit tests: cannot tell which alert they test"
  cut -f1 "$scratch/fields" | sort -u >"$scratch/alerts"

  counted=$(wc -l <"$scratch/alerts")
  promtools=$(promtool check rules "$RULES"/*.yml | awk '/SUCCESS: [0-9]+ rules found/ { sum += $2 } END { print sum + 0 }')
  [ "$counted" -eq "$promtools" ] || fail "rules: read $counted alerts where promtool finds $promtools rules"

  while read -r alert; do
    for key in severity summary description runbook_url; do
      awk -F '\t' -v a="$alert" -v k="$key" '$1 == a && $2 == k && $3 != "" { found = 1 } END { exit !found }' "$scratch/fields" ||
        fail "$alert: no $key"
    done
    grep -qxP "$alert\tfires" "$scratch/tested" || fail "$alert: no unit test in which it fires"
    # What always fires has no test in which it does not.
    grep -qxP "$alert\texpr\tvector\(1\)" "$scratch/fields" || grep -qxP "$alert\tquiet" "$scratch/tested" ||
      fail "$alert: no unit test in which it does not fire"
  done <"$scratch/alerts"
  while read -r alert; do
    grep -qx "$alert" "$scratch/alerts" || fail "$alert: tested, but there is no such rule"
  done < <(cut -f1 "$scratch/tested" | sort -u)
  awk -F '\t' '$2 == "severity" && $3 !~ /^(critical|warning|none)$/ { print $1 ": " $3 }' "$scratch/fields" >"$scratch/odd"
  [ ! -s "$scratch/odd" ] || fail "severity must be critical, warning or none: $(paste -sd' ' "$scratch/odd")"
}

# A specified rule must stand in the rules line by line, from its name to its summary; lines may follow it, not come between.
check_verbatim() { # check_verbatim ALERT <the specified YAML
  cat >"$scratch/specified"
  cat "$RULES"/*.yml | sed 's/^      //' |
    awk -v a="$1" '$0 == "- alert: " a { on = 1 } on { print } on && /summary:/ { on = 0 }' >"$scratch/written"
  if diff -u "$scratch/specified" "$scratch/written" >"$scratch/out"; then printf 'ok   %s is as specified\n' "$1"; else
    cat "$scratch/out" >&2
    fail "$1 is not as specified"
  fi
}

# runbook_url is a path from the project's root. Links between runbooks are relative to their folder.
check_runbooks() {
  local alert url file link
  while IFS=$'\t' read -r alert _ url; do
    [ "$url" = "$RUNBOOKS/$alert.md" ] || fail "$alert: runbook_url is $url, must be $RUNBOOKS/$alert.md"
    [ -s "$url" ] || fail "$alert: runbook_url leads to no file: $url"
  done < <(grep -P '\trunbook_url\t' "$scratch/fields")
  for file in "$RUNBOOKS"/*.md; do
    grep -qx "$(basename "$file" .md)" "$scratch/alerts" || fail "$file: there is no such alert"
    while read -r link; do
      [ -s "$RUNBOOKS/$link" ] || fail "$file: link leads to no file: $link"
    done < <(grep -oP '\]\(\K[^)]+' "$file" | sort -u)
  done
}

# A misspelt alert name in a matcher mutes or routes nothing, and nothing else would say so.
check_matchers() {
  local names
  grep -oP "alertname=~?\"\K[^\"]+" "$ALERTMANAGER" | tr '|' '\n' | sort -u >"$scratch/matched"
  [ -s "$scratch/matched" ] || fail "$ALERTMANAGER: no matcher on alertname found"
  while read -r names; do
    grep -qxE "$names" "$scratch/alerts" || fail "$ALERTMANAGER: alertname $names matches no rule"
  done <"$scratch/matched"
}

check_routes() { # what leads where; amtool exits 1 where it differs
  local receiver labels
  while read -r receiver labels; do
    # shellcheck disable=SC2086 # labels are several words
    quietly "route to $receiver: $labels" \
      amtool config routes test --config.file="$ALERTMANAGER" --verify.receivers="$receiver" $labels
  done <<'ROUTES'
watchdog alertname=Watchdog severity=none
discard alertname=ServiceDependencyUnhealthy severity=none service=kafka
discard alertname=ServiceInMaintenance severity=none service=kafka
critical alertname=ServiceDown severity=critical service=kafka
warning alertname=ServiceDegraded severity=warning service=kafka
ROUTES
}

# Every query of the dashboard must parse: as recording rules, promtool reads them. What they return is tested elsewhere,
# against a running Prometheus.
check_dashboard() {
  local query uid
  jq -e '[.panels[], (.panels[].panels // [] | .[])] | map(.id) | length == (unique | length)' "$DASHBOARD" >"$scratch/out" ||
    fail "dashboard: panel ids are not unique"
  jq -r '.. | objects | .expr? // empty' "$DASHBOARD" >"$scratch/queries"
  [ -s "$scratch/queries" ] || fail "dashboard: no queries"
  jq '{groups: [{name: "queries", rules: [.. | objects | .expr? // empty
        | gsub("\\$__rate_interval"; "5m") | gsub("\\$service"; ".*")] | to_entries
        | map({record: "query:\(.key)", expr: .value})}]}' "$DASHBOARD" >"$scratch/queries.yml"
  quietly "dashboard: $(wc -l <"$scratch/queries") queries parse" promtool check rules "$scratch/queries.yml"
  if grep -q '\$' <(jq -r '.groups[].rules[].expr' "$scratch/queries.yml"); then
    fail "dashboard: a query uses a variable other than \$service and \$__rate_interval"
  fi
  uid=$(awk '$1 == "uid:" { print $2 }' config/grafana/provisioning/datasources/*.yml)
  jq -e --arg uid "$uid" '[.. | objects | .datasource? // empty | select(.type == "prometheus") | .uid] | length > 0 and all(. == $uid)' \
    "$DASHBOARD" >"$scratch/out" || fail "dashboard: a panel names another data source than the provisioned $uid"
  while read -r query; do
    grep -qxF "$query" "$scratch/queries" || fail "dashboard: lacks the specified query $query"
  done <<'QUERIES'
service_health_status
container_health_status
rate(health_check_success_total[5m]) / (rate(health_check_success_total[5m]) + rate(health_check_failure_total[5m]))
health_check_duration_seconds
QUERIES
}

need promtool prometheus
need amtool prometheus-alertmanager
need jq jq
need curl curl

quietly "promtool check config" promtool check config config/prometheus/prometheus.yml
quietly "promtool test rules" promtool test rules "$TESTS"/*.yml
check_rules
check_verbatim ServiceDown <<'SPECIFIED'
- alert: ServiceDown
  expr: service_health_status == 0
  for: 1m
  labels:
    severity: critical
  annotations:
    summary: "Service {{ $labels.service }} is unhealthy"
SPECIFIED
check_verbatim HealthCheckFailure <<'SPECIFIED'
- alert: HealthCheckFailure
  expr: rate(health_check_failure_total[5m]) > 0.1
  for: 2m
  labels:
    severity: warning
  annotations:
    summary: "High health check failure rate for {{ $labels.service }}"
SPECIFIED
check_runbooks
quietly "amtool check-config" amtool check-config "$ALERTMANAGER"
check_matchers
check_routes
quietly "inhibitions in a real Alertmanager" config/alertmanager/tests/inhibitions.sh
check_dashboard

if [ "$failures" -gt 0 ]; then
  printf '%s checks of the configuration failed\n' "$failures" >&2
  exit 1
fi
printf 'ok   %s rules, each with its texts, its runbook and its unit tests\n' "$(wc -l <"$scratch/alerts")"
