#!/usr/bin/env bash
# Runs a command with everything that it needs: tools/run.sh cargo build --release
set -euo pipefail
environment=$("$(dirname "${BASH_SOURCE[0]}")/setup.sh")
eval "$environment"
exec "$@"
