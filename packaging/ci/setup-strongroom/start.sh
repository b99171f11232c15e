#!/usr/bin/env bash
# One step of the action: installs the package apart from the job's own, starts it, waits until it is ready, and passes its
# address to later steps. It sets no proxy for them: only a step that runs `strongroom env` is redirected.
set -euo pipefail
home=$RUNNER_TEMP/strongroom
mkdir -p -m 0700 "$home"
npm install --prefix "$home" --no-save --no-audit --no-fund --loglevel=error "$STRONGROOM_PACKAGE"
export STRONGROOM_STATE_DIR=$home/state XDG_CONFIG_HOME=$home/config
program=$home/node_modules/.bin/strongroom

# The server's first output contains the owner's secret: it goes to a file that only this user can read.
log=$home/up.log
(umask 077 && : >"$log")
read -r -a options <<<"$STRONGROOM_OPTIONS"
setsid nohup "$program" up --no-vm "${options[@]}" </dev/null >>"$log" 2>&1 &
server=$!

deadline=$((SECONDS + STRONGROOM_SECONDS))
until status=$("$program" status --output json); do
  if ! kill -0 "$server" 2>/dev/null; then
    echo "::error::Strongroom ended before it was ready: $(grep -v 'owner secret' "$log" | tail -n 5 | tr '\n' ' ')"
    exit 1
  fi
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::Strongroom was not ready within $STRONGROOM_SECONDS s; give it more by the input 'seconds'."
    kill "$server"
    exit 1
  fi
  sleep 0.2
done

value() { sed -n "s/^ *\"$1\": \"\([^\"]*\)\".*/\1/p" <<<"$status"; }
echo "$home/node_modules/.bin" >>"$GITHUB_PATH"
{
  echo "STRONGROOM_STATE_DIR=$STRONGROOM_STATE_DIR"
  echo "XDG_CONFIG_HOME=$XDG_CONFIG_HOME"
} >>"$GITHUB_ENV"
{
  echo "state-dir=$STRONGROOM_STATE_DIR"
  echo "subscription-id=$(value subscriptionId)"
  echo "tenant-id=$(value tenantId)"
} >>"$GITHUB_OUTPUT"
